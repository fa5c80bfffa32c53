"""Captions compared: what counts as the same one."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

ARTICLES = frozenset(("a", "an", "the"))


def normalised(caption: str) -> str:
    """Lower case, without punctuation and articles, single spaces; letters and digits of any script are kept."""
    text = unicodedata.normalize("NFKC", caption).casefold().replace("'", "").replace("’", "")
    return " ".join(word for word in re.findall(r"[^\W_]+", text) if word not in ARTICLES)


def caption_hash(text: str) -> str:
    """16 hex digits of a normalised caption."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def caption_faults(captions: Iterable[str]) -> list[tuple[str, str]]:
    """Faults of one clip's captions, as (kind, what was found); one of a kind at most."""
    texts = list(captions)
    keys = [" ".join(text.casefold().split()).strip(" .") for text in texts]
    found = []
    if not texts:
        found.append(("no caption", "has no caption"))
    elif not all(normalised(text) for text in texts):
        found.append(("no caption", f"{sum(not normalised(text) for text in texts)} of {len(texts)} captions without any word"))
    repeated = [text for number, text in enumerate(texts) if keys[number] and keys[number] in keys[:number]]
    if repeated:
        found.append(("repeated caption", f"{repeated[0]!r}" + (f" and {len(repeated) - 1} more" if len(repeated) > 1 else "")))
    return found
