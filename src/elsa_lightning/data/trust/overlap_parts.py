"""The splits of some manifests as sets of what they might share."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable
from dataclasses import dataclass, field

from elsa_lightning.data.parallel import in_order
from elsa_lightning.data.trust.captions import caption_hash, normalised
from elsa_lightning.data.trust.probe import Sound, probe_file
from elsa_lightning.data.trust.rows import Row, read_rows

KINDS = {
    "source": "recordings that clips were cut from",
    "audio": "audio files",
    "sound": "decoded samples",
    "caption": "captions (lower case, without punctuation and articles)",
}
"""What may be shared, in the order of reports."""


@dataclass
class Part:
    """One split of one manifest.

    Args:
        manifest: its name in the report.
        split: train, val, test.
        clips: in it.
        keys: kind → what may be shared → (the first clip that has it, how people read it).
    """

    manifest: str
    split: str
    clips: int = 0
    keys: dict[str, dict[str, tuple[str, str]]] = field(default_factory=lambda: {kind: {} for kind in KINDS}, repr=False)

    @property
    def name(self) -> str:
        """How the report calls it."""
        return f"{self.manifest} {self.split or '(no split)'}"


class Gathering:
    """Parts, filled manifest by manifest; what cannot be compared is kept by reason in `left_out`."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.left_out: dict[str, list[str]] = {}
        self._users: dict[str, list[tuple[Part, str]]] = {}
        self._real = functools.cache(os.path.realpath)

    def add(self, manifest: pathlib.Path, name: str) -> None:
        """Take in a manifest's splits, in the order train, val, test, others.

        Raises:
            DataError: it cannot be read.
        """
        here: dict[str, Part] = {}
        for row in read_rows(manifest):
            self._take(here.setdefault(row.split, Part(name, row.split)), row, manifest)
        order = {"train": 0, "val": 1, "test": 2}
        self.parts += sorted(here.values(), key=lambda part: (order.get(part.split, 3), part.split))

    def _take(self, part: Part, row: Row, manifest: pathlib.Path) -> None:
        part.clips += 1
        namespaced = ":" in row.source
        if row.source:
            part.keys["source"].setdefault(row.source if namespaced else f"{manifest}: {row.source}", (row.clip_id, row.source))
        if not row.source:
            self._leave(row.clip_id, "clips without a source")
        elif not namespaced:
            self._leave(row.clip_id, "clips' sources across manifests: they do not say whose id it is (as freesound:123 does)")
        if row.audio:
            path = os.path.join(manifest.parent, row.audio)
            path = os.path.join(self._real(os.path.dirname(path)), os.path.basename(path))
            part.keys["audio"].setdefault(path, (row.clip_id, row.audio))
            self._users.setdefault(path, []).append((part, row.clip_id))
        else:
            self._leave(row.clip_id, "clips without an audio file")
        for caption in row.captions:
            if text := normalised(caption):
                part.keys["caption"].setdefault(caption_hash(text), (row.clip_id, text))

    def _leave(self, name: str, reason: str) -> None:
        self.left_out.setdefault(reason, []).append(name)

    def decode(self, workers: int, progress: Callable[[int, int], None]) -> None:
        """Open every file and add the hash of its samples."""
        sounds = in_order(probe_file, list(self._users), workers, _died, progress)
        for (path, users), sound in zip(self._users.items(), sounds, strict=True):
            if not sound.digest:
                self._leave(f"{path}: {sound.found[0][1]}", "audio files without sound to compare")
            for part, clip_id in users if sound.digest else ():
                part.keys["sound"].setdefault(sound.digest, (clip_id, path))


def _died(path: str) -> Sound:
    return Sound(found=(("unreadable", "decoding it killed the process"),))
