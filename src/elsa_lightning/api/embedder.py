"""Sounds → embeddings of their windows, in batches that cross from one sound to the next; a faulty sound is a value, not the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.api.sources import Source
from elsa_lightning.api.windows import Cut, cut
from elsa_lightning.data.clips import QUIET_CROP
from elsa_lightning.data.spatialize import level, without_place
from elsa_lightning.errors import ElsaError, RunError
from elsa_lightning.features import FrontEnd
from elsa_lightning.models import ElsaModel


@dataclass
class Windows:
    """What the model makes of one sound's windows.

    Attributes:
        audio: `(K, E)` of length 1.
        levels: `(K,)`, RMS of W before levelling.
        mono: whether the sound had one channel.
    """

    audio: np.ndarray
    levels: np.ndarray
    mono: bool

    @property
    def weights(self) -> np.ndarray:
        """`(K,)` of sum 1: all windows alike, but for those so quiet beside the loudest that training would not have heard them."""
        counts = self.levels >= QUIET_CROP * self.levels.max()
        return counts / counts.sum()

    @property
    def embedding(self) -> np.ndarray:
        """`(E,)` float32 of length 1: the windows' mean, normalised."""
        mean = self.weights @ self.audio.astype(np.float64)
        return (mean / max(np.linalg.norm(mean), 1e-12)).astype(np.float32)


@dataclass
class _Sound:
    """A sound on its way."""

    mono: bool = False
    audio: list[np.ndarray] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    closed: bool = False
    fault: ElsaError | None = None

    @property
    def ready(self) -> bool:
        return self.closed and (self.fault is not None or len(self.audio) == len(self.levels))

    def result(self) -> Windows | ElsaError:
        return self.fault or Windows(np.stack(self.audio), np.array(self.levels), self.mono)


class Embedder:
    """The audio tower as an evaluation runs it: levelled windows, front end and network in float32.

    Args:
        network: in evaluation mode.
        front_end: the model's.
        cutting: lengths of windows.
        mono_policy: `data.mono_policy`.
        device: of both.
        batch: windows at a time.
    """

    def __init__(self, network: ElsaModel, front_end: FrontEnd, cutting: Cut, mono_policy: str, device: str, batch: int) -> None:
        self.network, self.front_end, self.cutting = network, front_end, cutting
        self.mono_policy, self.device, self.batch = mono_policy, device, batch

    def each(self, openers: Iterable[Callable[[], Source]]) -> Iterator[Windows | ElsaError]:
        """Results in the order of the sounds, each as soon as it is there; at most `batch` windows are in memory.

        Args:
            openers: each opens a sound, or raises what is wrong with it.
        """
        waiting: list[_Sound] = []
        queue: list[tuple[_Sound, np.ndarray]] = []
        for opener in openers:
            sound = _Sound()
            waiting.append(sound)
            for window, rms in self._cut(opener, sound):
                sound.levels.append(rms)
                queue.append((sound, window))
                if len(queue) == self.batch:
                    self._run(queue)
            if sound.fault is not None:
                queue = [entry for entry in queue if entry[0] is not sound]
            sound.closed = True
            while waiting and waiting[0].ready:
                yield waiting.pop(0).result()
        self._run(queue)
        yield from (sound.result() for sound in waiting)

    def _cut(self, opener: Callable[[], Source], sound: _Sound) -> Iterator[tuple[np.ndarray, float]]:
        """A sound's windows; what is wrong with it is noted in it."""
        try:
            source = opener()
            sound.mono = source.mono
            yield from cut(source, self.cutting)
        except ElsaError as fault:
            sound.fault = fault

    def _run(self, queue: list[tuple[_Sound, np.ndarray]]) -> None:
        """Embed and empty the queue."""
        for kind in (True, False):
            entries = [entry for entry in queue if entry[0].mono is kind]
            if entries:
                audio = self.windows(torch.from_numpy(np.stack([window for _, window in entries])))
                for (sound, _), row in zip(entries, audio.cpu().numpy(), strict=True):
                    sound.audio.append(row)
        queue.clear()

    @torch.no_grad()
    def windows(self, samples: Tensor) -> Tensor:
        """Embeddings `(B, E)` of windows `(B, C, T)`, ACN/SN3D or mono, of any level.

        Raises:
            RunError: the network gives numbers that are not finite.
        """
        foa = level(samples.to(self.device).float())
        if foa.shape[1] == 1:
            foa = without_place(foa[:, 0], self.mono_policy)
        with torch.autocast(foa.device.type, enabled=False):
            audio = self.network.embed_audio(self.front_end(foa))
        if not audio.isfinite().all():
            raise RunError("the model's embeddings are not finite", "its weights are damaged: fetch or export the folder again")
        return audio
