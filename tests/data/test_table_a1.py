"""Table A1: counts by hand, and the paper's figures beside."""

import json

import pytest

from elsa_lightning.cli import main
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.table_a1 import PAPER, paper_name

FOA = {"layout": "foa_acn_sn3d"}
RECORDS = [
    ClipRecord("a", "train", "dog", ("a dog", "a barking dog"), audio="a.wav", duration_s=3600.0),
    ClipRecord("b", "train", "cat", ("a cat",), audio="b.wav", duration_s=1800.0, spatial_captions=("a cat, left", "a cat"), **FOA),
    ClipRecord("c", "test", "", ("a dog",), audio="c.wav"),
]


@pytest.fixture
def manifest(tmp_path):
    write_manifest(tmp_path / "my-clotho.jsonl", RECORDS)
    return str(tmp_path / "my-clotho.jsonl")


def test_table(manifest, capsys):
    assert main(["data", "summary", manifest]) == 0  # no audio is there: none is opened
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["train", "2", "1.50", "5", "4", "3", "2"] in lines
    assert ["val", "0", "—", "0", "0", "0", "0"] in lines
    assert ["test", "1", "—", "1", "1", "1", "0"] in lines
    assert ["all", "3", "1.50", "6", "—", "4", "2"] in lines
    assert ["paper:", "train", "8,546", "55.0†", "—", "—", "—", "—"] in lines
    assert ["train", "cat", "1,", "dog", "1"] in lines
    assert "1 clips say no duration" in " ".join(" ".join(line) for line in lines)


def test_json(manifest, tmp_path, capsys):
    assert main(["data", "summary", manifest, "--paper", "all", "--json", str(tmp_path / "s.json")]) == 0
    assert "890,038" in capsys.readouterr().out
    assert main(["data", "summary", manifest, "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["splits"]["train"]["hours"] == 1.5 and found["splits"]["train"]["spatial_captions"] == 2
    assert found["paper"] == {
        "corpus": "Spatial-Clotho",
        "split": "train",
        "samples": {"value": 8546, "standing": "C"},
        "hours": {"value": 55.0, "standing": "U"},
    }
    assert json.loads((tmp_path / "s.json").read_text())["paper"]["corpus"] == "all three"


def test_the_papers_figures_add_up_and_stand_only_beside_its_corpora():
    parts = [PAPER[name] for name in ("Spatial-AudioCaps", "Spatial-Clotho", "Spatial-Freesound")]
    assert sum(part["samples"][0] for part in parts) == PAPER["all three"]["samples"][0]
    assert abs(sum(part["hours"][0] for part in parts) - PAPER["all three"]["hours"][0]) < 0.2
    assert paper_name("AudioCaps-train", None) == "Spatial-AudioCaps"
    assert paper_name("esc50", None) == "" and paper_name("clotho-and-audiocaps", None) == ""
    assert paper_name("mine", "freesound") == "Spatial-Freesound"


def test_a_synthetic_corpus(capsys):
    assert main(["data", "summary", "experiments/elsa.yaml", "--profile", "smoke"]) == 0
    out = capsys.readouterr().out
    assert "synthetic sounds" in out and "paper:" not in out and "train   " in out
