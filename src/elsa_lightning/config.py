"""From layers of YAML to typed, checked dataclasses, with the source of every value. OmegaConf only; imports no torch.

Layers, later ones winning: the schema's defaults ← `base:` files ← the file ← a table's `common` ← the profile ← a row's overrides ←
the seed ← the command line. A choice node (`schema.VARIANTS`) takes the dataclass of the variant that its `name` names; a layer that
changes the name drops the old variant's values. Unknown keys, wrong types and unknown variants are `ConfigError`s that name the source and
the nearest key.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from elsa_lightning import schema
from elsa_lightning.checks import NO_ACCUMULATION, validate
from elsa_lightning.errors import ConfigError
from elsa_lightning.layers import Layer, find_profile, flatten, override_layer, read_layers
from elsa_lightning.schema import CHOICES, VARIANTS, Experiment

PAPER = "paper"
"""Name of the scale without a profile."""

TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list[int]": "a list of whole numbers",
    "list[float]": "a list of numbers",
    "list[str]": "a list of words",
}
"""How a message says a field's type."""


@dataclass(frozen=True)
class Resolved:
    """An experiment and where its values come from.

    Attributes:
        experiment: the typed configuration.
        sources: dotted key → source, for every value that some layer set; the others are defaults.
    """

    experiment: Experiment
    sources: dict[str, str] = field(default_factory=dict)


def load_experiment(
    path: Path | str,
    profile: str | None = None,
    overlays: Iterable[tuple[str, Mapping[str, Any]]] = (),
    overrides: Sequence[str] = (),
    common: tuple[str, Mapping[str, Any]] | None = None,
) -> Resolved:
    """The experiment that a file, a profile and overrides make.

    Args:
        path: an experiment's YAML file.
        profile: name of an overlay in profiles/ beside the file, or a path; None or `paper`: none, the paper's scale.
        overlays: (source, mapping) pairs on top of the profile: a row's overrides, the seed.
        overrides: `key=value` words of the command line, which win.
        common: a (source, mapping) pair below the profile: what all rows of a table share.

    Raises:
        ConfigError: a key, type, value or combination that the schema does not allow.
    """
    layers = read_layers(Path(path))
    if common:
        layers.append(Layer(common[0], flatten(common[1], common[0])))
    if profile and profile != PAPER:
        layers += read_layers(find_profile(profile, Path(path)))
    layers += [Layer(source, flatten(mapping, source)) for source, mapping in overlays]
    if overrides:
        layers.append(override_layer(overrides))
    return resolve(layers)


def resolve(layers: Iterable[Layer]) -> Resolved:
    """Merge layers over the schema's defaults, check types and cross-field rules.

    Raises:
        ConfigError: see `load_experiment`.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    tree = OmegaConf.structured(Experiment())
    sources: dict[str, str] = {}
    for layer in layers:
        names = {key: key + ".name" for key in VARIANTS if key + ".name" in layer.values}
        for node, key in names.items():
            _choose_variant(tree, node, layer.values[key], layer.source, sources)
        for key, value in layer.values.items():
            if key not in names.values():
                _set(tree, key, value, layer.source)
            sources[key] = layer.source
    try:
        experiment = typing.cast(Experiment, OmegaConf.to_object(tree))
    except OmegaConfBaseException as fault:
        raise ConfigError(f"a value cannot be resolved: {str(fault).splitlines()[0]}", "mend the ${…} in it") from None
    _check_choices(experiment, sources)
    validate(experiment)
    return Resolved(experiment, sources)


def from_dict(values: Mapping[str, Any], source: str) -> Experiment:
    """The experiment that `to_dict` wrote, checked again."""
    return resolve([Layer(source, flatten(values, source))]).experiment


def to_dict(experiment: Experiment) -> dict[str, Any]:
    """All values as plain containers."""
    return dataclasses.asdict(experiment)


def get(experiment: Experiment, key: str) -> Any:
    """The value at a dotted key of a resolved experiment."""
    node: Any = experiment
    for part in key.split("."):
        node = getattr(node, part)
    return node


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The known word nearest to a misspelt one, judged whole and by its last part; None where nothing is near."""
    known = sorted(words)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.75)
    if close:
        return close[0]
    last = {k.rpartition(".")[2]: k for k in reversed(known)}
    close = difflib.get_close_matches(word.rpartition(".")[2], list(last), n=1, cutoff=0.7)
    return last[close[0]] if close else next(iter(difflib.get_close_matches(word, known, n=1, cutoff=0.6)), None)


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`; did you mean …?` with the nearest known word, or nothing."""
    near = nearest(word, words)
    return f"; did you mean `{near}`?" if near else ""


@lru_cache
def field_types(cls: type) -> dict[str, Any]:
    """Field name → type of a dataclass of the schema."""
    hints = typing.get_type_hints(cls)
    return {f.name: hints[f.name] for f in dataclasses.fields(cls)}


def type_name(hint: Any) -> str:
    """`int`, `list[float]` … as the schema writes it."""
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def schema_keys(cls: type = Experiment, prefix: str = "") -> list[str]:
    """Dotted keys of all values that the schema knows, those of every variant included."""
    keys: list[str] = []
    for name, hint in field_types(cls).items():
        key = prefix + name
        groups: Iterable[Any] = VARIANTS[key].values() if key in VARIANTS else [hint] if dataclasses.is_dataclass(hint) else []
        inner = [k for group in groups for k in schema_keys(group, key + ".")]
        keys += dict.fromkeys(inner) if inner else [key]
    return keys


def _choose_variant(tree: Any, node: str, name: Any, source: str, sources: dict[str, str]) -> None:
    from omegaconf import OmegaConf

    variants = VARIANTS[node]
    if name not in variants:
        near = did_you_mean(str(name), variants)
        raise ConfigError(f"{source}: `{node}.name` is `{name}`, which does not exist{near}", f"variants: {', '.join(variants)}")
    if OmegaConf.select(tree, node).name == name:
        return
    OmegaConf.update(tree, node, OmegaConf.structured(variants[name]()), merge=False)
    for key in [k for k in sources if k.startswith(node + ".")]:
        del sources[key]


def _set(tree: Any, key: str, value: Any, source: str) -> None:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    hint = _type_at(tree, key, source)
    if not _fits(value, hint):
        raise ConfigError(
            f"{source}: `{key}` is {value!r}, not {TYPE_WORDS[type_name(hint)]}", f"`elsa config explain {key}` says what it is"
        )
    try:
        OmegaConf.update(tree, key, value, merge=False)
    except OmegaConfBaseException as fault:
        raise ConfigError(
            f"{source}: `{key}` cannot be {value!r}: {str(fault).splitlines()[0]}", f"`elsa config explain {key}` says what it is"
        ) from None


def _type_at(tree: Any, key: str, source: str) -> Any:
    """The type that the schema gives to a key, in the variants chosen so far."""
    from omegaconf import OmegaConf

    parts = key.split(".")
    cls: Any = Experiment
    hint: Any = None
    for i, part in enumerate(parts):
        here = ".".join(parts[: i + 1])
        hint = field_types(cls).get(part) if cls else None
        if hint is None:
            raise ConfigError(*_unknown(tree, key, source))
        chosen = OmegaConf.get_type(OmegaConf.select(tree, here)) if here in VARIANTS else hint
        cls = chosen if dataclasses.is_dataclass(chosen) else None
    if cls:
        example = f"{key}.{next(iter(field_types(cls)))}"
        raise ConfigError(f"{source}: `{key}` is a group of keys, not a value", f"set one of its keys, such as `{example}`")
    return hint


def _unknown(tree: Any, key: str, source: str) -> tuple[str, str]:
    """Message and remedy for a key that does not exist."""
    from omegaconf import OmegaConf

    if "accumul" in key:
        return f"{source}: there is no key `{key}`: {NO_ACCUMULATION[0]}", NO_ACCUMULATION[1]
    for node, variants in VARIANTS.items():
        own = key.removeprefix(node + ".")
        holders = [name for name, cls in variants.items() if own in field_types(cls)]
        if own != key and holders:
            chosen = OmegaConf.select(tree, node).name
            return (
                f"{source}: `{key}` does not exist while `{node}.name` is `{chosen}`",
                f"it belongs to {', '.join(holders)}: set `{node}.name` as well",
            )
    return f"{source}: there is no key `{key}`{did_you_mean(key, schema_keys())}", "`elsa config keys` lists all keys"


def _fits(value: Any, hint: Any) -> bool:
    if isinstance(value, str) and "${" in value:
        return True
    if typing.get_origin(hint) is list:
        (item,) = typing.get_args(hint)
        return isinstance(value, list) and all(_fits(v, item) for v in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is str:
        return isinstance(value, str | int | float) and not isinstance(value, bool)
    return isinstance(value, hint) and (hint is bool or not isinstance(value, bool))


def _check_choices(experiment: Experiment, sources: Mapping[str, str]) -> None:
    for key, choices in CHOICES.items():
        value = get(experiment, key)
        if value not in choices:
            source = sources.get(key, schema.__name__)
            raise ConfigError(f"{source}: `{key}` is `{value}`{did_you_mean(value, choices)}", f"choices: {', '.join(choices)}")
