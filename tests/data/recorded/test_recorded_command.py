"""`elsa data segments` as a command: what it writes, prints and refuses."""

import argparse
import json
import subprocess
import sys

import pytest

from elsa_lightning import cli_recorded
from elsa_lightning.data.recorded import CORPORA, read_segments
from elsa_lightning.errors import ConfigError, DataError

from .test_starss import damaged, frame_rows, recording


@pytest.fixture
def run():
    """The command, given its arguments."""
    parser = argparse.ArgumentParser()
    cli_recorded.add(parser.add_subparsers(required=True))

    def call(*arguments):
        parsed = parser.parse_args(["segments", *map(str, arguments)])
        return parsed.command(parsed)

    return call


def test_what_is_written_and_printed(tmp_path, run, capsys):
    stem = damaged(tmp_path)
    events = [(0, 4, 90, 0)]
    recording(
        tmp_path, "dev-train-tau/fold3_room9_mix001", events, frame_rows(events, 3, 0, 150) + frame_rows([(2, 3, 0, 0)], 8, 0, 150), 4
    )
    out = tmp_path / "out"
    assert not run("starss", "--root", tmp_path, "--segments", out / "s.jsonl", "--csv", out / "l.csv", "--json", out / "r.json")
    segments, report = read_segments(out / "s.jsonl"), json.loads((out / "r.json").read_text())
    assert [(one.label, one.split, one.distance_m) for one in segments] == [
        ("male speech", "test", pytest.approx(float("nan"), nan_ok=True)),
        ("telephone", "train", 1.5),
    ]
    assert len((out / "l.csv").read_text().splitlines()) == 3
    assert report["recordings"] == 2 and report["segments"] == 2
    assert report["splits"]["train"]["classes"] == {"telephone": {"segments": 1, "hours": 0.0005}}
    assert report["labelled_s"] == {"all": 6.0, "used": 3.8, "short": 0.8, "guard": 0.4, "overlapping": 1.0}
    assert len(report["left_out"]) == 7
    text = capsys.readouterr().out
    for words in (
        "2 recordings read, 2 segments",
        "telephone 1",
        "7 files left out",
        f"({stem}3.wav)",
        "17 % several sounds at once",
        "caution",
    ):
        assert words in text


def test_many_files_of_one_fault_are_counted(tmp_path, run, capsys):
    events = [(0, 2, 30, 10)]
    for number in range(9):
        recording(tmp_path, f"dev-test-tau/fold4_room2_mix00{number}", events, frame_rows(events), 2)
    for number in range(1, 9):
        (tmp_path / f"foa_dev/dev-test-tau/fold4_room2_mix00{number}.wav").unlink()
    run("starss", "--root", tmp_path, "--out", tmp_path / "s.jsonl")
    assert "8: the audio is missing" in (text := capsys.readouterr().out) and "mix005.wav and 3 more" in text


@pytest.mark.parametrize(
    ("arguments", "fault", "message"),
    [
        (("starss", "--strict"), DataError, "mix00"),
        (("starss", "--min-s", "9"), DataError, "no segment fulfils the rule"),
        (("starss", "--min-s", "0"), ConfigError, "at least 0 s"),
        (("starss", "--only", "nothing"), DataError, "no recording"),
        (("starss", "--order", "wyzx"), ConfigError, "--order wyzx"),
        (("starss", "--clockwise"), ConfigError, "option of folder"),
        (("starss", "--lite"), ConfigError, "option of spatial-librispeech"),
        (("tut2018",), DataError, "desc_ov"),
        (("folder",), DataError, "labels.csv"),
        (("spatial-librispeech",), DataError, "ambisonics"),
    ],
)
def test_refusals_write_nothing(tmp_path, run, arguments, fault, message):
    damaged(tmp_path)
    corpus, *options = arguments
    with pytest.raises(fault, match=message) as refused:
        run(corpus, "--root", tmp_path, "--out", tmp_path / "s.jsonl", *options)
    assert refused.value.remedy and not (tmp_path / "s.jsonl").exists()


def test_a_root_that_is_no_folder(tmp_path, run):
    with pytest.raises(DataError, match="is no folder"):
        run("starss", "--root", tmp_path / "none", "--out", tmp_path / "s.jsonl")


def test_the_same_segments_every_time(tmp_path, run):
    damaged(tmp_path)
    for name in ("a", "b"):
        run("starss", "--root", tmp_path, "--out", tmp_path / f"{name}.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def test_the_command_knows_every_corpus():
    assert tuple(CORPORA) == cli_recorded.CORPORA


def test_no_torch():
    code = """if True:
        import sys, elsa_lightning.data.recorded.report, elsa_lightning.cli_recorded
        sys.exit(bool({"torch", "pyarrow"} & set(sys.modules)))
    """
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
