"""`elsa spatialize`: the written file points where it was told, and says so."""

import importlib.util
import json
import sys

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning.acoustics import binaural
from elsa_lightning.cli import main
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.spatialize_file import Place, spatialize, summary, way

RATE = 16000


@pytest.fixture
def mono(tmp_path):
    path = tmp_path / "in.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(RATE), RATE)
    return path


def test_direction_level_format_and_sidecar(mono, tmp_path):
    out = tmp_path / "out.wav"
    facts = spatialize(mono, out, azimuth=90, elevation=20, distance=1.0, room=(8, 7, 4), t30=0.2)
    printed = summary(out, facts)
    assert str(out) in printed and "W Y Z X (ACN, SN3D), 16000 Hz" in printed and f"T30 measured {facts['measured_t30_s']:.2f} s" in printed
    foa, rate = soundfile.read(out)
    assert rate == RATE and foa.shape[1] == 4 and soundfile.info(out).subtype == "FLOAT"
    assert np.abs(foa).max() == pytest.approx(0.9, abs=1e-3)
    w, y, z, x = foa.T
    direction = np.array([(w * x).mean(), (w * y).mean(), (w * z).mean()])
    wanted = np.array([0, np.cos(np.radians(20)), np.sin(np.radians(20))])
    assert direction @ wanted / np.linalg.norm(direction) > np.cos(np.radians(15))  # reflections pull it a little
    facts = json.loads((tmp_path / "out.json").read_text())
    assert facts["order"] == "ACN" and facts["normalisation"] == "SN3D" and facts["azimuth_deg"] == 90
    assert facts["measured_t30_s"] == pytest.approx(0.2, rel=0.25)
    offset = [a - b for a, b in zip(facts["source_m"], facts["microphone_m"], strict=True)]
    assert sum(value**2 for value in offset) ** 0.5 == pytest.approx(1.0, abs=2e-3) and offset[1] > 0.9
    assert facts["measured_drr_db"] > 0 and facts["measured_c50_db"] > 5


def test_the_same_seed_gives_the_same_file(mono, tmp_path):
    for name in ("a", "b"):
        spatialize(mono, tmp_path / f"{name}.wav", 10, 0, 1.0, (5, 4, 3), 0.4, seed=3)
    one, other = (soundfile.read(tmp_path / f"{name}.wav", dtype="float32")[0] for name in ("a", "b"))
    assert (one == other).all()  # the samples: a float WAV's PEAK chunk holds the time of writing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"distance": 9.0}, "does not fit"),
        ({"t30": 0.01}, "no walls"),
        ({"t30": 0.0}, "T30 of 0 s"),
        ({"distance": 0.0}, "distance of 0 m"),
        ({"distance": -1.0}, "distance of -1 m"),
        ({"distance": float("nan")}, "distance of nan m"),
        ({"azimuth": float("inf")}, "azimuth"),
        ({"elevation": 91}, "elevation of 91°"),
        ({"to": (36000, None, None)}, "a turn of 36000°"),
        ({"to": (None, 95, None)}, "elevation of 95°"),
        ({"rate": 0}, "sample rate of 0 Hz"),
        ({"rate": 400_000}, "sample rate of 400000 Hz"),
        ({"input": "missing.wav"}, "missing.wav"),
        ({"output": "no/such/dir/o.wav"}, "no/such/dir"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(mono, tmp_path, change, words):
    arguments = {"input": mono, "output": tmp_path / "o.wav", "azimuth": 0, "elevation": 0, "distance": 1.0, "room": (5, 4, 3), "t30": 0.4}
    with pytest.raises(DataError, match=words) as caught:
        spatialize(**{**arguments, **change})
    assert caught.value.remedy


def test_the_input_is_never_overwritten_and_the_output_is_a_wav(mono, tmp_path):
    before = mono.read_bytes()
    for output, words in ((mono, "input itself"), (tmp_path / "out.mp3", "WAV")):
        with pytest.raises(DataError, match=words):
            spatialize(mono, output, 0, 0, 1.0, (5, 4, 3), 0.4)
    assert mono.read_bytes() == before and not (tmp_path / "out.mp3").exists()


@pytest.mark.parametrize(("room", "t30"), [((5, 4, 3), 0.3), ((6, 4, 2.7), 0.5), ((10, 8, 4), 0.9)])
def test_the_rendered_t30_is_the_wanted_one(mono, tmp_path, room, t30):
    """The expected decay alone misses it by a tenth and more in single rooms."""
    facts = spatialize(mono, tmp_path / "o.wav", azimuth=30, elevation=0, distance=1.5, room=room, t30=t30)
    assert facts["measured_t30_s"] == pytest.approx(t30, rel=0.05)


def directions(foa: np.ndarray, parts: int) -> np.ndarray:
    """Azimuth in degrees of the intensity in equal parts of (T, 4)."""
    return np.array([np.degrees(np.arctan2((p[:, 0] * p[:, 1]).mean(), (p[:, 0] * p[:, 3]).mean())) for p in np.array_split(foa, parts)])


def test_a_moving_source_is_heard_where_it_goes(mono, tmp_path):
    facts = spatialize(mono, tmp_path / "o.wav", -60, 0, 1.0, (8, 7, 4), 0.2, to=(60, None, None))
    assert facts["to_azimuth_deg"] == 60 and facts["to_distance_m"] == 1.0
    foa = soundfile.read(tmp_path / "o.wav")[0][:RATE]
    assert np.abs(directions(foa, 6) - np.linspace(-50, 50, 6)).max() < 12
    still = [
        spatialize(mono, tmp_path / f"{i}.wav", -60, 0, 1.0, (8, 7, 4), 0.2, **to) for i, to in enumerate(({}, {"to": (-60, None, None)}))
    ]
    assert still[0] == still[1] and "to_azimuth_deg" not in still[0]  # it stays: as if nothing had been said
    one, other = (soundfile.read(tmp_path / f"{i}.wav")[0] for i in (0, 1))
    assert (one == other).all()


def test_azimuth_turns_as_its_numbers_say():
    path = way(Place(0, 0, 2.0), Place(270, 0, 1.0))
    angle = torch.rad2deg(torch.atan2(path[:, 1], path[:, 0]))
    assert 0 < angle[1] <= 2 and path[len(path) // 2, 0] < 0 and path[-1, 1] == pytest.approx(-1.0)
    assert path.norm(dim=1).diff().max() < 0


def test_a_path_that_leaves_the_room_is_refused(mono, tmp_path):
    with pytest.raises(DataError, match="does not fit"):
        spatialize(mono, tmp_path / "o.wav", 0, 0, 1.0, (5, 4, 3), 0.4, to=(None, None, 6.0))


def test_nobodys_json_is_overwritten(mono, tmp_path):
    spatialize(mono, tmp_path / "o.wav", 0, 0, 1.0, (5, 4, 3), 0.4)
    spatialize(mono, tmp_path / "o.wav", 90, 0, 1.0, (5, 4, 3), 0.4)  # its own may be
    (tmp_path / "notes.json").write_text('{"mine": 1}')
    with pytest.raises(DataError, match=r"notes\.json would be overwritten"):
        spatialize(mono, tmp_path / "notes.wav", 0, 0, 1.0, (5, 4, 3), 0.4)
    assert json.loads((tmp_path / "notes.json").read_text()) == {"mine": 1} and not (tmp_path / "notes.wav").exists()


@pytest.mark.skipif(importlib.util.find_spec("slab") is None, reason="the head is an extra: pip install 'elsa-lightning[binaural]'")
def test_a_preview_for_headphones(mono, tmp_path, capsys):
    arguments = ["spatialize", str(mono), str(tmp_path / "o.wav"), "--azimuth", "90", "--room", "8x7x4", "--t30", "0.2"]
    assert main([*arguments, "--binaural", str(tmp_path / "p.wav")]) == 0
    assert "p.wav: for headphones" in capsys.readouterr().out
    ears, rate = soundfile.read(tmp_path / "p.wav")
    foa, _ = soundfile.read(tmp_path / "o.wav", dtype="float32")
    assert rate == RATE and ears.shape == (len(foa), 2) and soundfile.info(tmp_path / "p.wav").subtype == "PCM_16"
    assert np.abs(ears).max() == pytest.approx(0.9, abs=1e-3)
    assert (ears[:, 0] ** 2).sum() > 2 * (ears[:, 1] ** 2).sum()  # from the left
    assert json.loads((tmp_path / "o.json").read_text())["preview"]["file"] == "p.wav"
    assert main([*arguments[:2], str(tmp_path / "q.wav"), *arguments[3:]]) == 0  # without it: the same scene
    assert (soundfile.read(tmp_path / "q.wav", dtype="float32")[0] == foa).all()
    assert "preview" not in json.loads((tmp_path / "q.json").read_text())


@pytest.mark.parametrize(
    ("preview", "words"),
    [("in.wav", "input itself"), ("o.wav", "output itself"), ("p.mp3", "WAV file by its name"), ("no/p.wav", "no folder")],
)
def test_previews_that_cannot_be_written_are_refused_before_anything_is(mono, tmp_path, preview, words):
    with pytest.raises(DataError, match=words):
        spatialize(mono, tmp_path / "o.wav", 0, 0, 1.0, (5, 4, 3), 0.4, preview=tmp_path / preview)
    assert not (tmp_path / "o.wav").exists()


def test_a_preview_without_the_extra_writes_nothing(mono, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "slab", None)
    binaural._head.cache_clear()
    with pytest.raises(ConfigError, match="slab") as caught:
        spatialize(mono, tmp_path / "o.wav", 0, 0, 1.0, (5, 4, 3), 0.4, preview=tmp_path / "p.wav")
    assert "pip install" in caught.value.remedy and sorted(p.name for p in tmp_path.iterdir()) == ["in.wav"]
