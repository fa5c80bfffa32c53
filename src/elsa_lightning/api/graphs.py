"""A model's two towers as graphs for other runtimes: ONNX, or `torch.export` programs that need no code of this package.

audio.onnx, text.onnx   or audio.pt2, text.pt2
graphs.json             what goes in and comes out, and how far the graphs are from the model
tokenizer/              of the text tower, where it has files
README.md               the model card
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elsa_lightning.api import folder as folders
from elsa_lightning.api.audio import FOA
from elsa_lightning.api.card import card
from elsa_lightning.api.config_file import CARD, TOKENIZER
from elsa_lightning.api.graph_towers import AudioGraph, TextGraph, traceable
from elsa_lightning.atomic import read_json
from elsa_lightning.data.spatialize import level
from elsa_lightning.errors import ConfigError, RunError
from elsa_lightning.features import FrontEnd
from elsa_lightning.models import ElsaModel
from elsa_lightning.models.tokenizers import HashTokenizer
from elsa_lightning.version import __version__
from elsa_lightning.weights import first_line

ABOUT, KIND = "graphs.json", "elsa-graphs"
SUFFIX = {"onnx": ".onnx", "torch": ".pt2"}
"""Format → end of its files' names."""
NEEDS = ("onnx", "onnxruntime", "onnxscript")
TOLERANCE = 1e-4
"""Largest difference of an embedding's component between a graph and the model; a graph that is further off is not written."""
OUTPUT = "embeddings"  # the singular is taken: nodes are called after aten::embedding

_ROWS = (1, 3)  # batches that the written graphs are tried with; traced with 2
_TEXTS = ("a dog barking on the left", "rain", "a bell, far away and high up, heard in a large and very reverberant hall " * 3)


@dataclass
class _Tower:
    """What is traced: a module, an example of its inputs by name, and which of their axes may vary."""

    name: str
    module: nn.Module
    example: dict[str, Tensor]
    dynamic: dict[str, dict[int, Any]]


def export(parts: folders.Parts, folder: Path, format: str = "onnx") -> dict[str, Any]:
    """Write the graphs of a model, after they were run and compared with it.

    Args:
        parts: the model.
        folder: new, empty, or with graphs that are replaced.
        format: `onnx` or `torch`.

    Returns:
        graphs.json.

    Raises:
        ConfigError: another format, a package that is not installed, or a folder that holds something else.
        RunError: a tower that cannot be traced, graphs that do not compute what the model does, or a folder that cannot be written to.
    """
    _check(format)
    found: dict[str, Any] = {}
    folders.put(folder, lambda new: found.update(_write_into(parts, new, format)), _check_replaceable)
    return found


def _check(format: str) -> None:
    if format not in SUFFIX:
        raise ConfigError(f"there is no format {format!r}", f"choose {', '.join(SUFFIX)}")
    if format == "onnx" and (missing := [name for name in NEEDS if find_spec(name) is None]):
        raise ConfigError(f"ONNX needs {', '.join(missing)}", "pip install 'elsa-lightning[onnx]', or take the format torch")


def _check_replaceable(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir() or (any(folder.iterdir()) and (read_json(folder / ABOUT) or {}).get("kind") != KIND):
        raise ConfigError(f"{folder} is there and holds no graphs of this package", "name a new or empty folder")


def _write_into(parts: folders.Parts, folder: Path, format: str) -> dict[str, Any]:
    experiment, network = parts.experiment, parts.network
    if next(network.parameters()).device.type != "cpu":
        network = copy.deepcopy(network).cpu()
    front_end = FrontEnd(experiment.features, experiment.audio.sample_rate)
    samples = round(experiment.audio.clip_s * experiment.audio.sample_rate)
    towers = (_audio(network, front_end, samples), _text(network, parts.tokenizer))
    found: dict[str, Any] = {"kind": KIND, "format": format, "package_version": __version__, "width": experiment.model.embedding}
    found |= {"logit_scale": parts.network.logit_scale_exp.item(), "tolerance": TOLERANCE}
    found["audio"] = {"rate": experiment.audio.sample_rate, "samples": samples, "channels": 4, "layout": FOA}
    found["text"] = {"max_tokens": parts.tokenizer.max_tokens, "tokenizer": _save_tokenizer(parts.tokenizer, folder)}
    for tower in towers:
        path = folder / f"{tower.name}{SUFFIX[format]}"
        run = _write(tower, path, format)
        off = max(_distance(run, tower, network, front_end, parts.tokenizer, rows) for rows in _ROWS)
        if not off <= TOLERANCE:
            raise RunError(f"the {tower.name} tower as {format} is {off:.2g} off the model", "try the other format, and report this")
        found[tower.name] |= {"file": path.name, "inputs": list(tower.example), "output": OUTPUT, "largest_difference": off}
    (folder / ABOUT).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card(folders.contents(parts)), encoding="utf-8")
    return found


def _audio(network: ElsaModel, front_end: FrontEnd, samples: int) -> _Tower:
    batch = torch.export.Dim("batch", min=1)
    return _Tower("audio", AudioGraph(network, front_end), {"foa": _sounds(2, samples)}, {"foa": {0: batch}})


def _text(network: ElsaModel, tokenizer: Any) -> _Tower:
    tokens = tokenizer(_TEXTS[:2])
    axes = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=1, max=-(-tokenizer.max_tokens // 8) * 8)}
    return _Tower("text", TextGraph(network), tokens, dict.fromkeys(tokens, axes))


def _sounds(rows: int, samples: int) -> Tensor:
    """Windows `(rows, 4, T)` of several levels: noise, and tones over next to nothing, whose quiet bins show what rounding does."""
    generator = torch.Generator().manual_seed(rows)
    noise = torch.randn(rows, 4, samples, generator=generator) * torch.rand(rows, 4, 1, generator=generator)
    tone = torch.sin(torch.arange(samples) * 0.07) * torch.tensor([1.0, 0.6, -0.3, 0.5]).unsqueeze(1)
    quiet = torch.arange(rows).reshape(-1, 1, 1) % 2 == 1
    return torch.where(quiet, 0.01 * (tone + 1e-4 * noise), noise)


def _write(tower: _Tower, path: Path, format: str) -> Callable[[dict[str, Tensor]], np.ndarray]:
    """Trace and write a tower; returns what runs the written file."""
    try:
        with traceable():
            tower.module(*tower.example.values())  # coordinate grids are made now, not in the graph
            program = torch.export.export(tower.module.eval(), tuple(tower.example.values()), dynamic_shapes=tower.dynamic)
            if format == "torch":
                torch.export.save(program, path)
                return _torch_runner(path)
            names = list(tower.example)
            graph = torch.onnx.export(program, dynamo=True, verbose=False, input_names=names, output_names=[OUTPUT])
            assert graph is not None  # it is None where a file is given
            graph.save(path)
        return _onnx_runner(path)
    except OSError:
        raise
    except Exception as error:  # tracing raises whatever the traced code and each of its passes raise
        raise RunError(
            f"the {tower.name} tower cannot be written as {format} ({type(error).__name__}: {first_line(error)[:200]})",
            "docs/export.md says which variants can; try the other format",
        ) from error


def _torch_runner(path: Path) -> Callable[[dict[str, Tensor]], np.ndarray]:
    module = torch.export.load(path).module()
    return lambda inputs: module(*inputs.values()).detach().numpy()


def _onnx_runner(path: Path) -> Callable[[dict[str, Tensor]], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run([OUTPUT], {name: value.numpy() for name, value in inputs.items()})[0]


@torch.no_grad()
def _distance(run: Callable, tower: _Tower, network: ElsaModel, front_end: FrontEnd, tokenizer: Any, rows: int) -> float:
    """Largest difference between what the graph and what the model itself make of a batch; the model's front end is the one with an FFT."""
    if tower.name == "audio":
        foa = _sounds(rows, tower.example["foa"].shape[-1])
        inputs, wanted = {"foa": foa}, network.embed_audio(front_end(level(foa)))
    else:
        inputs = tokenizer(_TEXTS[-rows:])
        wanted = network.embed_text(inputs)
    return float(np.abs(run(inputs) - wanted.numpy()).max())


def _save_tokenizer(tokenizer: Any, folder: Path) -> dict[str, Any]:
    """What turns text into ids: a folder for transformers, or the hash of `HashTokenizer`."""
    if isinstance(tokenizer, HashTokenizer):
        return {"kind": "hash", "vocab_size": tokenizer.vocab_size}
    tokenizer.tokenizer.save_pretrained(folder / TOKENIZER)
    return {"kind": "transformers", "folder": TOKENIZER}
