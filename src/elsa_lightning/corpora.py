"""What bookkeeping asks of a corpus: its content hash and its label in reports. Imports no torch."""

from __future__ import annotations

from typing import Any


def content_hash(cfg: Any) -> str:
    """Content hash of the corpus that a `data.corpus` configuration names.

    Raises:
        DataError: it is not where the configuration says, or damaged.
    """
    from elsa_lightning.data.readers import open_corpus

    return open_corpus(cfg).content_hash


def described(cfg: Any) -> dict[str, Any]:
    """Name, content hash, licence and whether the sounds are synthetic, for a report's head."""
    from elsa_lightning.data.readers import open_corpus

    corpus = open_corpus(cfg)
    return {"name": corpus.name, "content_hash": corpus.content_hash, "licence": corpus.licence, "synthetic": corpus.synthetic}
