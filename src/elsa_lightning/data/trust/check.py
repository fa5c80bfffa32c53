"""Every file of a corpus opened, every caption looked at; what is wrong is named."""

from __future__ import annotations

import functools
import pathlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from elsa_lightning.data.manifest import SPLITS, ClipRecord
from elsa_lightning.data.parallel import in_order
from elsa_lightning.data.trust.comparison import duplicates, lengths, rates
from elsa_lightning.data.trust.examine import Examined, Wanted, died, examine
from elsa_lightning.data.trust.faults import KINDS, Fault
from elsa_lightning.data.trust.folder import beside, hinted
from elsa_lightning.data.trust.probe import Sound
from elsa_lightning.errors import DataError

if TYPE_CHECKING:
    from elsa_lightning.data.readers.corpus import Corpus


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Args:
        corpus: its name.
        root: its folder; empty for a synthesised one.
        clips: number of records.
        sounds: what each file is like, by its name in the table (for clips without a file: by clip_id).
        faults: in the order of `KINDS`, then of the table.
    """

    corpus: str
    root: str
    clips: int
    sounds: dict[str, Sound] = field(repr=False)
    faults: tuple[Fault, ...]

    @property
    def unusable(self) -> int:
        """Number of files (or clips without a file) that cannot be used."""
        return len({fault.name for fault in self.faults if fault.unusable})

    @property
    def exit_code(self) -> int:
        """0: no fault; 1: none that hinders use; 2: something cannot be used."""
        return DataError.exit_code if self.unusable else int(bool(self.faults))

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        opened = [sound for sound in self.sounds.values() if sound.rate]
        return {
            "corpus": self.corpus,
            "root": self.root,
            "clips": self.clips,
            "sounds": len(self.sounds),
            "hours": round(sum(sound.frames / sound.rate for sound in opened) / 3600, 6),
            "rates": dict(sorted(Counter(sound.rate for sound in opened).items())),
            "channels": dict(sorted(Counter(sound.channels for sound in opened).items())),
            "counts": {kind: count for kind in KINDS if (count := sum(fault.kind == kind for fault in self.faults))},
            "unusable": self.unusable,
            "faults": [fault.to_dict() for fault in self.faults],
            "exit_code": self.exit_code,
        }


def check_corpus(
    corpus: Corpus, wanted: Wanted, workers: int = 0, progress: Callable[[int, int], None] = lambda done, total: None
) -> Checked:
    """Open every file of a corpus and read every caption.

    Args:
        corpus: one with a folder (`root`) has its files opened; one without has its clips made.
        wanted: what a file should be like.
        workers: processes; 0: none besides this one.
        progress: told (files done, all files) now and then.
    """
    root = getattr(corpus, "root", None)
    named: dict[str, list[ClipRecord]] = {}
    for split in SPLITS:
        for record in corpus.records(split):
            named.setdefault(record.audio if root is not None and record.audio else record.clip_id, []).append(record)
    maker = None if all(records[0].audio for records in named.values()) and root is not None else corpus  # a large one is not sent in vain
    work = functools.partial(examine, maker, root, wanted)
    examined = in_order(work, list(named.values()), workers, died, progress)
    sounds = dict(zip(named, (sound for sound, _ in examined), strict=True))
    faults = list(_own(named, examined))
    faults += rates(named, sounds, wanted.min_rate) + lengths(named, sounds) + duplicates(named, sounds)
    if root is not None:
        faults = hinted(faults + beside(pathlib.Path(root), named))
    order = list(KINDS)
    return Checked(
        corpus=corpus.name,
        root=str(root or ""),
        clips=sum(len(records) for records in named.values()),
        sounds=sounds,
        faults=tuple(sorted(faults, key=lambda fault: order.index(fault.kind))),
    )


def _own(named: dict[str, list[ClipRecord]], examined: Iterable[Examined]) -> Iterator[Fault]:
    """Faults that one sound or one clip has by itself."""
    for (name, records), (sound, texts) in zip(named.items(), examined, strict=True):
        for kind, detail in sound.found:
            yield Fault(kind, name, records[0].split, detail)
        splits = {record.clip_id: record.split for record in records}
        for clip_id, found in texts:
            for kind, detail in found:
                yield Fault(kind, clip_id, splits[clip_id], detail)
