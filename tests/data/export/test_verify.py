"""Rendered again from export.json alone: the same bits; what was changed since is named."""

import json
import shutil

import pytest

from elsa_lightning.acoustics.bank import RoomBank, build_bank
from elsa_lightning.cli import main
from elsa_lightning.config import load_experiment
from elsa_lightning.data.export.verify import verify
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.errors import DataError
from elsa_lightning.schema import FoleyConfig, RoomsConfig
from elsa_lightning.stages_plan import plan_run

from ..conftest import RATE


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """Split → a stored bank of the simulator."""
    folder = tmp_path_factory.mktemp("simulated")
    rooms = RoomsConfig(train=5, val=3, test=3, rir_s=0.15, bands_hz=[1000.0])
    for ranges in (rooms.ranges, rooms.test_ranges):
        ranges.t30_s = [0.2, 0.4]
    for split in ("train", "val", "test"):
        build_bank(rooms, RATE, split).save(folder / split)
    return {split: folder / split for split in ("train", "val", "test")}


def test_rooms_simulated_again_give_the_same_bits(rough, corpus, simulated, export, tmp_path):
    for file_format in ("flac", "wav"):
        job, _ = export(rough, tmp_path / file_format, ["train", "test"], file_format, banks=simulated)
        again = list(verify(job.out, rough, corpus, 12))
        assert len(again) == 12 and all(verdict.same_bits and verdict.agrees for verdict in again), [str(one) for one in again]
        assert [str(one) for one in again] == [str(one) for one in verify(job.out, rough, corpus, 12, simulated)]
        assert str(again[0]).endswith("/v0: equal to the bit") and {one.clip_id for one in again} > {again[0].clip_id, again[-1].clip_id}


def test_what_was_changed_is_named(rough, corpus, simulated, export, tmp_path):
    job, lines = export(rough, tmp_path / "out", ["test"], banks=simulated)
    other, changed = job.out / lines[9]["audio"], job.out / lines[0]["audio"]
    changed.write_bytes(other.read_bytes())
    lines[2]["azimuth_deg"] += 5.0
    lines[3]["captions"] = ["a cat"]
    (job.out / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = list(verify(job.out, rough, corpus, 16))
    assert [verdict.agrees for verdict in found[:5]] == [False, True, False, False, True]
    assert not found[0].same_bits and "the file is not the one that was written" in str(found[0]) and found[0].error_db > -40
    assert str(found[2]).endswith("equal to the bit, not so: azimuth_deg") and found[3].differs == ("captions",)


def test_other_corpora_and_banks_are_refused(cfg, corpus, banks, bank_folders, simulated, export, tmp_path):
    job, lines = export(cfg, tmp_path / "out", ["val"])
    with pytest.raises(DataError, match="the corpus 'foley' has the content"):
        list(verify(job.out, cfg, open_corpus(FoleyConfig(val_clips=8)), 1))
    with pytest.raises(DataError, match="does not say how it was built"):  # these rooms were made by hand
        list(verify(job.out, cfg, corpus, 1))
    with pytest.raises(DataError, match=r"has the content .*, not"):
        list(verify(job.out, cfg, corpus, 1, simulated))
    assert all(verdict.agrees for verdict in verify(job.out, cfg, corpus, 3, bank_folders))
    (job.out / lines[0]["audio"]).unlink()
    with pytest.raises(DataError, match=r"00000000.flac cannot be read"):
        list(verify(job.out, cfg, corpus, 1, bank_folders))
    (job.out / "manifest.jsonl").unlink()
    with pytest.raises(DataError, match="is not whole: 0 of 16 items"):
        list(verify(job.out, cfg, corpus, 1, bank_folders))
    with pytest.raises(DataError, match=r"export.json: no export here"):
        list(verify(tmp_path, cfg, corpus, 1))


SMALL = """
audio: {sample_rate: 16000, clip_s: 0.5, min_s: 0.5}
rooms: {rir_s: 0.15}
data: {corpus: {train_clips: 4, val_clips: 2, test_clips: 3}, mono_share: 0.25, workers: 0}
features: {mel: {f_max_hz: 8000.0}}
"""


def run(*words):
    return main(["data", *map(str, words)])


def test_the_command_line(simulated, tmp_path, capsys, monkeypatch):
    pytest.importorskip("webdataset", reason="tars are an extra: pip install 'elsa-lightning[shards]'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(SMALL)
    bank = simulated["train"].parent
    common = ("render", "small.yaml", "--bank", bank, "--workers", 0, "--split", "test", "train")
    assert run(*common, "--out", "whole", "--rewrite-tasks", "--webdataset", "--per-tar", 4) == 0
    assert "14 items rendered" in (told := capsys.readouterr().out) and "4 tars" in told and "14 clips (train 8, test 6)" in told
    for shard in ("2/2", "1/2"):
        assert run(*common, "--out", "parts", "--shard", shard) == 0
    assert "elsa data render --join --out parts" in capsys.readouterr().out
    assert run("render", "--join", "--out", "parts", "--rewrite-tasks", "--webdataset", "--per-tar", 4, "--workers", 0) == 0
    for name in ("manifest.jsonl", "rewrite-tasks.jsonl", "export.json", "webdataset/train-000001.tar"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    capsys.readouterr()
    assert run("verify", "parts", "--count", 4) == 0
    assert capsys.readouterr().out.endswith("4 of 4 items are what the manifest says, 4 to the bit\n")
    (tmp_path / "parts/audio/train/00000/00000000.flac").write_bytes((tmp_path / "parts/audio/train/00000/00000001.flac").read_bytes())
    assert run("verify", "parts", "--count", 4, "--bank", bank) == 2


def test_rooms_are_those_of_training(simulated, tmp_path, capsys):
    """Without --bank: the finished rooms stage of the experiment is taken from --runs."""
    (tmp_path / "small.yaml").write_text(SMALL)
    experiment = load_experiment(tmp_path / "small.yaml").experiment
    rooms = plan_run(experiment, "any corpus")[0]
    for split, folder in simulated.items():
        shutil.copytree(folder, tmp_path / "runs" / rooms.run_id / split)
    (tmp_path / "runs" / rooms.run_id / "done.json").write_text("{}")
    words = ("--out", tmp_path / "out", "--runs", tmp_path / "runs", "--workers", 0)
    assert run("render", tmp_path / "small.yaml", *words) == 0
    banks = json.loads((tmp_path / "out/export.json").read_text())["banks"]
    assert banks["train"]["content_hash"] == RoomBank.load(simulated["train"]).content_hash and list(banks) == ["train"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--shard", "1/2", "--webdataset"), 2, "--shard renders a part"),
        (("--workers", "-1"), 2, "--workers -1"),
        (("--per-tar", "0"), 2, "--per-tar 0"),
        (("--bank", "nowhere"), 2, "no room bank here"),
        (("--join",), 2, "no export here"),
        (("--split", "val", "test", "--bank", "BANK/val"), 2, "is one bank, but there are 2 splits"),
    ],
)
def test_faults_of_the_command_line(simulated, tmp_path, capsys, words, code, message):
    (tmp_path / "small.yaml").write_text(SMALL)
    bank = simulated["train"].parent
    words = [word.replace("BANK", str(bank)) for word in words]
    assert run("render", tmp_path / "small.yaml", "--out", tmp_path / "out", *words) == code
    assert message in capsys.readouterr().err
