"""Typed dataclasses from plain containers, as YAML and JSON give them. Imports no torch."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from elsa_lightning.config import TYPE_WORDS, did_you_mean, field_types, type_name
from elsa_lightning.errors import ConfigError
from elsa_lightning.layers import flatten

MEND = "mend the file; text that looks like a number, a date or a time stands in quotes there"


def typed(cls: type, content: Any, where: str, remedy: str = MEND) -> Any:
    """A dataclass from a mapping, its fields dataclasses, lists and mappings in turn.

    Args:
        cls: the dataclass.
        content: key → value.
        where: the place, for messages.
        remedy: of a value of another type.

    Raises:
        ConfigError: an unknown or missing key, or a value of another type; it names the place.
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} is {content!r}, not a mapping", f"its keys: {', '.join(f.name for f in dataclasses.fields(cls))}")
    hints, known = field_types(cls), {f.name: f for f in dataclasses.fields(cls)}
    for key in content:
        if key not in known:
            raise ConfigError(f"{where}: there is no key `{key}`{did_you_mean(str(key), known)}", f"keys: {', '.join(known)}")
    absent = [f.name for f in known.values() if f.name not in content and f.default is f.default_factory is dataclasses.MISSING]
    if absent:
        raise ConfigError(f"{where} lacks {', '.join(f'`{name}`' for name in absent)}", "add it")
    return cls(**{key: _value(hints[key], value, f"{where}: `{key}`", remedy) for key, value in content.items() if value is not None})


def _value(hint: Any, value: Any, where: str, remedy: str) -> Any:
    arguments = typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        name = value.get("id") if isinstance(value, Mapping) else None
        return typed(hint, value, f"{where} {name}" if name else where, remedy)
    if typing.get_origin(hint) is list:
        if not isinstance(value, list):
            raise ConfigError(f"{where} is {value!r}, not a list", "write `- …` lines, or [one, another]")
        return [_value(arguments[0], item, f"{where} {i + 1}", remedy) for i, item in enumerate(value)]
    if typing.get_origin(hint) is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where} is {value!r}, not a mapping", "write `key: value` lines")
        if dataclasses.is_dataclass(arguments[1]):
            return {key: _value(arguments[1], item, f"{where} {key}", remedy) for key, item in value.items()}
        return flatten(value, where)
    allowed = arguments or (hint,)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if (isinstance(value, bool) and bool not in allowed) or not isinstance(value, allowed):
        raise ConfigError(f"{where} is {value!r}, not {' or '.join(TYPE_WORDS.get(type_name(t), 'a path') for t in allowed)}", remedy)
    return value
