"""From a real training to a folder, and the parity that matters: what the package evaluated is what users get."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from elsa_lightning import Audio, Elsa
from elsa_lightning.config import load_experiment
from elsa_lightning.corpora import content_hash
from elsa_lightning.data.clips import prepare
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.data.spatialize import level, without_place
from elsa_lightning.errors import RunError
from elsa_lightning.runs import read_config
from elsa_lightning.stages.embed import embed_clips
from elsa_lightning.stages.execute import Stage
from elsa_lightning.stages.export import export_run
from elsa_lightning.stages.rooms import load_banks
from elsa_lightning.stages.train import load_trained, open_data
from elsa_lightning.stages_plan import plan_run
from elsa_lightning.table_file import find_table, load_table
from elsa_lightning.tables import plan
from in_process import train_here

from .conftest import ROOT

SMALL = ["rooms.train=8", "rooms.val=3", "rooms.test=4", "data.corpus.train_clips=16", "data.corpus.val_clips=6"]
SMALL += ["data.corpus.test_clips=8", "trainer.steps=3", "trainer.val_every=2", "trainer.batch_size=8", "evaluation.probe_steps=5"]
SMALL += ["trainer.accelerator=cpu", "captioner.enabled=true", "captioner.steps=3", "captioner.max_tokens=10"]


def elsa(*arguments, check=True):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "elsa_lightning", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs, the exported folder, what was printed."""
    place = tmp_path_factory.mktemp("trained")
    train_here(place / "runs", *SMALL)  # what the command then finds done
    done = elsa("train", "--profile", "smoke", "--runs", place / "runs", "--set", *SMALL, "--export", place / "model")
    return place / "runs", place / "model", done.stdout


def run_of(runs: pathlib.Path, stage: str) -> pathlib.Path:
    (folder,) = (path.parent for path in (runs / stage).glob("*/done.json"))
    return folder


def open_stage(runs):
    """The embed stage's model and data, as it opens them."""
    folder = run_of(runs, "embed")
    planned = read_config(folder)
    stage = Stage("embed", folder, planned.parents, planned.experiment)
    train = run_of(runs, "train")
    module = load_trained(stage.cfg, train, json.loads((train / "facts.json").read_text())["checkpoint"])
    return stage, module, open_data(stage, load_banks(stage))


def test_the_export_says_where_it_comes_from(trained):
    runs, folder, printed = trained
    assert f"→ {folder}" in printed and "synthetic" in printed
    values = json.loads((folder / "config.json").read_text())
    assert values["about"]["run"].startswith("train/") and values["about"]["steps"] == 3
    wanted = json.loads((run_of(runs, "evaluate") / "metrics.json").read_text())["metrics"]
    assert values["about"]["metrics"] == wanted
    assert str(runs) not in (folder / "config.json").read_text()
    shown = elsa("model", "show", folder).stdout
    assert shown.strip() == (folder / "README.md").read_text().strip() and "## Limits" in shown
    assert json.loads(elsa("model", "show", folder, "--json").stdout)["targets"] == values["targets"]


def test_scales_are_those_of_the_training_rooms(trained):
    """The oracle: mean and spread of the labels, from the bank's own file."""
    runs, folder, _ = trained
    bank = load_banks(Stage("train", runs, {"rooms": run_of(runs, "rooms")}, None))["train"]
    targets = json.loads((folder / "config.json").read_text())["targets"]
    distance, area = bank.labels["distance_m"].double().numpy(), np.log(bank.labels["floor_area_m2"].double().numpy())
    assert targets["distance"] == pytest.approx({"mean": distance.mean(), "std": distance.std()}, rel=1e-5)
    assert targets["area"] == pytest.approx({"mean": area.mean(), "std": area.std()}, rel=1e-5)


def test_rendered_clips_embed_as_the_embed_stage_embeds_them(trained, tmp_path):
    """From memory and from a file, to the embeddings on disk; captions and prompts too."""
    runs, folder, _ = trained
    _, _, data = open_stage(runs)
    model = Elsa.from_pretrained(folder, device="cpu")
    stored = load_file(run_of(runs, "embed") / "embeddings.safetensors")
    wanted, found, files = stored["test/audio"].numpy(), [], []
    for batch in data.test_dataloader():
        batch = data.on_after_batch_transfer(data.on_before_batch_transfer(batch))
        for foa in batch.foa.numpy():
            found.append(model.embed_audio(Audio(0.01 * foa, model.sample_rate, "foa_acn_sn3d"), trim=False))
            files.append(tmp_path / f"{len(files)}.wav")
            soundfile.write(files[-1], 0.01 * foa.T, model.sample_rate, subtype="FLOAT")
    assert len(found) == len(wanted) == 16
    assert np.abs(np.stack(found) - wanted).max() < 1e-4
    assert np.abs(model.embed_audio(files, trim=False) - wanted).max() < 1e-4
    assert np.abs(wanted[0] - wanted[2]).max() > 1e-3  # there is something to tell apart
    texts = json.loads((run_of(runs, "embed") / "texts.json").read_text())["captions"]
    assert np.abs(model.embed_text(texts) - stored["retrieval/text"].numpy()).max() < 1e-5
    prompts = model.embed_text(["A sound coming from the left.", "A sound coming from the right."])
    assert np.abs(prompts - stored["prompts/direction"][1:3].numpy()).max() < 1e-5


def test_clips_are_captioned_as_the_captions_stage_captioned_them(trained):
    """The captioner comes along, with the decoding of its own run."""
    runs, folder, _ = trained
    _, _, data = open_stage(runs)
    model = Elsa.from_pretrained(folder, device="cpu")
    batches = [data.on_after_batch_transfer(data.on_before_batch_transfer(batch)) for batch in data.test_dataloader()]
    sounds = [Audio(0.01 * foa, model.sample_rate, "foa_acn_sn3d") for batch in batches for foa in batch.foa.numpy()]
    lines = (run_of(runs, "captions") / "captions.jsonl").read_text().splitlines()
    wanted = [json.loads(line)["hypothesis"] for line in lines]
    assert model.parts.experiment.captioner.beam == 2 and any(wanted)
    assert model.caption(sounds, trim=False) == wanted


def test_mono_clips_embed_as_non_spatial_examples_do(trained):
    """A corpus' own sounds, silence around them and all, by the rules of `data.clips.prepare` and the mono policy."""
    runs, folder, _ = trained
    stage, module, _ = open_stage(runs)
    model, corpus = Elsa.from_pretrained(folder, device="cpu"), open_corpus(stage.cfg.data.corpus)
    rate, length = model.sample_rate, round(model.window_s * model.sample_rate)
    records = corpus.records("test")
    for number, record in enumerate(records):
        sound = corpus.load(record, rate)[:length]  # of longer ones the stage hears a crop
        if number % 2:
            sound = np.pad(sound[: length - 3000], (1000, 2000))
        clip = torch.from_numpy(prepare(sound, rate, stage.cfg.audio))[None]
        foa = level(without_place(clip, stage.cfg.data.mono_policy))
        with torch.no_grad():
            wanted = module.model.embed_audio(module.front_end(foa)).numpy()[0]
        assert np.abs(model.embed_audio(sound, rate=rate) - wanted).max() < 1e-4
    assert len(records) == 8


def test_recordings_embed_as_the_embed_stage_embeds_them(trained, tmp_path):
    """A manifest's ambisonic files, shorter than a clip, with silent edges, in another layout and rate."""
    runs, folder, _ = trained
    stage, module, _ = open_stage(runs)
    rng, lines, layouts = np.random.default_rng(0), [], ("foa_acn_sn3d", "foa_fuma", "foa_acn_n3d")
    for i in range(9):
        samples = 0.05 * rng.standard_normal((4, 1)) * rng.standard_normal(11000) + 0.01 * rng.standard_normal((4, 11000))
        rate = (16000, 22050)[i % 2]
        soundfile.write(tmp_path / f"{i}.wav", np.pad(samples, ((0, 0), (900, 500))).T, rate, subtype="FLOAT")
        line = {"audio": f"{i}.wav", "captions": ["noise"], "split": ("train", "val", "test")[i // 3], "layout": layouts[i % 3]}
        lines.append(json.dumps(line | {"azimuth_deg": 10.0 * i, "elevation_deg": 5.0}))
    (tmp_path / "m.jsonl").write_text("\n".join(lines))
    cfg = load_experiment(
        ROOT / "experiments/elsa.yaml", "smoke", overrides=["data.corpus.name=manifest", f"data.corpus.path={tmp_path / 'm.jsonl'}"]
    ).experiment
    data = open_data(Stage("embed", stage.folder, stage.parents, cfg), load_banks(stage))
    wanted = embed_clips(module, data, data.test_dataloader(), "cpu")["audio"].numpy()  # of recordings alone there is one version
    model = Elsa.from_pretrained(folder, device="cpu")
    records = open_corpus(cfg.data.corpus).records("test")
    found = np.stack([model.embed_audio(tmp_path / record.audio, layout=record.layout) for record in records])
    assert found.shape == wanted.shape and np.abs(found - wanted).max() < 1e-4


def test_what_is_no_finished_training_is_refused(trained, tmp_path):
    runs, _, _ = trained
    with pytest.raises(RunError, match="no run of a trained model"):
        export_run(run_of(runs, "rooms"), tmp_path / "m")
    with pytest.raises(RunError, match="is missing"):
        export_run(runs / "train" / ("0" * 16), tmp_path / "m")
    done = elsa("model", "export", runs / "train" / "nothing", tmp_path / "m", check=False)
    assert done.returncode == 3 and "Traceback" not in done.stderr
    about = export_run(run_of(runs, "train"), tmp_path / "m")
    assert "metrics" not in about and "without an evaluation" in (tmp_path / "m" / "README.md").read_text()


def test_make_model_trains_what_the_table_trains():
    """The row of the full recipe, seed 0: whichever is done first, the other finds its stages done."""
    alone = load_experiment(ROOT / "experiments/elsa.yaml", "desk", overrides=["data.corpus.name=foley"]).experiment
    table = plan(load_table(find_table("spatial_branch")), "desk", content_hash, (0,), ["data.corpus.name=foley"])
    model, row = plan_run(alone, content_hash(alone.data.corpus)), table.runs["learned_spatial", 0]
    assert model[-1].stage == row[-1].stage == "evaluate" and model[:-1] == row[:-1]  # the table asks its evaluation for more
    makefile = (ROOT / "Makefile").read_text()
    assert 'elsa train --profile "$(PROFILE)" --corpus "$(CORPUS)"' in makefile and '--export "$(MODEL)"' in makefile
