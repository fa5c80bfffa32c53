"""What `prepare` found, for people and for scripts. Imports neither torch nor numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from elsa_lightning.data.layouts.listing import Fault
from elsa_lightning.data.manifest import SPLITS, ClipRecord

SHOWN = 10
"""Clips named on the screen; the JSON report names all."""
LISTED = 1000
"""Files that no table names, of which there may be any number, are listed up to this many."""


@dataclass
class Report:
    """Clips expected, found, and left out with the reason.

    Attributes:
        corpus: name of the layout.
        root: folder of the corpus.
        manifest: that was, or would have been, written.
        expected: clips in the corpus' tables.
        present: those whose file is there.
        missing: ids of the others.
        faults: clips, rows and tars that cannot be used.
        shared: clips left out since another split holds the same recording: clip_id, split, kept_in, by.
        several: clips with several equally good files: clip_id, taken, others.
        unlisted: audio files that no table names.
        missing_tables: tables that are not there.
        notes: rules that were applied.
        records: clips of the manifest.
    """

    corpus: str
    root: str
    manifest: str
    expected: int = 0
    present: int = 0
    missing: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    shared: list[dict[str, str]] = field(default_factory=list)
    several: list[dict[str, Any]] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    missing_tables: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    records: list[ClipRecord] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Nothing that the layout promises is missing or faulty."""
        return not (self.missing or self.faults or self.missing_tables)

    @property
    def splits(self) -> dict[str, dict[str, Any]]:
        """Split → clips, captions, different captions, hours."""
        found = {}
        for split in SPLITS:
            records = [record for record in self.records if record.split == split]
            captions = [caption for record in records for caption in record.captions]
            hours = round(sum(record.duration_s for record in records) / 3600, 4)
            found[split] = {"clips": len(records), "captions": len(captions), "different_captions": len(set(captions)), "hours": hours}
        return found

    def to_dict(self) -> dict[str, Any]:
        """For the JSON report."""
        about = {name: getattr(self, name) for name in ("corpus", "root", "manifest", "expected", "present")}
        about |= {"written": len(self.records), "splits": self.splits, "missing": self.missing}
        about |= {"faulty": [fault.to_dict() for fault in self.faults], "shared": self.shared, "several_files": self.several}
        about |= {"unlisted_files": len(self.unlisted), "unlisted_first": self.unlisted[:LISTED]}
        return about | {"missing_tables": self.missing_tables, "notes": self.notes}

    def lines(self) -> Iterator[str]:
        """For the screen."""
        yield f"{self.corpus}: {self.expected} clips expected, {self.present} with a file, {len(self.records)} for {self.manifest}"
        for split, sizes in self.splits.items():
            captions = f"{sizes['captions']} captions ({sizes['different_captions']} different)"
            yield f"{split:6s} {sizes['clips']} clips, {captions}, {sizes['hours']:.2f} h"
        yield from (f"note: {note}" for note in self.notes)
        if self.missing_tables:
            yield f"tables that are not there: {', '.join(self.missing_tables)}"
        if self.missing:
            yield f"missing: {_first(self.missing)}"
        if self.faults:
            yield f"faulty: {len(self.faults)}"
            yield from (f"  {fault.clip_id}: {fault.message}\n    → {fault.remedy}" for fault in self.faults[:SHOWN])
            if len(self.faults) > SHOWN:
                yield f"  … and {len(self.faults) - SHOWN} more"
        if self.shared:
            names = [f"{one['clip_id']} ({one['split']}; {one['by']} is in {one['kept_in']})" for one in self.shared]
            yield f"left out, since their recording is in another split: {_first(names)}"
        if self.several:
            yield f"several files fit, the first was taken: {_first([one['clip_id'] for one in self.several])}"
        if self.unlisted:
            yield f"audio files that no table names: {_first(self.unlisted)}"


def _first(names: Sequence[str]) -> str:
    more = f" … and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)}: {', '.join(names[:SHOWN])}{more}"
