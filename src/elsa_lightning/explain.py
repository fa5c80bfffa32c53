"""Says what a knob means and where an experiment's values come from: `elsa config show | explain | keys`. Imports no torch."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from functools import lru_cache
from typing import Any

from elsa_lightning import schema, schema_augmentation, schema_data, schema_evaluation, schema_model, schema_training
from elsa_lightning.config import Resolved, did_you_mean, field_types, schema_keys, type_name
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import CHOICES, NOT_IDENTITY, VARIANTS, Experiment

YAML_WORDS = ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
"""Words that YAML reads as something other than text."""


@lru_cache
def documentation() -> dict[tuple[str, str], str]:
    """(dataclass name, field name) → the string below the field; (dataclass name, "") → the dataclass's docstring."""
    found: dict[tuple[str, str], str] = {}
    modules = (schema, schema_augmentation, schema_data, schema_evaluation, schema_model, schema_training)
    for node in (node for module in modules for node in ast.parse(inspect.getsource(module)).body):
        if not isinstance(node, ast.ClassDef):
            continue
        found[node.name, ""] = ast.get_docstring(node) or ""
        for statement, following in zip(node.body, node.body[1:], strict=False):
            if isinstance(statement, ast.AnnAssign) and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                found[node.name, statement.target.id] = inspect.cleandoc(following.value.value)
    return found


def explain(key: str) -> str:
    """What a key means: type, default, choices, and whether a change of it makes a new run.

    Raises:
        ConfigError: no variant has such a key.
    """
    key = key.removesuffix(".name") if key.removesuffix(".name") in VARIANTS else key
    found = _fields_at(key)
    if not found:
        raise ConfigError(f"there is no key `{key}`" + did_you_mean(key, schema_keys()), "`elsa config keys` lists all keys")
    return "\n\n".join(_explained(key, owner, name, variant) for owner, name, variant in found)


def _explained(key: str, owner: type, name: str, variant: str) -> str:
    hint = field_types(owner)[name]
    lines = [key + (f"   (with {variant})" if variant else "")]
    text = documentation().get((owner.__name__, name), "")
    group = hint if dataclasses.is_dataclass(hint) else None
    if group:
        text = text or documentation().get((group.__name__, ""), "")
        lines.append("  a group: " + ", ".join(field_types(group)))
    elif key in VARIANTS:
        lines += [f"  variant {v}: {documentation().get((cls.__name__, ''), '').splitlines()[0]}" for v, cls in VARIANTS[key].items()]
    else:
        lines.append(f"  {type_name(hint)}, default {json.dumps(getattr(owner(), name), ensure_ascii=False)}")
        if key in CHOICES:
            lines.append("  choices: " + ", ".join(CHOICES[key]))
        if key in NOT_IDENTITY:
            lines.append("  not part of a run's identity: a change of it reuses finished runs")
    return "\n".join([*lines, *(f"  {line}" for line in text.splitlines())])


def _fields_at(key: str) -> list[tuple[type, str, str]]:
    """(dataclass, field, variants on the way) of a dotted key: more than one where variants share a field's name."""
    nodes: list[tuple[type, str]] = [(Experiment, "")]
    parts = key.split(".")
    for i, part in enumerate(parts[:-1]):
        here, below = ".".join(parts[: i + 1]), []
        for owner, variant in nodes:
            hint = field_types(owner).get(part)
            if hint is not None and here in VARIANTS:
                below += [(cls, f"{here}.name {name}") for name, cls in VARIANTS[here].items()]
            elif dataclasses.is_dataclass(hint):
                below.append((hint, variant))
        nodes = below
    return [(owner, parts[-1], variant) for owner, variant in nodes if parts[-1] in field_types(owner)]


def keys() -> str:
    """All keys, each with the first sentence of its documentation."""
    lines = []
    for key in schema_keys():
        owner, name, _ = _fields_at(key)[0]
        first = documentation().get((owner.__name__, name), "").replace("\n", " ").partition(". ")[0].rstrip(".")
        lines.append(f"{key:36s} {first}".rstrip())
    return "\n".join(lines)


def show(resolved: Resolved) -> str:
    """The experiment as YAML; values that are not the schema's own defaults say in a comment where they come from."""
    lines: list[tuple[str, str]] = []
    _show_node(resolved.experiment, "", 0, resolved.sources, lines)
    width = min(60, max((len(text) for text, source in lines if source), default=0))
    return "\n".join(f"{text:{width}s}  # {source}" if source else text for text, source in lines) + "\n"


def _show_node(node: Any, prefix: str, depth: int, sources: dict[str, str], lines: list[tuple[str, str]]) -> None:
    for f in dataclasses.fields(node):
        value, key = getattr(node, f.name), prefix + f.name
        if dataclasses.is_dataclass(value):
            lines.append((f"{'  ' * depth}{f.name}:", ""))
            _show_node(value, key + ".", depth + 1, sources, lines)
        else:
            lines.append((f"{'  ' * depth}{f.name}: {_scalar(value)}", sources.get(key, "")))


def _scalar(value: Any) -> str:
    """A value as YAML that reads back equal: JSON is YAML, but plain words are shown without quotes."""
    if isinstance(value, str) and value.replace("_", "").isalpha() and value.lower() not in YAML_WORDS:
        return value
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)
