"""Ask an index: the nearest recordings to a text or a sound, exactly, or through faiss with the same answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from elsa_lightning.api.config_file import identity
from elsa_lightning.api.elsa import Elsa
from elsa_lightning.api.hub import model_folder
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.search.index_folder import Index, open_index

BLOCK = 16384
"""Rows compared at a time."""


@dataclass(frozen=True)
class Hit:
    """A recording that was found.

    Attributes:
        rank: from 1.
        file: relative to the folder that was indexed.
        similarity: cosine to the question.
    """

    rank: int
    file: str
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def ask(folder: Path, text: str | None, audio: Path | None, top: int, engine: str = "exact", model: str | None = None) -> list[Hit]:
    """The recordings nearest to a question.

    Args:
        folder: of the index.
        text: the question in words …
        audio: … or a recording; one of the two.
        top: at most so many.
        engine: `exact` or `faiss`.
        model: folder or hub name; None: where the index was built with it.

    Raises:
        ConfigError: both or no question, `top` below 1, or faiss is not installed.
        DataError: no index, no model, or another one than the index was built with.
    """
    if (text is None) == (audio is None):
        raise ConfigError("a question is a text or a recording", 'write "a dog barking on the left", or --audio FILE')
    if top < 1:
        raise ConfigError(f"--top {top}", "give 1 or more")
    if engine not in ENGINES:
        raise ConfigError(f"there is no search engine {engine!r}", f"choose {', '.join(ENGINES)}")
    index = open_index(folder)
    elsa = _model_of(index, model)
    query = elsa.embed_text(text) if text is not None else elsa.embed_audio(audio, layout=index.about.get("layout"))
    found = ENGINES[engine](index.vectors, query, min(top, len(index.files)))
    return [Hit(rank, index.files[row], round(value, 6)) for rank, (row, value) in enumerate(found, 1)]


def _model_of(index: Index, model: str | None) -> Elsa:
    place = model_folder(model or index.about["model"])
    if identity(place) != index.about["identity"]:
        raise DataError(f"{place} is not the model that the index was built with", "name that one with --model, or build the index again")
    return Elsa.from_pretrained(place)


def exact(vectors: np.ndarray, query: np.ndarray, top: int) -> list[tuple[int, float]]:
    """Rows with the largest inner products and these, in double precision; of equal ones the earlier row first.

    Args:
        vectors: (N, E), mapped or not.
        query: (E,).
        top: at most N.
    """
    scores = np.empty(len(vectors))
    for start in range(0, len(vectors), BLOCK):
        scores[start : start + BLOCK] = vectors[start : start + BLOCK].astype(np.float64) @ query.astype(np.float64)
    best = np.argsort(-scores, kind="stable")[:top]
    return [(int(row), float(scores[row])) for row in best]


def by_faiss(vectors: np.ndarray, query: np.ndarray, top: int) -> list[tuple[int, float]]:
    """The same through faiss' flat index of inner products (in float32, then ranked as `exact` does).

    Raises:
        ConfigError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise ConfigError("--engine faiss needs the package faiss-cpu", "pip install 'elsa-lightning[faiss]'") from None
    if not top:
        return []
    index = faiss.IndexFlatIP(vectors.shape[1])
    for start in range(0, len(vectors), BLOCK):
        index.add(np.ascontiguousarray(vectors[start : start + BLOCK], np.float32))
    _, rows = index.search(np.ascontiguousarray(query[None], np.float32), min(len(vectors), top + SPARE))
    rows = np.sort(rows[0])
    return [(int(rows[at]), value) for at, value in exact(vectors[rows], query, top)]


SPARE = 64
"""Rows beyond those asked for that faiss gives, so that rounding does not decide between near ones."""
ENGINES: dict[str, Callable[[np.ndarray, np.ndarray, int], list[tuple[int, float]]]] = {"exact": exact, "faiss": by_faiss}
"""Name → search."""
