"""Layers of configuration: mappings with a source, from YAML files (`base:` chains included) or the command line. Imports no torch.

A layer is kept flat: dotted key → value. A mapping may mix nested and dotted keys (`{model.spatial.name: static_iv}`); lists are values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elsa_lightning.errors import ConfigError

BASE = "base"
"""Key of a file that names the file or files it builds on, relative to its own folder."""


@dataclass(frozen=True)
class Layer:
    """Values that one source sets.

    Attributes:
        source: where they come from, as a user would say it (a path, a row, the command line).
        values: dotted key → value.
    """

    source: str
    values: dict[str, Any]


def shown_path(path: Path) -> str:
    """The path as a user would type it: relative to the working folder where it lies below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file as plain containers, interpolations untouched.

    Raises:
        ConfigError: the file is missing, is not YAML or does not hold a mapping.
    """
    import yaml
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    if not path.is_file():
        near = ", ".join(sorted(shown_path(other) for other in path.parent.glob("*.yaml")))
        raise ConfigError(
            f"there is no file {shown_path(path)}",
            f"files there: {near}" if near else "run in the repository's root, or give the path of a YAML file",
        )
    try:
        loaded = OmegaConf.load(path)
    except (yaml.YAMLError, OmegaConfBaseException, OSError, UnicodeDecodeError, ValueError) as fault:
        where = getattr(fault, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        detail = getattr(fault, "problem", None) or str(fault).splitlines()[0]
        raise ConfigError(f"{shown_path(path)}{line} is not valid YAML: {detail}", "mend the file") from None
    if not isinstance(loaded, DictConfig):
        raise ConfigError(f"{shown_path(path)} holds a list, not a mapping of keys to values", "write `key: value` lines")
    return OmegaConf.to_container(loaded, resolve=False)


def flatten(mapping: Mapping[Any, Any], source: str) -> dict[str, Any]:
    """Nested and dotted keys as dotted keys, in the order written.

    Raises:
        ConfigError: a key is not text, or is given twice.
    """
    flat: dict[str, Any] = {}
    for key, value in _leaves(mapping, "", source):
        if key in flat:
            raise ConfigError(f"{source} gives `{key}` twice", "keep one of the two")
        flat[key] = value
    return flat


def _leaves(mapping: Mapping[Any, Any], prefix: str, source: str) -> Iterator[tuple[str, Any]]:
    for key, value in mapping.items():
        if not isinstance(key, str) or not all(key.split(".")):
            raise ConfigError(f"{source}: {prefix}{key!r} is not a key", "keys are words joined by dots")
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.", source)
        else:
            yield prefix + key, value


def read_layers(path: Path, chain: tuple[Path, ...] = ()) -> list[Layer]:
    """The layers of a file, its bases' first: later layers win.

    Args:
        path: the file.
        chain: files that led here, to find cycles.

    Raises:
        ConfigError: an unreadable file, or files that build on each other in a circle.
    """
    path = Path(path)
    here = path.resolve()
    if here in chain:
        circle = " → ".join(shown_path(p) for p in (*chain[chain.index(here) :], here))
        raise ConfigError(f"files build on each other in a circle: {circle}", f"take `{BASE}:` out of one of them")
    content = read_yaml(path)
    layers = []
    for base in base_paths(content.pop(BASE, []), path):
        layers += read_layers(base, (*chain, here))
    return [*layers, Layer(shown_path(path), flatten(content, shown_path(path)))]


def base_paths(value: Any, path: Path) -> list[Path]:
    """The files that a `base:` entry of the file `path` names: one, or a list of them."""
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(f"`{BASE}` in {shown_path(path)} is {value!r}, not a path or a list of paths", f"write `{BASE}: other.yaml`")
    return [path.parent / name for name in names]


def find_profile(name: str, beside: Path) -> Path:
    """The overlay `profiles/<name>.yaml` that belongs to the experiment file `beside`; a name that ends in .yaml is a path itself.

    Raises:
        ConfigError: no such profile; the message lists those that there are.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    folders = [folder / sub for folder in beside.resolve().parents for sub in ("profiles", "experiments/profiles")]
    found = {p.stem: p for folder in reversed(folders) for p in sorted(folder.glob("*.yaml"))}
    if name not in found:
        raise ConfigError(f"there is no profile `{name}` for {shown_path(beside)}", f"profiles: {', '.join(sorted(found)) or 'none'}")
    return found[name]


def override_layer(overrides: Sequence[str], source: str = "command line") -> Layer:
    """`key=value` words as a layer; values are YAML (`1e-3`, `[1, 2]`, `true`); of a key given twice the last counts.

    Raises:
        ConfigError: a word without `=`, or a value that is not YAML.
    """
    import yaml
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    values: dict[str, Any] = {}
    for word in overrides:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"`{word}` on the {source} sets nothing", "write --set KEY=VALUE")
        try:
            value = OmegaConf.to_container(OmegaConf.create(f"value: {text}"), resolve=False)["value"]
        except (yaml.YAMLError, OmegaConfBaseException):
            raise ConfigError(f"the value in `{word}` on the {source} is not valid YAML", "put it in quotes") from None
        values |= flatten({key.strip(): "" if value is None and not text.strip() else value}, source)
    return Layer(source, values)
