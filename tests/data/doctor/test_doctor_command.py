"""`elsa data doctor`: its exit codes, its reports, what it reads, and bad input."""

import argparse
import csv
import json
import math

import numpy as np
import pytest
import soundfile

from elsa_lightning import cli_doctor
from elsa_lightning.data.doctor.conventions import Convention
from elsa_lightning.data.doctor.examine import examine
from elsa_lightning.data.doctor.labels import read_labels, read_stretch
from elsa_lightning.data.doctor.report import as_dict
from elsa_lightning.errors import ElsaError

from .conftest import RATE, recorded


def write_corpus(folder, sounds, convention):
    """A folder of WAVs and its table."""
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["audio", "azimuth_deg", "elevation_deg", "room"])
        for one in recorded(sounds, convention):
            soundfile.write(folder / f"{one.name}.wav", one.audio.T, RATE, subtype="FLOAT")
            table.writerow([f"{one.name}.wav", math.degrees(one.azimuth), math.degrees(one.elevation), "lab"])
    return folder / "labels.csv"


def doctor(*arguments):
    """Exit code of `elsa data doctor …`."""
    parser = argparse.ArgumentParser()
    cli_doctor.add(parser.add_subparsers())
    parsed = parser.parse_args(["doctor", *map(str, arguments)])
    try:
        return parsed.command(parsed)
    except ElsaError as fault:
        print(fault)
        return fault.exit_code


def test_command(rendered, tmp_path, capsys):
    table = write_corpus(tmp_path, rendered, Convention("fuma", "fuma", "cw"))
    report = tmp_path / "report.json"
    assert doctor(table, "--json", report) == 1
    assert "another convention fits clearly better" in capsys.readouterr().out
    found = json.loads(report.read_text())
    best = {"order": "fuma", "azimuth": "cw", "upside_down": False, "yaw_deg": 0}
    assert [[fit["convention"] for fit in members] for members in found["best"]] == [[best]]
    assert found["normalisation"]["fitting"] == ["fuma"] and found["verdict"] == "another"
    assert found["declared"]["mean_error_deg"] > 60 > 15 > found["best"][0][0]["mean_error_deg"]
    assert doctor(table, "--order", "fuma", "--normalisation", "fuma", "--azimuth", "cw") == 0
    assert "none fits clearly better" in capsys.readouterr().out
    assert doctor(table, "--order", "fuma", "--normalisation", "fuma", "--azimuth", "cw", "--yaw", "-90") == 1
    assert doctor(table, "--json", report, "--max-clips", "12") == 1
    assert "12 of 18 rows" in capsys.readouterr().out
    again = json.loads(report.read_text())
    assert again["rows"] == 18 and again["rows_looked_at"] == 12 == again["stretches"]["used"]


def test_parts_of_one_file(rendered, tmp_path):
    true = Convention("acn", "sn3d", "ccw", upside_down=True)
    parts = recorded(rendered, true)
    soundfile.write(tmp_path / "all.flac", np.concatenate([0.2 * part.audio for part in parts], 1).T, RATE, subtype="PCM_24")
    with open(tmp_path / "labels.csv", "w", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file)
        table.writerow(["audio", "azimuth_deg", "elevation_deg", "start_s", "end_s"])
        for i, part in enumerate(parts):
            end = "" if i == len(parts) - 1 else 0.75 * (i + 1)
            table.writerow(["all.flac", math.degrees(part.azimuth), math.degrees(part.elevation), 0.75 * i, end])
    rows = read_labels(tmp_path / "labels.csv")
    audio, rate = read_stretch(rows[3])
    assert rate == RATE and np.allclose(audio, 0.2 * parts[3].audio, atol=1e-5)
    assert read_stretch(rows[-1])[0].shape == parts[-1].audio.shape
    assert doctor(tmp_path / "labels.csv", "--upside-down") == 0
    assert doctor(tmp_path / "labels.csv") == 1


def test_a_report_is_plain_json(rendered):
    found = examine(recorded(rendered, Convention()), Convention())
    assert json.loads(json.dumps(as_dict(found), allow_nan=False)) == as_dict(found)


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("audio,azimuth_deg", "a.wav,1", "no column elevation_deg"),
        ("audio,azimuth_deg,elevation_deg", "", "no rows"),
        ("audio,azimuth_deg,elevation_deg", "a.wav,400,0", "line 2: azimuth_deg 400 is outside -360 to 360"),
        ("audio,azimuth_deg,elevation_deg", "a.wav,40,120", "the zenith is 90° minus"),
        ("audio,azimuth_deg,elevation_deg", "a.wav,left,0", "azimuth_deg 'left' is not a number"),
        ("audio,azimuth_deg,elevation_deg", "a.wav,nan,0", "not a number"),
        ("audio,azimuth_deg,elevation_deg", "a.wav,1", "elevation_deg '' is not a number"),
        ("audio,azimuth_deg,elevation_deg", ",1,2", "audio is empty"),
        ("audio,azimuth_deg,elevation_deg", "b.wav,1,2", "b.wav does not exist"),
        ("audio,azimuth_deg,elevation_deg", "three.wav,1,2", "3 channel"),
        ("audio,azimuth_deg,elevation_deg", "text.wav,1,2", "cannot be decoded"),
        ("audio,azimuth_deg,elevation_deg", "nan.wav,1,2", "not finite"),
        ("audio,azimuth_deg,elevation_deg", "slow.wav,1,2", "claims a sample rate of 100 Hz"),
        ("audio,azimuth_deg,elevation_deg,start_s,end_s", "a.wav,1,2,3,2", "is no stretch"),
        ("audio,azimuth_deg,elevation_deg,start_s,end_s", "a.wav,1,2,-1,2", "is no stretch"),
        ("audio,azimuth_deg,elevation_deg,start_s,end_s", "a.wav,1,2,0.5,1.2", r"0.5 s to 1.2 s is not within"),
        ("audio,azimuth_deg,elevation_deg,start_s,end_s", "a.wav,1,2,1.5,", r"from 1.5 s is not within"),
    ],
)
def test_bad_input(tmp_path, capsys, header, row, message):
    good = np.random.default_rng(0).standard_normal((RATE, 4)) * 0.1
    soundfile.write(tmp_path / "a.wav", good, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "three.wav", good[:, :3], RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "nan.wav", np.where(good > 0.3, np.nan, good), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", good, 100, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    (tmp_path / "labels.csv").write_text(f"{header}\n{row}\n" if row else f"{header}\n", encoding="utf-8")
    assert doctor(tmp_path / "labels.csv") == 2
    assert message in capsys.readouterr().out


def test_other_bad_input(tmp_path, capsys):
    assert doctor(tmp_path / "none.csv") == 2
    assert "does not exist" in capsys.readouterr().out
    (tmp_path / "latin.csv").write_bytes("audio,azimuth_deg,elevation_deg\nbär.wav,1,2\n".encode("latin-1"))
    assert doctor(tmp_path / "latin.csv") == 2
    assert "not UTF-8" in capsys.readouterr().out
    assert doctor(tmp_path / "latin.csv", "--max-clips", "0") == 2
    assert "--max-clips" in capsys.readouterr().out
    assert doctor(tmp_path / "latin.csv", "--json", tmp_path / "no" / "report.json") == 2
    assert "--json" in capsys.readouterr().out


def test_a_manifest_is_a_table_too(rendered, tmp_path):
    lines = []
    for i, one in enumerate(recorded(rendered, Convention())):
        soundfile.write(tmp_path / f"{i}.wav", np.concatenate([np.zeros((4, RATE // 2)), one.audio], 1).T, RATE, subtype="FLOAT")
        angles = {"azimuth_deg": math.degrees(one.azimuth), "elevation_deg": math.degrees(one.elevation)}
        part = {"start_s": 0.5, "duration_s": one.audio.shape[1] / RATE} if i else {"start_s": 0.5}
        lines.append({"audio": f"{i}.wav", "captions": ["a sound"], "split": "test"} | angles | part)
    lines.append({"audio": "mono.wav", "captions": ["a sound"], "split": "test"})
    table = tmp_path / "corpus.jsonl"
    table.write_text("\n".join(map(json.dumps, lines)) + "\n")
    rows = read_labels(table)
    assert len(rows) == len(rendered) and rows[0].end_s is None and rows[1].end_s == 1.25
    assert np.allclose(read_stretch(rows[3])[0], rendered[3][0], atol=1e-5)
    assert doctor(table) == 0 and doctor(table, "--azimuth", "cw") == 1


@pytest.mark.parametrize(("text", "message"), [("[1]", "line 1: not a JSON object"), ('{"audio": "a.wav"}', "no row has azimuth_deg")])
def test_a_manifest_that_helps_nothing(tmp_path, capsys, text, message):
    (tmp_path / "corpus.jsonl").write_text(text + "\n")
    assert doctor(tmp_path / "corpus.jsonl") == 2
    assert message in capsys.readouterr().out
