"""Faults that show only when files are compared, with each other and with their table."""

from __future__ import annotations

from collections import Counter

from elsa_lightning.data.audio_file import OVERRUN_S
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.data.trust.faults import Fault
from elsa_lightning.data.trust.probe import Sound

LENGTH_TOLERANCE_S = 0.1
"""Codecs pad by up to some 50 ms; what differs more was cut or exchanged."""

Named = dict[str, list[ClipRecord]]
"""A file's name in the table → its clips."""


def rates(named: Named, sounds: dict[str, Sound], min_rate: int) -> list[Fault]:
    """Files whose rate is too low, differs from the table's, or differs from the rate that most files have."""
    counts = Counter(sound.rate for sound in sounds.values() if sound.rate)
    usual = max(counts, key=lambda rate: (counts[rate], rate), default=0)
    faults = []
    for name, sound in sounds.items():
        record = named[name][0]
        why = []
        if 0 < sound.rate < min_rate:
            why.append(f"below {min_rate} Hz")
        if sound.rate and record.sample_rate and sound.rate != record.sample_rate:
            why.append(f"the table says {record.sample_rate} Hz")
        if sound.rate not in (0, usual):
            why.append(f"{counts[usual]} of {sum(counts.values())} files have {usual} Hz")
        if why:
            faults.append(Fault("rate", name, record.split, f"{sound.rate} Hz; {', '.join(why)}"))
    return faults


def lengths(named: Named, sounds: dict[str, Sound]) -> list[Fault]:
    """Whole files that are not as long as the table says, and parts of files that lie behind the end."""
    faults = []
    for name, sound in sounds.items():
        parts = [record for record in named[name] if record.start_s is not None]
        faults += [_cut(name, part, sound) for part in parts if sound.digest and _end_s(part) > sound.frames / sound.rate]
        stated = 0.0 if parts else named[name][0].duration_s
        if stated and sound.digest and abs(sound.frames / sound.rate - stated) > LENGTH_TOLERANCE_S:
            faults.append(Fault("length", name, named[name][0].split, f"{sound.frames / sound.rate:.2f} s; the table says {stated:.2f} s"))
    return faults


def _end_s(part: ClipRecord) -> float:
    """Where a part must end in its file for the file to hold it; one of unknown length must begin in it."""
    return part.start_s + max(part.duration_s - OVERRUN_S, 1e-3)


def _cut(name: str, part: ClipRecord, sound: Sound) -> Fault:
    of = f"clip {part.clip_id} is the part from {part.start_s:g} s" + (
        f" to {part.start_s + part.duration_s:g} s" if part.duration_s else ""
    )
    return Fault("truncated", name, part.split, f"{of}, but the file ends at {sound.frames / sound.rate:.3f} s")


def duplicates(named: Named, sounds: dict[str, Sound]) -> list[Fault]:
    """Sounds that equal an earlier one sample by sample, and clips that share a file, or the same part of it, with an earlier one."""
    faults, first = [], {}
    for name, records in named.items():
        owners: dict[tuple[float | None, float], ClipRecord] = {}
        for record in records:
            part = (record.start_s, record.duration_s if record.start_s is not None else 0.0)
            if (owner := owners.setdefault(part, record)) is record:
                continue
            faults.append(Fault("duplicate", name, record.split, f"clip {record.clip_id} has the same file as clip {owner.clip_id}"))
        digest = sounds[name].digest
        if digest and (original := first.setdefault(digest, name)) != name:
            splits = (named[original][0].split, records[0].split)
            across = f"; one in {splits[0]}, one in {splits[1]}" if splits[0] != splits[1] else ""
            faults.append(Fault("duplicate", name, records[0].split, f"same samples as {original}{across}"))
    return faults
