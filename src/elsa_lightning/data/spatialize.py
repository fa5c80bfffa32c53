"""Mono clips in rooms and recordings as they are: FOA with W of RMS 1, and its features. On the training's device, in float32, outside
autocast, without gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elsa_lightning.acoustics.ambisonics import CHANNELS, W
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.measure import LABELS
from elsa_lightning.acoustics.room_source import RoomSource
from elsa_lightning.data.recordings import counted_labels
from elsa_lightning.data.roughening import delay_onset, roughen
from elsa_lightning.data.turning import turn_foa
from elsa_lightning.data.types import PROBE, AudioTextBatch
from elsa_lightning.features import FrontEnd
from elsa_lightning.schema import Experiment


class Spatializer(nn.Module):
    """Renders batches.

    Args:
        room_source: gives responses and labels.
        cfg: the experiment.
        front_end: also computes features; None: FOA alone.
    """

    def __init__(self, room_source: RoomSource, cfg: Experiment, front_end: FrontEnd | None = None) -> None:
        super().__init__()
        self.room_source, self.front_end = room_source, front_end
        self.augmentation, self.mono_policy, self.sample_rate = cfg.augmentation, cfg.data.mono_policy, cfg.audio.sample_rate
        self.clip_samples = round(cfg.audio.clip_s * cfg.audio.sample_rate)

    @torch.no_grad()
    def place(self, batch: AudioTextBatch, step: int = 0) -> AudioTextBatch:
        """Draw the batch's rooms: `rir` (where the source has it) and the labels (on the batch's device), which captions need.

        No room is drawn for a recording: its labels are its record's.

        Args:
            batch: with `room`.
            step: of the training, for the pool.
        """
        recorded = batch.is_recorded
        if not recorded.any():
            batch.rir, labels = self.room_source.draw(batch.room, step)
            batch.spatial = {name: values.to(batch.room.device) for name, values in labels.items()}
            return batch
        train, pairs = batch.split in ("train", PROBE), zip(batch.records, batch.version.tolist(), strict=True)
        known = [counted_labels(record, version, train) for record, version in pairs if record.recorded]
        drawn: dict[str, Tensor] = {}
        if not recorded.all():
            batch.rir, drawn = self.room_source.draw(batch.room[~recorded], step)
        batch.spatial = {}
        for name in LABELS:
            values = torch.empty(len(batch), device=batch.room.device)
            values[recorded] = torch.tensor([labels[name] for labels in known], device=values.device)
            if drawn:
                values[~recorded] = drawn[name].to(values)
            batch.spatial[name] = values
        return batch

    @torch.no_grad()
    def forward(self, batch: AudioTextBatch) -> AudioTextBatch:
        """Fill in `foa` (and `features`) of a placed batch; the responses are let go.

        Simulated training items are roughened, and the probe's too: these are the same items, and come so out of a cache. Others never are,
        and recordings are rough as they come.
        """
        if batch.rir is None and not (batch.mono is None and batch.spatial):
            self.place(batch)
        with torch.autocast(batch.key.device.type, enabled=False):
            foa = self.policy(level(self.sound(batch)), batch.is_spatial)
            if batch.yaw is not None:
                foa = turn_foa(foa, batch.yaw, batch.mirror)
            batch.foa, batch.rir = foa, None
            if self.front_end is not None:
                batch.features = self.front_end.to(foa.device)(foa)
        return batch

    def sound(self, batch: AudioTextBatch) -> Tensor:
        """`(B, 4, T)`: each clip in its room, or the dry clip in W alone, or the recording."""
        if batch.recordings is None:
            return self._in_rooms(batch, batch.is_spatial, batch.render_key)
        recorded = batch.is_recorded
        foa = batch.recordings.new_empty(len(batch), CHANNELS, self.clip_samples, dtype=torch.float32)
        foa[recorded] = batch.recordings.float()
        if batch.mono is not None:
            foa[~recorded] = self._in_rooms(batch, batch.is_spatial[~recorded], batch.render_key[~recorded])
        return foa

    def _in_rooms(self, batch: AudioTextBatch, spatial: Tensor, render_key: Tensor) -> Tensor:
        """`(S, 4, T)` of the batch's mono clips; `spatial` and `render_key` `(S,)` are theirs."""
        mono = batch.mono.float()  # (S, P + T)
        samples, rough = mono.shape[1], batch.split in ("train", PROBE)
        if rough:
            mono = delay_onset(mono, render_key, self.augmentation, self.clip_samples, self.sample_rate)
        foa = mono.new_zeros(len(mono), CHANNELS, self.clip_samples)
        foa[:, W] = mono[:, samples - self.clip_samples :]
        if spatial.any():
            rir = batch.rir.to(mono.device)
            foa[spatial] = convolve(mono[spatial], rir[spatial], samples)[..., samples - self.clip_samples :]
        if rough:
            foa = roughen(foa, render_key, self.augmentation, self.sample_rate)
        return foa

    def policy(self, foa: Tensor, is_spatial: Tensor) -> Tensor:
        """Channels of non-spatial examples: W in all four (the paper), or silent dipoles."""
        return torch.where(is_spatial[:, None, None], foa, without_place(foa[:, W], self.mono_policy))


def without_place(w: Tensor, mono_policy: str) -> Tensor:
    """`(B, 4, T)` of sounds `(B, T)` that come from nowhere: W in all channels (`copy`), or silent dipoles (`zero`)."""
    if mono_policy == "copy":
        return w[:, None].expand(-1, CHANNELS, -1)
    foa = w.new_zeros(len(w), CHANNELS, w.shape[1])
    foa[:, W] = w
    return foa


def level(foa: Tensor) -> Tensor:
    """One gain for all channels of each example, so that W has RMS 1."""
    rms = foa[:, W].square().mean(-1).sqrt().clamp_min(1e-12)
    return foa / rms[:, None, None]
