"""config.json of a model's folder: what identifies a model, and whether a file is one. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from elsa_lightning.errors import ConfigError, DataError, RunError
from elsa_lightning.weights import first_line

CONFIG, WEIGHTS, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer", "README.md"
CAPTIONER = "captioner"
"""Folder of the captioner, where a model has one."""
FORMAT = 1
"""Of the folder; raised when an older package could not read it."""
KIND = "elsa"
"""`model_type` in config.json."""
FETCH = "fetch or export the folder again"
"""Remedy for damage."""


def is_model(folder: Path) -> bool:
    """Whether a folder holds a model of this package."""
    try:
        return json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("model_type") == KIND
    except (OSError, ValueError, AttributeError):
        return False


def check_replaceable(folder: Path) -> None:
    """Refuse to write over anything but an empty folder or a model.

    Raises:
        ConfigError: something else is there.
        RunError: no folder can be there.
    """
    try:
        other = folder.exists() and not (folder.is_dir() and (is_model(folder) or not any(folder.iterdir())))
    except OSError as error:
        raise RunError(f"{str(folder)[:200]} cannot be written to ({error.strerror})", "choose another folder") from error
    if other:
        raise ConfigError(f"{folder} is there and holds no model of this package", "name a new or empty folder")


def read_values(folder: Path) -> dict[str, Any]:
    """config.json, checked.

    Raises:
        DataError: it is missing, damaged, of another library, or of a later format.
    """
    path = folder / CONFIG
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"the folder {folder} holds no {CONFIG}: it is no model", "name a folder that `elsa model export` wrote") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({first_line(error)})", FETCH) from error
    kind = values.get("model_type") if isinstance(values, dict) else None
    if kind != KIND:
        raise DataError(f"{path} describes a model of type {kind!r}, not {KIND!r}", "name a folder that `elsa model export` wrote")
    if missing := {"format", "experiment", "encoders", "targets"} - values.keys():
        raise DataError(f"{path} lacks {', '.join(sorted(missing))}", FETCH)
    if values["format"] != FORMAT:
        raise DataError(f"{path} has format {values['format']!r}, this package reads {FORMAT}", "pip install --upgrade elsa-lightning")
    groups = ("experiment", "encoders", "targets", "about")
    if damaged := [name for name in groups if not isinstance(values.setdefault(name, {}), dict)]:
        raise DataError(f"{path} is damaged: {', '.join(damaged)} must be groups of keys", FETCH)
    return values


def identity(folder: Path) -> str:
    """32 hex digits of what decides a model's answers: its weights and its experiment, not its card.

    Raises:
        DataError: a file is missing.
    """
    values = read_values(folder)
    digest = hashlib.sha256(json.dumps([values[key] for key in ("experiment", "encoders")], sort_keys=True).encode())
    try:
        with open(folder / WEIGHTS, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"there is no readable {WEIGHTS} in {folder} ({error.strerror})", FETCH) from error
    return digest.hexdigest()[:32]
