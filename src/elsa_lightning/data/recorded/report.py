"""What was cut out of a corpus, what was left out and why: as a dictionary for JSON and as lines to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from elsa_lightning.data.manifest import SPLITS
from elsa_lightning.data.recorded.segments import FoaSegment
from elsa_lightning.data.recorded.types import Reading

NAMED = 5
"""Files that are named on the screen per reason; the JSON report names all."""

REASONS = 20
"""Reasons that are named on the screen."""


def summary(reading: Reading) -> dict[str, Any]:
    """Counts and hours per split and class, seconds that were not used, and every file that was left out."""
    tally = reading.tally
    return {
        "corpus": reading.facts.name,
        "rule": asdict(reading.rule),
        "recordings": reading.recordings,
        **_sizes(reading.segments),
        "splits": {split: _split(own) for split in SPLITS if (own := [one for one in reading.segments if one.split == split])},
        "labelled_s": {"all": round(tally.labelled, 3)} | {name: round(value, 3) for name, value in asdict(tally).items()},
        "layouts": sorted({f"{one.order} {one.normalisation}" for one in reading.segments}),
        "left_out": [asdict(one) for one in reading.left_out],
        "notes": list(reading.notes),
        "caution": reading.facts.caution,
    }


def _sizes(segments: Iterable[FoaSegment]) -> dict[str, Any]:
    durations = [one.end_s - one.start_s for one in segments]
    return {"segments": len(durations), "hours": round(sum(durations) / 3600, 4)}


def _split(segments: list[FoaSegment]) -> dict[str, Any]:
    by_label: dict[str, list[FoaSegment]] = {}
    for one in sorted(segments, key=lambda one: one.label):
        by_label.setdefault(one.label, []).append(one)
    return {
        **_sizes(segments),
        "recordings": len({one.audio for one in segments}),
        "classes": {label: _sizes(own) for label, own in by_label.items()},
    }


def lines(found: dict[str, Any]) -> list[str]:
    """A `summary` to read."""
    rule = found["rule"]
    text = [
        f"{found['corpus']}: {found['recordings']} recordings read, {found['segments']} segments with one source, {found['hours']:.2f} h "
        f"(at least {rule['min_s']:g} s, moving no more than {rule['max_move_deg']:g}°)"
    ]
    for split, sizes in found["splits"].items():
        text.append(f"{split:6s} {sizes['segments']} segments, {sizes['hours']:.2f} h, of {sizes['recordings']} recordings")
        named = [f"{label} {its['segments']}" for label, its in sizes["classes"].items() if label]
        text.append("       " + (", ".join(named) or "no classes"))
    text.append(_time(found["labelled_s"], rule["guard_s"]))
    text += _left_out(found["left_out"])
    text += [f"note: {note}" for note in found["notes"]]
    text.append(f"layout: {'; '.join(found['layouts'])}" if found["layouts"] else "layout: no segments")
    return text + ([f"caution: {found['caution']}"] if found["caution"] else [])


def _time(seconds: dict[str, float], guard_s: float) -> str:
    reasons = {
        "used": "used",
        "overlapping": "several sounds at once",
        "guard": f"within {guard_s:g} s of another sound",
        "short": "too short or moving too fast",
    }
    whole = seconds["all"] or 1.0
    shares = [f"{100 * seconds[name] / whole:.0f} % {reason}" for name, reason in reasons.items()]
    return f"of {seconds['all'] / 3600:.2f} h with a labelled sound: {', '.join(shares)}"


def _left_out(files: list[dict[str, str]]) -> list[str]:
    by_reason: dict[str, list[str]] = {}
    for one in files:
        by_reason.setdefault(one["reason"], []).append(one["path"])
    text = [f"{len(files)} files left out:"] if files else []
    for reason, paths in list(by_reason.items())[:REASONS]:
        more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
        text.append(f"  {len(paths)}: {reason} ({', '.join(paths[:NAMED])}{more})")
    return text + ([f"  and {len(by_reason) - REASONS} more reasons: --json names all"] if len(by_reason) > REASONS else [])
