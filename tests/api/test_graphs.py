"""Towers as graphs: read back by other runtimes, against the model that users have."""

import json
import re

import numpy as np
import pytest
import torch

from elsa_lightning import Audio, Elsa
from elsa_lightning.api import graphs
from elsa_lightning.api.graph_towers import AudioGraph
from elsa_lightning.cli import main
from elsa_lightning.errors import ConfigError, RunError

from .conftest import RATE, ROOT, noise


@pytest.fixture(scope="module")
def onnx_folder(folder, tmp_path_factory):
    """Written by the command."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    out = tmp_path_factory.mktemp("graphs") / "onnx"
    assert main(["model", "graphs", str(folder), str(out)]) == 0
    return out


def windows(rows: int) -> np.ndarray:
    return np.stack([noise(1.0, seed=row) * (row + 1) for row in range(rows)])


def wanted(model: Elsa, foa: np.ndarray) -> np.ndarray:
    return model.embed_audio([Audio(one, RATE, "foa_acn_sn3d") for one in foa], trim=False)


def test_onnx_graphs_give_what_the_model_gives(onnx_folder, model):
    """Batches of sizes that were not traced; samples in, the features are inside."""
    import onnxruntime

    about = json.loads((onnx_folder / "graphs.json").read_text())
    assert about["audio"]["samples"] == RATE and about["audio"]["largest_difference"] < 1e-4
    audio = onnxruntime.InferenceSession(onnx_folder / about["audio"]["file"])
    for rows in (1, 2, 4):
        foa = windows(rows)
        assert np.abs(audio.run(["embeddings"], {"foa": foa})[0] - wanted(model, foa)).max() < 1e-4
    assert np.abs(wanted(model, windows(2))[0] - wanted(model, windows(2))[1]).max() > 1e-3  # there is something to tell apart
    text = onnxruntime.InferenceSession(onnx_folder / about["text"]["file"])
    for texts in (["rain"], ["a dog on the left", "a bell " * 12, "water"]):
        tokens = {name: value.numpy() for name, value in model.parts.tokenizer(texts).items()}
        assert np.abs(text.run(["embeddings"], tokens)[0] - model.embed_text(texts)).max() < 1e-4


def test_torch_programs_give_what_the_model_gives(model, tmp_path):
    about = model.export_graphs(tmp_path / "torch", "torch")
    audio = torch.export.load(tmp_path / "torch" / about["audio"]["file"]).module()
    for rows in (1, 4):
        foa = windows(rows)
        assert np.abs(audio(torch.from_numpy(foa)).detach().numpy() - wanted(model, foa)).max() < 1e-4
    tokens = model.parts.tokenizer(["a bell " * 12, "rain", "water"])
    text = torch.export.load(tmp_path / "torch" / "text.pt2").module()
    assert np.abs(text(*tokens.values()).detach().numpy() - model.embed_text(["a bell " * 12, "rain", "water"])).max() < 1e-4
    with pytest.raises((ValueError, AssertionError, RuntimeError)):
        audio(torch.from_numpy(windows(1)[..., :-1]))  # the length is fixed


def test_a_tower_carries_its_own_weights_only(parts, model):
    names = set(AudioGraph(parts.network, model.front_end).state_dict())
    assert any(name.startswith("network.semantic") for name in names) and not any("text" in name or "heads" in name for name in names)
    assert "text_projection.0.weight" in parts.network.state_dict()  # the model has lost nothing


def test_graphs_that_compute_something_else_are_not_written(model, tmp_path, monkeypatch):
    """As if tracing had lost something, and without the time that it takes."""
    monkeypatch.setattr(
        graphs, "_write", lambda tower, path, format: lambda inputs: tower.module(*inputs.values()).detach().flip(1).numpy()
    )
    with pytest.raises(RunError, match=r"audio tower as torch is .* off the model"):
        model.export_graphs(tmp_path / "wrong", "torch")
    assert not (tmp_path / "wrong").exists()


def test_what_cannot_be_is_refused(model, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="no format 'tflite'"):
        model.export_graphs(tmp_path / "new", "tflite")
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ConfigError, match="holds no graphs"):
        model.export_graphs(tmp_path, "torch")
    monkeypatch.setattr(graphs, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'elsa-lightning\[onnx\]'"):
        model.export_graphs(tmp_path / "new", "onnx")
    monkeypatch.undo()
    monkeypatch.setattr(torch.export, "export", lambda *a, **k: 1 / 0)
    with pytest.raises(RunError, match="audio tower cannot be written as torch"):
        model.export_graphs(tmp_path / "new", "torch")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_block_of_the_page_runs(onnx_folder, model, tmp_path, monkeypatch):
    (block,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "graphs").symlink_to(onnx_folder)
    names = {}
    exec(compile(block, "docs/export.md", "exec"), names)
    assert names["embeddings"].shape == (2, model.width)
