"""Stages `features_train` and `features_eval`: render fixed spatial versions of every clip once, to features."""

from __future__ import annotations

from elsa_lightning.data.feature_cache import render_cache
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.stages.execute import Stage


def run_train(stage: Stage) -> dict:
    """The training set."""
    return _render(stage, ("train",))


def run_eval(stage: Stage) -> dict:
    """Validation and test sets: no augmentation, held-out rooms."""
    return _render(stage, ("val", "test"))


def _render(stage: Stage, splits: tuple[str, ...]) -> dict:
    corpus = open_corpus(stage.cfg.data.corpus)
    for split in splits:
        if (stage.folder / split).exists():
            continue

        def progress(done: int, total: int, split: str = split) -> None:
            stage.status(done, total, f"rendering {split} clips")

        render_cache(stage.cfg, corpus, stage.parents["rooms"] / split, split, stage.folder / split, progress=progress)
    return {"corpus": corpus.name, "synthetic": corpus.synthetic}
