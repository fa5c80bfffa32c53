"""Searches: rows of a table multiplied by a grid, a list and random draws. Imports no torch.

    grid: {optim.lr: [1.0e-4, 1.0e-3]}                    # every combination
    list:                                                 # these, and only these
      - {id: plain, optim.name: adam}
      - {id: decayed, optim.name: adamw, optim.weight_decay: 0.01}
    random:                                               # so many points of the space
      draws: 20
      seed: 0
      keys: {optim.lr: {log_uniform: [1.0e-5, 1.0e-2]}, optim.warmup_steps: {int: [0, 100]}}

A draw depends on the seed, its number and its key alone: more draws or another key leave those that were there as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from elsa_lightning.config import did_you_mean
from elsa_lightning.errors import ConfigError
from elsa_lightning.layers import flatten
from elsa_lightning.seeding import seed_of

PARTS = ("grid", "list", "random")
"""Keys of a table's file that make a search of it."""

DIGITS = 4
"""Significant digits of a drawn number: what the table shows is what was computed with."""

Point = tuple[str, dict[str, Any]]
"""What a row's id gets, and the row's values."""


def multiply(rows: Sequence[Mapping[str, Any]], parts: Mapping[str, Any], source: str) -> list[Any]:
    """Every row once for each point of a search.

    Args:
        rows: of the table's file; none: one without overrides.
        parts: what the file says of `PARTS`.
        source: the file, for messages.

    Raises:
        ConfigError: a part that is not what the module's docstring shows.
    """
    axes = {"grid": _grid, "list": _list, "random": _random}
    points = [axes[name](parts[name], f"{source} ({name})") for name in PARTS if parts.get(name)]
    if not points:
        return list(rows)
    names = _short([key for axis in points for _, values in axis for key in values])
    many = []
    for row in rows or [{"id": next(name for name in PARTS if parts.get(name)), "label": ""}]:
        for chosen in product(*points):
            values = {key: value for _, point in chosen for key, value in point.items()}
            words = [f"{names[key]}={value}" for key, value in values.items()]
            ids = [one or "_".join(f"{names[key]}={value}" for key, value in point.items()) for one, point in chosen]
            label = ", ".join([*([row["label"]] if row.get("label") else []), *words])
            overrides = flatten(row.get("overrides") or {}, source) | values
            many.append({**row, "id": "_".join([row["id"], *ids]), "label": label, "overrides": overrides})
    return many


def _grid(content: Any, source: str) -> list[Point]:
    axes = flatten(_mapping(content, source, "{optim.lr: [1e-4, 1e-3]}"), source)
    if not all(isinstance(values, list) and values for values in axes.values()):
        raise ConfigError(f"{source}: every key of `grid` needs a list of values", "write `grid: {optim.lr: [1e-4, 1e-3]}`")
    return [("", dict(zip(axes, values, strict=True))) for values in product(*axes.values())]


def _list(content: Any, source: str) -> list[Point]:
    if not isinstance(content, list):
        raise ConfigError(f"{source} is {content!r}, not a list", "write `- {optim.lr: 1e-3}` lines")
    points = []
    for number, entry in enumerate(content):
        values = flatten(_mapping(entry, f"{source} {number + 1}", "{optim.lr: 1e-3}"), source)
        points.append((str(values.pop("id", "")), values))
    return points


def _random(content: Any, source: str) -> list[Point]:
    content = _mapping(content, source, "{draws: 20, keys: {optim.lr: {log_uniform: [1e-5, 1e-2]}}}")
    known = ("draws", "seed", "keys")
    for key in content:
        if key not in known:
            raise ConfigError(f"{source}: there is no key `{key}`{did_you_mean(str(key), known)}", f"keys: {', '.join(known)}")
    draws, seed = content.get("draws"), content.get("seed", 0)
    if not (_whole(draws) and draws > 0 and _whole(seed) and seed >= 0):
        raise ConfigError(f"{source}: `draws` is {draws!r} and `seed` {seed!r}", "give whole numbers, of draws at least 1")
    keys = flatten(_mapping(content.get("keys"), f"{source}: `keys`", "{optim.lr: {log_uniform: [1e-5, 1e-2]}}"), source)
    spaces = {}
    for dotted, bounds in keys.items():
        key, _, name = dotted.rpartition(".")
        if name not in DISTRIBUTIONS or not key:
            raise ConfigError(
                f"{source}: `{dotted}` ends in no distribution{did_you_mean(name, DISTRIBUTIONS)}",
                f"write KEY: {{DISTRIBUTION: [low, high]}} with one of {', '.join(DISTRIBUTIONS)}",
            )
        if key in spaces:
            raise ConfigError(f"{source} gives `{key}` two distributions", "keep one of the two")
        spaces[key] = _space(name, bounds, f"{source}: `{key}`")
    width = len(str(draws - 1))
    return [
        (f"draw{number:0{width}d}", {key: draw(seed_of("search", seed, number, key) / 2**63) for key, draw in spaces.items()})
        for number in range(draws)
    ]


def _space(name: str, bounds: Any, where: str) -> Callable[[float], Any]:
    """A distribution's inverse: from a number in [0, 1) to a value."""
    if name == "choice":
        if not isinstance(bounds, list) or not bounds:
            raise ConfigError(f"{where}: `choice` is {bounds!r}", "give a list of values")
        return lambda share: bounds[int(share * len(bounds))]
    low_high = isinstance(bounds, list) and len(bounds) == 2 and all(isinstance(b, int | float) and not isinstance(b, bool) for b in bounds)
    if not low_high or not bounds[0] < bounds[1] or (name.startswith("log") and bounds[0] <= 0):
        positive = ", both above 0" if name.startswith("log") else ""
        raise ConfigError(f"{where}: `{name}` is {bounds!r}", f"give [low, high] with low below high{positive}")
    low, high = bounds
    if name in ("int", "log_int") and not (_whole(low) and _whole(high)):
        raise ConfigError(f"{where}: `{name}` is {bounds!r}", "give two whole numbers")
    return lambda share: DISTRIBUTIONS[name](low, high, share)


def _rounded(value: float, low: float, high: float) -> float:
    return min(max(float(f"{value:.{DIGITS}g}"), float(low)), float(high))


DISTRIBUTIONS: dict[str, Callable[..., Any]] = {
    "uniform": lambda low, high, share: _rounded(low + share * (high - low), low, high),
    "log_uniform": lambda low, high, share: _rounded(low * (high / low) ** share, low, high),
    "int": lambda low, high, share: min(low + int(share * (high - low + 1)), high),
    "log_int": lambda low, high, share: max(low, min(int(low * math.exp(share * math.log((high + 1) / low))), high)),
    "choice": lambda *_: None,
}
"""Name → value of (low, high, a number in [0, 1)). The bounds of whole numbers are included; `choice` has a list of values instead."""


def _mapping(content: Any, source: str, example: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping) or not content:
        raise ConfigError(f"{source} is {content!r}, not a mapping", f"write `{example}`")
    return content


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _short(keys: Iterable[str]) -> dict[str, str]:
    """Dotted key → its last part, or as many as tell it from the others."""
    distinct = list(dict.fromkeys(keys))
    names = {}
    for key in distinct:
        parts = key.split(".")
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[-count:])
            if not any(other != key and (other == name or other.endswith("." + name)) for other in distinct):
                break
        names[key] = name
    return names
