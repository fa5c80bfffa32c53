"""A trained model as a folder that needs nothing else: configuration, weights, tokenizer, card.

config.json          the resolved experiment (places on disk left out), configurations of transformers' encoders, scales of the targets,
                     what is known of data, licences and metrics
model.safetensors    every weight, those of a frozen encoder too
tokenizer/           files of the text tower's tokenizer, where it has any
captioner/           where there is one: weights, GPT-2's configuration and tokenizer
README.md            the model card, made from config.json
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from elsa_lightning.api.card import card
from elsa_lightning.api.config_file import CAPTIONER, CARD, CONFIG, FETCH, FORMAT, KIND, TOKENIZER, WEIGHTS, check_replaceable, read_values
from elsa_lightning.config import from_dict, to_dict
from elsa_lightning.errors import DataError, RunError
from elsa_lightning.losses.spatial import TargetScale
from elsa_lightning.models import ElsaModel, build_tokenizer
from elsa_lightning.models.captioner import PrefixCaptioner, captioner_of, load_tokenizer
from elsa_lightning.models.encoders import encoder_configs, make_encoders
from elsa_lightning.models.tokenizers import HashTokenizer, PretrainedTokenizer
from elsa_lightning.schema import Experiment, TinyTextConfig
from elsa_lightning.version import __version__
from elsa_lightning.weights import first_line

_PLACES = (
    *("data.corpus.root", "data.corpus.path", "data.pcm_cache", "rooms.measured.path", "captions.rewrites"),
    *("captioner.language.checkpoint", "captioner.scorer_python", "captioner.java"),
)
"""Keys that name places on the disk of the training: only the last part of their names is kept."""


@dataclass
class Captioner:
    """What says in words what an embedding holds.

    Attributes:
        network: in evaluation mode; prefix length and decoding are the experiment's.
        tokenizer: of its language model.
    """

    network: PrefixCaptioner
    tokenizer: Any


@dataclass
class Parts:
    """What a folder holds.

    Attributes:
        experiment: the training's, with no place on its disk.
        network: in evaluation mode.
        tokenizer: of the text tower.
        scales: `distance` (m) and `area` (ln m²) → mean and spread of the training's targets; None where the head speaks in m or m².
        about: for the card: corpus, licences, metrics, provenance.
        captioner: None: the model has none.
    """

    experiment: Experiment
    network: ElsaModel
    tokenizer: HashTokenizer | PretrainedTokenizer
    scales: dict[str, TargetScale | None]
    about: dict[str, Any] = field(default_factory=dict)
    captioner: Captioner | None = None


def portable(experiment: Experiment) -> Experiment:
    """A copy that can be opened elsewhere: nothing of it leads to a file of this disk or to a checkpoint."""
    free = copy.deepcopy(experiment)
    for key in _PLACES:
        *groups, name = key.split(".")
        node = free
        for group in groups:
            node = getattr(node, group)
        if place := getattr(node, name, ""):
            setattr(node, name, Path(place).name)
    free.data.pcm_cache = ""
    for tower in ("semantic", "spatial", "text"):
        part = getattr(free.model, tower)
        for name, empty in (("checkpoint", ""), ("projection", False)):
            if hasattr(part, name):
                setattr(part, name, empty)
    free.model.compile = free.model.activation_checkpointing = False
    if hasattr(free.model.text, "tokenizer"):
        free.model.text.tokenizer = TOKENIZER
    return free


def write(parts: Parts, folder: Path) -> None:
    """Write a folder; it appears complete or not at all, and replaces a model that is there.

    Raises:
        ConfigError: the folder holds something else.
        RunError: it cannot be written to.
    """
    put(folder, lambda new: write_into(parts, new), check_replaceable)


def put(folder: Path, fill: Callable[[Path], Any], check: Callable[[Path], None]) -> None:
    """Make a folder that appears complete or not at all, in the place of an older one.

    Args:
        folder: the place.
        fill: writes into an empty folder.
        check: raises where something lies in the place that must stay.

    Raises:
        RunError: it cannot be written to.
    """
    folder = Path(os.path.abspath(folder.expanduser()))
    with _writing(folder):
        check(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        # not `partial_folder`, which sweeps: nobody holds a lock here, and `.desk-*` may be another's export to desk-large
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        new, old = partial / "new", partial / "old"
        try:
            new.mkdir()
            fill(new)
            if folder.exists():
                os.replace(folder, old)
            os.replace(new, folder)
        finally:
            if old.exists() and not folder.exists():  # the new one did not get there; if this fails too, `old` stays
                os.replace(old, folder)
            shutil.rmtree(partial, ignore_errors=True)


def write_into(parts: Parts, folder: Path) -> None:
    """Write the files of a model into an empty folder."""
    values = contents(parts)
    _save(parts.network, folder / WEIGHTS)
    if parts.captioner is not None:
        parts.captioner.network.language.config.save_pretrained(folder / CAPTIONER)
        parts.captioner.tokenizer.save_pretrained(folder / CAPTIONER)
        _save(parts.captioner.network, folder / CAPTIONER / WEIGHTS)
    if isinstance(parts.tokenizer, PretrainedTokenizer):
        parts.tokenizer.tokenizer.save_pretrained(folder / TOKENIZER)
    (folder / CONFIG).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card(values), encoding="utf-8")


def _save(module: nn.Module, path: Path) -> None:
    """Every weight; those that two places share twice."""
    save_file({name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}, path, {"format": "pt"})
    os.umask(mask := os.umask(0))
    path.chmod(0o666 & ~mask)  # safetensors writes a file that its owner alone can read, and models are shared


def contents(parts: Parts) -> dict[str, Any]:
    """config.json."""
    targets = {name: None if scale is None else {"mean": scale.mean, "std": scale.std} for name, scale in parts.scales.items()}
    return {
        "model_type": KIND,
        "library_name": "elsa-lightning",
        "format": FORMAT,
        "package_version": __version__,
        "experiment": to_dict(portable(parts.experiment)),
        "encoders": encoder_configs(parts.network),
        "targets": targets,
        "captioner": parts.captioner is not None,
        "about": parts.about,
    }


def read(folder: Path) -> Parts:
    """Open a folder.

    Raises:
        DataError: a file is missing, damaged or does not fit the others.
        ConfigError: a configuration that this version does not know.
    """
    values = read_values(folder)
    source = str(folder / CONFIG)
    experiment = from_dict(values["experiment"], source)
    with torch.random.fork_rng(devices=[]):  # weights are drawn only to be replaced: the caller's random numbers stay
        network = ElsaModel(experiment.model, experiment.features, make_encoders(values["encoders"], source))
    _fill(network, folder / WEIGHTS)
    scales, captioner = _scales(values["targets"], source), read_captioner(experiment, folder) if values.get("captioner") else None
    return Parts(experiment, network.eval(), _tokenizer(experiment, folder), scales, values["about"], captioner)


def read_captioner(experiment: Experiment, folder: Path) -> Captioner:
    """The captioner in a model's folder.

    Raises:
        DataError: a file is missing, damaged or does not fit the others.
    """
    place, own = folder / CAPTIONER, experiment.captioner
    if not place.is_dir():
        raise DataError(f"there is no folder {CAPTIONER} in {folder}", FETCH)
    try:
        with torch.random.fork_rng(devices=[]):
            network = captioner_of(place, experiment.model.embedding, own.prefix_length, own.deaf)
        tokenizer = load_tokenizer(str(place))
    except (OSError, ValueError, TypeError) as error:  # what transformers raises of damaged files
        raise DataError(f"{place} cannot be read ({first_line(error)})", FETCH) from error
    _fill(network, place / WEIGHTS)
    return Captioner(network.eval(), tokenizer)


def _fill(network: nn.Module, path: Path) -> None:
    if not path.is_file():
        raise DataError(f"there is no {path.name} in {path.parent}", FETCH)
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({first_line(error)})", f"it is damaged or cut short: {FETCH}") from error
    wanted = network.state_dict()
    faults = [f"{name} is missing" for name in wanted if name not in state]
    faults += [f"{name} is left over" for name in state if name not in wanted]
    faults += [
        f"{name} is {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise DataError(f"{path} does not fit config.json beside it: {'; '.join(faults[:5])}{more}", FETCH)
    network.load_state_dict(state)


def _tokenizer(experiment: Experiment, folder: Path) -> HashTokenizer | PretrainedTokenizer:
    text = experiment.model.text
    if isinstance(text, TinyTextConfig):
        return build_tokenizer(text)
    place = folder / TOKENIZER
    if not place.is_dir():
        raise DataError(f"there is no folder {TOKENIZER} in {folder}", FETCH)
    return PretrainedTokenizer(str(place), text.max_tokens, str(place))


def _scales(targets: Any, source: str) -> dict[str, TargetScale | None]:
    try:
        return {name: None if targets[name] is None else TargetScale(**targets[name]) for name in ("distance", "area")}
    except (TypeError, KeyError) as error:
        raise DataError(f"{source}: targets must hold distance and area, each with mean and std ({first_line(error)})", FETCH) from error


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """One message for whatever keeps a folder from being written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        said = getattr(error, "strerror", None) or first_line(error)
        name = str(folder) if len(str(folder)) <= 200 else f"{str(folder)[:90]}…{str(folder)[-90:]}"
        raise RunError(f"{name} cannot be written to ({said})", "choose another folder, or make room") from error
