"""Anything with a `from_pretrained` (tokenizers, MiniLM, the rewriter), with a quick, readable refusal where it cannot be had.

transformers tries a hub name for more than 20 s without a network, and fills weights that a checkpoint lacks with random numbers. Here the
local copy is tried first, one short request tells whether the hub can be reached, and a checkpoint that lacks weights is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from elsa_lightning.errors import DataError
from elsa_lightning.weights import first_line, remedy, why_unreachable

T = TypeVar("T")


def load_pretrained(load: Callable[..., T], name: str, key: str) -> T:
    """Call a `from_pretrained` with the local copy first, then, if the hub has it, with a download.

    Args:
        load: a `from_pretrained`-like callable, `load(name, local_files_only=…)`.
        name: hub name (owner/name) or local folder.
        key: config key that holds the name, for the message.

    Raises:
        DataError: neither a folder nor cached nor downloadable; the remedy says what to download and where to.
    """
    faults = _faults()
    if Path(name).expanduser().is_dir():
        try:
            return load(str(Path(name).expanduser()), local_files_only=True)
        except faults as error:
            raise DataError(f"{key}: transformers cannot load the folder {name}: {first_line(error)}", remedy(name, key)) from error
    try:
        return load(name, local_files_only=True)
    except faults as error:
        reason = why_unreachable(name)
        if reason:
            raise DataError(f"{key}: {name} is neither a folder nor in the local cache, and {reason}", remedy(name, key)) from error
    try:
        return load(name, local_files_only=False)
    except faults as error:
        raise DataError(f"{key}: {name} could not be loaded from the hub: {first_line(error)}", remedy(name, key)) from error


def load_weights(model_class: Any, name: str, key: str, tolerated: Collection[str] = (), **config: Any) -> tuple[Any, list[str]]:
    """A transformers model in float32, and the names of weights that the checkpoint lacks.

    Args:
        model_class: class with `from_pretrained`.
        name: hub name or local folder.
        key: config key that holds the name.
        tolerated: first parts of names that may be missing.
        config: fields of the model's config to override.
    """
    import torch

    def load(source: str, local_files_only: bool) -> Any:
        with _quiet():
            return model_class.from_pretrained(
                source, local_files_only=local_files_only, output_loading_info=True, dtype=torch.float32, **config
            )

    model, report = load_pretrained(load, name, key)
    missing = {str(entry) for entry in report["missing_keys"]} | {str(entry[0]) for entry in report["mismatched_keys"]}
    return model, sorted(entry for entry in missing if entry.split(".")[0] not in tolerated)


def refuse(name: str, key: str, missing: list[str]) -> DataError:
    """The error for a checkpoint of another kind of model."""
    return DataError(
        f"{key}: {name} lacks {len(missing)} weights of this model, such as {missing[0]}", "name a checkpoint of the same architecture"
    )


def _faults() -> tuple[type[Exception], ...]:
    """What a `from_pretrained` raises for absent, damaged or foreign files."""
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    return OSError, ValueError, TypeError, RuntimeError, SafetensorError, StrictDataclassError


@contextmanager
def _quiet():
    """Silence transformers' progress bar and load report: missing weights are reported by us."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
