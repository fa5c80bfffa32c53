"""Do splits or corpora share recordings, files or captions? Training on what is tested is the fault that no metric shows."""

from __future__ import annotations

import itertools
import pathlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from elsa_lightning.data.trust.overlap_parts import KINDS, Gathering, Part
from elsa_lightning.errors import ConfigError, DataError

LEAKING = ("source", "audio", "sound")
"""Kinds that training must not share with validation or test; equal captions alone are no leak."""
NAMED = 10
"""Examples of what could not be compared."""


@dataclass(frozen=True)
class Shared:
    """What two parts have in common.

    Args:
        kind: key of `KINDS`.
        first: a part's index.
        second: a later part's.
        keys: what they share, sorted.
    """

    kind: str
    first: int
    second: int
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Overlap:
    """All that the parts of some manifests share.

    Args:
        parts: every split of every manifest.
        shared: pairs with something in common, by kind.
        left_out: what could not be compared: reason → its number and the first names.
        kinds: what was compared.
    """

    parts: tuple[Part, ...]
    shared: tuple[Shared, ...]
    left_out: dict[str, tuple[int, tuple[str, ...]]]
    kinds: tuple[str, ...]

    @property
    def leaks(self) -> tuple[Shared, ...]:
        """Recordings or sounds that a training split shares with a validation or test split."""
        return tuple(pair for pair in self.shared if pair.kind in LEAKING and self._apart(pair))

    def _apart(self, pair: Shared) -> bool:
        splits = {self.parts[pair.first].split, self.parts[pair.second].split}
        return "train" in splits and bool(splits & {"val", "test"})

    @property
    def exit_code(self) -> int:
        """1 if training shares a recording or a sound with validation or test, else 0."""
        return int(bool(self.leaks))

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        parts = [
            {"manifest": part.manifest, "split": part.split, "clips": part.clips}
            | {"different": {kind: len(part.keys[kind]) for kind in self.kinds}}
            for part in self.parts
        ]
        left_out = {reason: {"count": count, "first": list(names)} for reason, (count, names) in self.left_out.items()}
        shared = [self._pair(pair, pair in self.leaks) for pair in self.shared]
        return {"parts": parts, "shared": shared, "not_compared": left_out, "exit_code": self.exit_code}

    def _pair(self, pair: Shared, leak: bool) -> dict[str, Any]:
        a, b = (self.parts[index] for index in (pair.first, pair.second))
        first, second = a.keys[pair.kind], b.keys[pair.kind]
        keys = [{"key": key, "is": first[key][1], "clips": [first[key][0], second[key][0]]} for key in pair.keys]
        return {"kind": pair.kind, "between": [a.name, b.name], "count": len(keys), "leak": leak, "shared": keys}


def overlap(
    manifests: list[pathlib.Path],
    decode: bool = False,
    workers: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Overlap:
    """Compare every split of every manifest with every other.

    A source is compared across manifests if it says whose id it is (freesound:123); a bare one only within its manifest.

    Args:
        manifests: JSONL files.
        decode: compare decoded samples too: every file is opened.
        workers: processes that decode; 0: none besides this one.
        progress: told (files done, all files) now and then.

    Raises:
        ConfigError: a manifest is named twice.
        DataError: a manifest cannot be read, or all manifests together have one split only.
    """
    if len({path.resolve() for path in manifests}) < len(manifests):
        raise ConfigError("a manifest is named twice", "name each once: its own splits are compared too")
    names = Counter(path.name for path in manifests)
    gathering = Gathering()
    for path in manifests:
        gathering.add(path, path.name if names[path.name] == 1 else str(path))
    parts = tuple(gathering.parts)
    if len(parts) < 2:
        raise DataError(f"{parts[0].name} is all there is to compare", "name another manifest, or one with several splits")
    if decode:
        gathering.decode(workers, progress)
    kinds = tuple(kind for kind in KINDS if decode or kind != "sound")
    shared = tuple(
        Shared(kind, a, b, tuple(sorted(common)))
        for kind in kinds
        for a, b in itertools.combinations(range(len(parts)), 2)
        if (common := parts[a].keys[kind].keys() & parts[b].keys[kind].keys())
    )
    return Overlap(parts, shared, {reason: (len(names), tuple(names[:NAMED])) for reason, names in gathering.left_out.items()}, kinds)
