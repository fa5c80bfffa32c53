"""The commands: what they print, write and exit with."""

import argparse
import json
import pathlib
import subprocess
import sys

import pytest

from elsa_lightning import cli_trust
from elsa_lightning.errors import ConfigError, DataError

ROOT = pathlib.Path(__file__).parents[3]


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command; gives its exit code and what it printed."""
    monkeypatch.chdir(ROOT)

    def run(*words):
        parser = argparse.ArgumentParser()
        cli_trust.add(parser.add_subparsers(required=True))
        parsed = parser.parse_args([str(word) for word in words])
        return parsed.command(parsed) or 0, capsys.readouterr().out

    return run


def test_check(run, miniature, tmp_path):
    words = ("check", "--set", "data.corpus.name=esc50", f"data.corpus.root={miniature.root}", "--workers", "0")
    code, out = run(*words)
    assert code == 0 and out.endswith("no faults\n")
    code, out = run(*words, "--min-rate", "48000")
    assert code == 1 and "rate (30)" in out
    miniature.cut(3)
    code, out = run("check", "--corpus", "esc50", "--data", miniature.root, "--workers", "1", "--json", tmp_path / "report.json")
    assert code == 2 and f"{miniature.names[3]} (train): its end is missing" in out
    facts = json.loads((tmp_path / "report.json").read_text())
    assert facts["counts"] == {"truncated": 1} and facts["exit_code"] == 2 and facts["rates"] == {"44100": 30}


def test_check_has_no_manifest_to_fear(run, manifest, miniature):
    path = manifest([{"audio": name, "captions": ["a dog"], "split": "train"} for name in miniature.names], "m.jsonl")
    assert run("check", "--corpus", "manifest", "--data", path, "--workers", "0")[0] == 0
    assert run("check", "--corpus", "manifest", "--data", path, "--workers", "0", "--channels", "4")[0] == 2


def test_coverage(run, manifest, tmp_path):
    path = manifest(
        [{"clip_id": name, "split": split, "captions": ["x"]} for split, ids in (("train", "ab"), ("test", "cd")) for name in ids]
    )
    (tmp_path / "ids.txt").write_text("c\nd\ne\n")
    assert run("coverage", path)[0] == 0
    code, out = run("coverage", path, "--expected", tmp_path / "ids.txt", "--split", "test", "--json", tmp_path / "r.json")
    assert code == 1 and "missing (1):\n    e" in out and "not in the list" not in out
    assert json.loads((tmp_path / "r.json").read_text())["missing"] == ["e"]
    code, out = run("coverage", path, "--official", "clotho")
    assert code == 1 and "3839 (5 each)" in out
    (tmp_path / "ids.csv").write_text("name,who\n1,c\n2,d\n")
    assert run("coverage", path, "--expected", tmp_path / "ids.csv", "--id-column", "who", "--split", "test")[0] == 0


def test_overlap(run, manifest, tmp_path):
    rows = [{"clip_id": split, "split": split, "source": f"x:{split}", "captions": ["x"]} for split in ("train", "test")]
    assert run("overlap", manifest(rows))[0] == 0
    other = manifest([{"clip_id": "1", "split": "val", "source": "x:train"}], "b.jsonl")
    code, out = run("overlap", tmp_path / "a.jsonl", other, "--json", tmp_path / "r.json")
    assert code == 1 and "LEAK" in out
    assert json.loads((tmp_path / "r.json").read_text())["exit_code"] == 1


def test_faults_of_the_command_line(run, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        run("coverage", tmp_path / "nothing.jsonl")
    for place in (tmp_path, tmp_path / "no folder" / "r.json"):
        with pytest.raises(ConfigError, match="--json"):
            run("overlap", tmp_path / "a.jsonl", "--json", place)
    for words in (("check", "--workers", "-1"), ("check", "--clip-share", "2"), ("check", "--channels", "0"), ("coverage",)):
        with pytest.raises(SystemExit):
            run(*words)


def test_nothing_heavy_is_imported():
    code = """
import argparse, pkgutil, sys
from elsa_lightning import cli_trust
cli_trust.add(argparse.ArgumentParser().add_subparsers())
assert not {"numpy", "soundfile", "omegaconf", "torch"} & set(sys.modules)
import elsa_lightning.data.trust as trust
for module in pkgutil.iter_modules(trust.__path__):
    __import__(f"elsa_lightning.data.trust.{module.name}")
assert not {"torch", "lightning"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
