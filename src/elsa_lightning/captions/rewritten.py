"""Accepted rewrites of a file that `elsa data rewrite` wrote, by caption and spatial words: what training says in a template's place.

A line counts if its source is the model and it passes `verify`. The check of a line takes a millisecond, so `elsa data rewrite` stamps the
lines that it accepted; a line whose stamp is missing or does not fit what it says (another program's, or changed by hand) is checked here.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elsa_lightning.captions.attributes import SpatialWords
from elsa_lightning.captions.rewrite_request import read_lines
from elsa_lightning.captions.templates import plain_caption
from elsa_lightning.captions.verify import verify
from elsa_lightning.errors import DataError

VERIFIER = 1
"""Raised when `verify` judges differently: older stamps do not hold then."""

SOURCES = ("model", "template")
"""Whose sentence a line's `rewrite` is."""

FIELDS = ("caption", "words", "rewrite", "source")
REMEDY = "captions.rewrites must name what `elsa data rewrite` wrote: elsa data rewrite-tasks, then elsa data rewrite"

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A plain caption and its words, as (attribute, word) in the order of `attributes.RULES`."""


def stamp(caption: str, words: Sequence[tuple[str, str]], rewrite: str) -> str:
    """Says that this rewrite of this caption with these words passed the check, of this version."""
    said = json.dumps([VERIFIER, caption, sorted(words), rewrite])
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True)
class Rewrites:
    """Callable: caption and words → the accepted rewrites, none or several.

    Args:
        path: of the file.
        texts: by caption and words, in the order of the alphabet.
        templates: lines that hold a template.
        failed: lines that claim to be the model's and fail the check.
    """

    path: str
    texts: Mapping[Key, tuple[str, ...]]
    templates: int
    failed: int

    def __call__(self, caption: str, words: SpatialWords) -> tuple[str, ...]:
        """The accepted rewrites of a caption with exactly these words."""
        return self.texts.get((plain_caption(caption), tuple(words.items())), ())

    def __str__(self) -> str:
        accepted = sum(map(len, self.texts.values()))
        left_out = f"{self.templates} lines are templates, {self.failed} fail the check: not used"
        return f"{self.path}: {accepted} rewrites of {len(self.texts)} captions with their words; {left_out}"


def read_rewrites(path: str | Path) -> Rewrites:
    """The rewrites of a file.

    Raises:
        DataError: it is missing, is not such a file, or a line of it is faulty.
    """
    texts: dict[Key, set[str]] = {}
    left_out = {"template": 0, "failed": 0}
    try:
        lines = read_lines(Path(path), FIELDS)
    except DataError as fault:
        raise DataError(f"captions.rewrites: {fault.message}", REMEDY) from None
    for number, line in lines:
        if line["source"] not in SOURCES:
            raise DataError(f"captions.rewrites: {path}, line {number}: source is '{line['source']}', not {' or '.join(SOURCES)}", REMEDY)
        if line["source"] == "template":
            left_out["template"] += 1
        elif not line["words"] or not _passes(line):
            left_out["failed"] += 1
        else:
            texts.setdefault((plain_caption(line["caption"]), line["words"]), set()).add(line["rewrite"].strip())
    return Rewrites(str(path), {key: tuple(sorted(said)) for key, said in texts.items()}, left_out["template"], left_out["failed"])


def _passes(line: Mapping) -> bool:
    said = line["caption"], line["words"], line["rewrite"]
    return line.get("checked") == stamp(*said) or verify(line["caption"], dict(line["words"]), line["rewrite"]).ok


def content_hash(path: str | Path) -> str:
    """16 hex digits of a file's content.

    Raises:
        DataError: it cannot be read.
    """
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise DataError(f"captions.rewrites: {path} cannot be read ({error.strerror})", REMEDY) from error
    return _hash(str(path), facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _hash(path: str, size: int, changed: int) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"captions.rewrites: {path} cannot be read ({error.strerror})", REMEDY) from error
    return digest.hexdigest()[:16]
