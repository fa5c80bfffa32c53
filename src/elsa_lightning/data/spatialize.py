"""Mono clips in rooms: FOA with W of RMS 1, and its features. On the training's device, in float32, outside autocast, without gradients."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elsa_lightning.acoustics.ambisonics import CHANNELS, W
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.room_source import RoomSource
from elsa_lightning.data.roughening import roughen
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

        Args:
            batch: with `room`.
            step: of the training, for the pool.
        """
        batch.rir, labels = self.room_source.draw(batch.room, step)
        batch.spatial = {name: values.to(batch.room.device) for name, values in labels.items()}
        return batch

    @torch.no_grad()
    def forward(self, batch: AudioTextBatch) -> AudioTextBatch:
        """Fill in `foa` (and `features`) of a placed batch; the responses are let go.

        Training items are roughened, and the probe's too: these are the same items, and come so out of a cache. Others never are.
        """
        if batch.rir is None:
            self.place(batch)
        with torch.autocast(batch.mono.device.type, enabled=False):
            foa = self.sound(batch)
            if batch.split in ("train", PROBE):
                foa = roughen(foa, batch.render_key, self.augmentation, self.sample_rate)
            foa = self.policy(level(foa), batch.is_spatial)
            if batch.yaw is not None:
                foa = turn_foa(foa, batch.yaw, batch.mirror)
            batch.foa, batch.rir = foa, None
            if self.front_end is not None:
                batch.features = self.front_end.to(foa.device)(foa)
        return batch

    def sound(self, batch: AudioTextBatch) -> Tensor:
        """`(B, 4, T)`: each clip in its room, or the dry clip in W alone."""
        mono, spatial = batch.mono.float(), batch.is_spatial  # (B, P + T)
        samples = mono.shape[1]
        foa = mono.new_zeros(len(mono), CHANNELS, self.clip_samples)
        foa[:, W] = mono[:, samples - self.clip_samples :]
        if spatial.any():
            rir = batch.rir.to(mono.device)
            foa[spatial] = convolve(mono[spatial], rir[spatial], samples)[..., samples - self.clip_samples :]
        return foa

    def policy(self, foa: Tensor, is_spatial: Tensor) -> Tensor:
        """Channels of non-spatial examples: W in all four (the paper), or silent dipoles."""
        plain = torch.zeros_like(foa)
        plain[:, W] = foa[:, W]
        if self.mono_policy == "copy":
            plain = foa[:, W : W + 1].expand_as(foa)
        return torch.where(is_spatial[:, None, None], foa, plain)


def level(foa: Tensor) -> Tensor:
    """One gain for all channels of each example, so that W has RMS 1."""
    rms = foa[:, W].square().mean(-1).sqrt().clamp_min(1e-12)
    return foa / rms[:, None, None]
