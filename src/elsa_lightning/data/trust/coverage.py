"""Is everything there? A manifest against a list of ids, and against the published sizes of its corpus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from elsa_lightning.data.manifest import SPLITS
from elsa_lightning.data.trust.ids import KEYS, gallery_hash, key_of, key_of_listed
from elsa_lightning.data.trust.official import Published
from elsa_lightning.data.trust.report import shortened, table
from elsa_lightning.data.trust.rows import Row

SHOWN = 20
"""Ids of a list that are printed."""


@dataclass(frozen=True)
class SplitCoverage:
    """One split of the manifest.

    Args:
        clips: in it.
        captions: in it.
        per_clip: captions of a clip → number of such clips.
        gallery: hash of its clips' sorted ids (see `gallery_hash`).
        expected: ids that the list has for this split; None without a list that says splits.
        published: clips and captions per clip of the complete corpus; None if not asked for.
    """

    clips: int
    captions: int
    per_clip: dict[int, int]
    gallery: str
    expected: int | None = None
    published: tuple[int, int] | None = None

    @property
    def as_published(self) -> bool:
        """Has the published size, with as many captions for each clip; also without a published size."""
        return self.published is None or (self.clips == self.published[0] and set(self.per_clip) <= {self.published[1]})


@dataclass(frozen=True)
class Coverage:
    """What is there of what should be.

    Args:
        splits: name → its counts; published splits first, also where the manifest lacks them.
        by: field of the manifest that the list's ids were compared with.
        expected: number of different ids in the list; None without a list.
        expected_gallery: hash of the list's sorted ids; empty without a list.
        missing: ids of the list that the manifest lacks, sorted.
        extra: ids of the manifest that the list lacks, sorted.
        misplaced: (id, split in the list, split in the manifest), sorted.
        repeated: clip_ids that several clips of the manifest have, sorted.
        unnamed: number of clips that have nothing in the field `by`, so that they match no id.
        others: if no id matched: field → number of ids that would have matched by it.
    """

    splits: dict[str, SplitCoverage]
    by: str
    expected: int | None
    expected_gallery: str
    missing: tuple[str, ...]
    extra: tuple[str, ...]
    misplaced: tuple[tuple[str, str, str], ...]
    repeated: tuple[str, ...]
    unnamed: int
    others: dict[str, int]

    @property
    def exit_code(self) -> int:
        """0 if all is there and nothing else, else 1."""
        complete = all(split.as_published for split in self.splits.values())
        return int(not complete or bool(self.missing or self.extra or self.misplaced or self.repeated))

    def to_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        splits = {}
        for name, split in self.splits.items():
            published = (
                {"published_clips": split.published[0], "published_captions_per_clip": split.published[1]} if split.published else {}
            )
            splits[name] = {
                "clips": split.clips,
                "captions": split.captions,
                "captions_per_clip": split.per_clip,
                "gallery_hash": split.gallery,
                **({} if split.expected is None else {"expected": split.expected}),
                **published,
            }
        lists = {name: list(getattr(self, name)) for name in ("missing", "extra", "misplaced", "repeated")}
        known = {
            "expected": self.expected,
            "expected_gallery_hash": self.expected_gallery,
            "compared_by": self.by,
            "clips_without": self.unnamed,
        }
        return {"splits": splits, **(known if self.expected is not None else {}), **lists, "exit_code": self.exit_code}


def coverage(rows: list[Row], listed: list[Row] | None = None, by: str = "clip_id", published: Published | None = None) -> Coverage:
    """Compare a manifest with what it should hold.

    Args:
        rows: of the manifest.
        listed: rows of the expected list; None: no list.
        by: one of `ids.KEYS`, the manifest's field that the list's ids are compared with.
        published: sizes of the complete corpus; None: not compared.
    """
    have = {key: row.split for row in rows if (key := key_of(row, by))}
    want = {key: row.split for row in listed or () if (key := key_of_listed(row, by))}
    counts = Counter(row.clip_id for row in rows)
    none_matches = listed is not None and not have.keys() & want.keys()
    expected = Counter(want.values()) if any(want.values()) else None
    names = dict.fromkeys([*(published.splits if published else ()), *SPLITS, *sorted({row.split for row in rows})])
    parts = {name: [row for row in rows if row.split == name] for name in names}
    return Coverage(
        splits={
            name: _split(part, None if expected is None else expected[name], published.splits.get(name) if published else None)
            for name, part in parts.items()
            if part or (published and name in published.splits) or (expected and expected[name])
        },
        by=by,
        expected=None if listed is None else len(want),
        expected_gallery="" if listed is None else gallery_hash(want),
        missing=tuple(sorted(want.keys() - have.keys())),
        extra=() if listed is None else tuple(sorted(have.keys() - want.keys())),
        misplaced=tuple(sorted((key, want[key], have[key]) for key in want.keys() & have.keys() if want[key] not in ("", have[key]))),
        repeated=tuple(sorted(clip_id for clip_id, count in counts.items() if count > 1)),
        unnamed=sum(not key_of(row, by) for row in rows),
        others={other: _matches(rows, listed, other) for other in KEYS if other != by} if none_matches else {},
    )


def _matches(rows: list[Row], listed: list[Row], by: str) -> int:
    return len({key_of(row, by) for row in rows} & {key for row in listed if (key := key_of_listed(row, by))})


def _split(part: list[Row], expected: int | None, published: tuple[int, int] | None) -> SplitCoverage:
    return SplitCoverage(
        clips=len(part),
        captions=sum(len(row.captions) for row in part),
        per_clip=dict(sorted(Counter(len(row.captions) for row in part).items())),
        gallery=gallery_hash(row.clip_id for row in part),
        expected=expected,
        published=published,
    )


def coverage_text(found: Coverage, published: Published | None = None) -> str:
    """The report: a line for each split, then the ids that are missing, too many, in another split or used twice."""
    rows = [("split", "clips", "expected", "published", "share", "captions", "captions × clips", "gallery")]
    for name, split in found.splits.items():
        full = split.published[0] if split.published else split.expected
        share = f"{100 * split.clips / full:.2f} %" if full else "-"
        per_clip = ", ".join(f"{number} × {count}" for number, count in split.per_clip.items()) or "-"
        size = f"{split.published[0]} ({split.published[1]} each)" if split.published else "-"
        rows.append((name or "(none)", split.clips, _or_dash(split.expected), size, share, split.captions, per_clip, split.gallery))
    lines = table(rows)
    if published:
        lines.append(f"published: {published.title}; {published.source}")
    if found.expected is not None:
        matched = found.expected - len(found.missing)
        lines.append(f"expected by list: {found.expected} ids (hash {found.expected_gallery}), {matched} there, compared by {found.by}")
        lines += [f"{found.unnamed} clips have no {found.by} and match no id"] * bool(found.unnamed)
    hints = [f"--by {by} ({count} would match)" for by, count in found.others.items() if count]
    lines += [f"no id matches: try {' or '.join(hints)}"] * bool(hints)
    misplaced = [f"{key}: {want} in the list, {have or 'no split'} in the manifest" for key, want, have in found.misplaced]
    for title, ids in (
        ("missing", found.missing),
        ("not in the list", found.extra),
        ("in another split", misplaced),
        ("clip_ids used more than once", found.repeated),
    ):
        lines += ([f"{title} ({len(ids)}):"] if ids else []) + shortened(ids, SHOWN, "    ")
    if found.exit_code:
        lines.append("not as it should be")
    else:
        compared = found.expected is not None or published is not None
        lines.append("complete" if compared else "compared with nothing: --expected or --official says what should be there")
    return "\n".join(lines)


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)
