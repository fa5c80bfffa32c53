"""Rules between the values of `evaluation`, part of `checks.validate`. Imports no torch."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from typing import Any

from elsa_lightning.errors import ConfigError
from elsa_lightning.schema_evaluation import EVALUATORS, EvaluationConfig


def check_evaluation(evaluation: EvaluationConfig) -> None:
    """Names of evaluators, places for words in templates, bounds of bins, sizes that must fit.

    Raises:
        ConfigError: the first rule that is broken, naming its key.
    """
    names = evaluation.evaluators
    known = f"evaluators: {', '.join(EVALUATORS)} (docs/evaluation.md)"
    if not names:
        _fail("evaluators", names, "nothing would be evaluated", known)
    for name in names:
        if name not in EVALUATORS:
            _fail("evaluators", names, f"there is no evaluator `{name}`", known)
        if names.count(name) > 1:
            _fail("evaluators", names, f"it names `{name}` twice", "name it once")
    templates = {"template": evaluation.template, "class_template": evaluation.class_template}
    templates |= {f"template_spread.templates[{i}]": text for i, text in enumerate(evaluation.template_spread.templates)}
    for key, text in templates.items():
        if text.count("{}") != 1:
            _fail(key, text, "must hold {} once, where the word goes")
    for f in fields(evaluation.breakdown):
        bounds = getattr(evaluation.breakdown, f.name)
        if len(bounds) < 2 or any(low >= high for low, high in pairwise(bounds)):
            _fail(f"breakdown.{f.name}", bounds, "must be two or more rising bounds of bins")
    if evaluation.embedding_map.neighbours < 2:
        _fail("embedding_map.neighbours", evaluation.embedding_map.neighbours, "UMAP needs at least 2")
    if not 0 < evaluation.intervals.level < 1:
        _fail("intervals.level", evaluation.intervals.level, "must lie between 0 and 1, such as 0.95")


def _fail(key: str, value: Any, rule: str, remedy: str = "") -> None:
    key = f"evaluation.{key}"
    raise ConfigError(f"`{key}` is {value!r}, but {rule}", remedy or f"`elsa config explain {key.partition('[')[0]}` says what it is")
