"""Experiments in a plan's file: the first whole, the others as differences from it. Imports no torch."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec

from elsa_lightning.checks import leaves, validate
from elsa_lightning.config import field_types
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import VARIANTS, Experiment

PLAN_AGAIN = "plan again: elsa sweep plan TABLE"


class Difference(msgspec.Struct, omit_defaults=True):
    """Values of an experiment that are not those of the plan's first, and keys that it lacks (of another variant)."""

    set: dict[str, Any] = {}
    drop: list[str] = []


def encode(value: Any) -> bytes:
    """JSON by the standard library: it refuses what JSON has no word for, where msgspec would write null."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def distinct(experiments: list[Experiment]) -> tuple[list[dict[str, Any]], list[int]]:
    """The different ones among experiments as dotted keys and values, and which of them each is."""
    flat: list[dict[str, Any]] = []
    numbers: dict[str, int] = {}
    seen: dict[int, int] = {}  # stages of a row share the object
    which = []
    for experiment in experiments:
        if id(experiment) not in seen:
            values = dict(leaves(experiment))
            text = repr(values)
            if text not in numbers:
                numbers[text] = len(flat)
                flat.append(values)
            seen[id(experiment)] = numbers[text]
        which.append(seen[id(experiment)])
    return flat, which


def difference(first: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What a `Difference` holds, of dotted keys and values; of the first from itself: all."""
    if other is first:
        return {"set": first}
    changed = {key: value for key, value in other.items() if key not in first or repr(first[key]) != repr(value)}
    return {"set": changed, "drop": [key for key in first if key not in other]}


def thaw(differences: list[Difference], number: int) -> Experiment:
    """One of the experiments, its rules checked again.

    Raises:
        ConfigError: a key that this code's schema does not have, or the reverse.
    """
    values = dict(differences[0].set)
    if number:
        values |= differences[number].set
        for key in differences[number].drop:
            del values[key]
    experiment = _build(Experiment, values, "")
    if values:
        raise ConfigError(f"the plan holds `{next(iter(values))}`, which this code does not know", PLAN_AGAIN)
    validate(experiment)
    return experiment


def _build(cls: type, values: dict[str, Any], prefix: str) -> Any:
    """A dataclass of the schema from dotted keys, which are taken out of `values`; keys that came later have their defaults."""
    given = {}
    for name, hint in field_types(cls).items():
        key = prefix + name
        if key in VARIANTS:
            variant = values.get(key + ".name")
            if variant not in VARIANTS[key]:
                raise ConfigError(f"the plan holds `{key}.name` {variant!r}, which this code does not know", PLAN_AGAIN)
            hint = VARIANTS[key][variant]
        if dataclasses.is_dataclass(hint):
            given[name] = _build(hint, values, key + ".")
        elif key in values:
            given[name] = values.pop(key)
    return cls(**given)
