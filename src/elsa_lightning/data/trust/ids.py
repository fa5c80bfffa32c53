"""Ids of clips: how those of two lists are matched, and the hash that names a gallery."""

from __future__ import annotations

import hashlib
import pathlib
import posixpath
from collections.abc import Iterable

from elsa_lightning.data.trust.folder import AUDIO_SUFFIXES
from elsa_lightning.data.trust.rows import Row

KEYS = ("clip_id", "audio", "source")
"""Fields of a manifest that a list of ids may speak of."""


def gallery_hash(ids: Iterable[str]) -> str:
    """12 hex digits that name a set of clips: of the sorted ids, as every result over them carries it."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()[:12]


def key_of(row: Row, by: str) -> str:
    """What of a manifest's row is compared with an id: the clip's id, its file's name without folder and suffix, or its source's id
    without the name of the archive (freesound:123 → 123). Empty where the row has none."""
    return _reduced({"clip_id": row.clip_id, "audio": row.audio, "source": row.source}[by], by)


def key_of_listed(row: Row, by: str) -> str:
    """The same of a row of the expected list, whose ids stand for whatever they are compared with; a manifest's row has all fields."""
    return key_of(row, by) if row.audio or row.source else _reduced(row.clip_id, by)


def _reduced(text: str, by: str) -> str:
    if by == "audio":
        name = posixpath.basename(text.replace("\\", "/"))
        return pathlib.PurePosixPath(name).stem if pathlib.PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES else name
    if by == "source":
        return text.partition(":")[2] or text
    return text
