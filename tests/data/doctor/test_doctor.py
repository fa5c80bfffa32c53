"""The doctor on rendered rooms in every convention, on plane waves, on what physics cannot tell apart, and on bad input."""

import argparse
import csv
import itertools
import json
import math

import numpy as np
import pytest
import soundfile
import torch

from elsa_lightning import cli_doctor
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.data.doctor import evidence
from elsa_lightning.data.doctor.conventions import (
    DIPOLE_GAINS,
    Convention,
    every_convention,
    from_internal,
    labels_to_internal,
    unit_vectors,
)
from elsa_lightning.data.doctor.diagnosis import Stretch
from elsa_lightning.data.doctor.examine import examine
from elsa_lightning.data.doctor.intensity import measure
from elsa_lightning.data.doctor.labels import read_labels, read_stretch
from elsa_lightning.data.doctor.report import as_dict, lines
from elsa_lightning.errors import DataError, ElsaError

RATE = 16000
ROOMS = ((6.0, 5.0, 3.2), (4.2, 5.4, 2.7), (8.0, 6.5, 3.5))
ABSORPTION = (0.35, 0.3, 0.4)
BAR = list(
    itertools.product(
        ("acn", "fuma"), ("sn3d", "n3d", "fuma"), ("ccw", "cw"), ((False, 0), (True, 0), (False, 45), (False, 90), (False, 180))
    )
)


def bursts(rng, samples):
    """Noise in syllables: a few starts a second, with pauses."""
    envelope = np.interp(np.arange(samples), np.arange(0, samples + RATE // 12, RATE // 12), rng.uniform(-0.6, 1, samples * 12 // RATE + 2))
    return rng.standard_normal(samples) * np.clip(envelope, 0, None) ** 2


@pytest.fixture(scope="session")
def rendered():
    """Eighteen sounds in three rooms, with microphone noise at -30 dB: [(audio (4, T) ACN/SN3D, azimuth, elevation)]."""
    rng = np.random.default_rng(11)
    size = torch.tensor(ROOMS).repeat_interleave(6, 0)
    microphone = size * 0.5 - 0.2
    azimuth, elevation = rng.uniform(-math.pi, math.pi, 18), rng.uniform(-0.9, 0.9, 18)
    source = microphone + torch.from_numpy(unit_vectors(azimuth, elevation)).float() * torch.linspace(0.8, 1.3, 18)[:, None]
    walls = torch.tensor(ABSORPTION).repeat_interleave(6)[:, None, None].expand(18, 6, 1).contiguous()
    scene = Scene(size, source, microphone, walls, torch.full((18,), 0.5), torch.arange(18))
    samples = RATE * 3 // 4
    mono = torch.from_numpy(np.stack([bursts(rng, samples) for _ in range(18)])).float()
    foa = convolve(mono, render_rir(scene, RATE, 0.3, [1000.0]), samples).double().numpy()
    foa += 10**-1.5 * foa.std(axis=(1, 2), keepdims=True) * rng.standard_normal(foa.shape)
    return list(zip(foa, azimuth, elevation, strict=True))


def waves(azimuth, elevation, noise=0.05):
    """Plane waves with some noise of the microphone, as `rendered`."""
    rng = np.random.default_rng(3)
    out = []
    for a, e in zip(azimuth, elevation, strict=True):
        x, y, z = unit_vectors(a, e)
        audio = np.array([1.0, y, z, x])[:, None] * bursts(rng, RATE // 4)
        out.append((audio + noise * audio[0].std() * rng.standard_normal(audio.shape), a, e))
    return out


def recorded(sounds, convention):
    """What a corpus of that convention holds of those sounds."""
    return [
        Stretch(f"clip{i}", from_internal(audio, convention), RATE, float(labels_to_internal(azimuth, convention)), float(elevation))
        for i, (audio, azimuth, elevation) in enumerate(sounds)
    ]


def geometries(members):
    return {fit.convention.geometry for fit in members}


@pytest.mark.parametrize(("order", "normalisation", "azimuth", "mount"), BAR)
def test_every_convention_of_the_bar_is_named(rendered, order, normalisation, azimuth, mount):
    true = Convention(order, normalisation, azimuth, *mount)
    found = examine(recorded(rendered, true), Convention())
    assert [geometries(members) for members in found.best] == [{true.geometry}]
    assert found.normalisations == (normalisation,)
    assert found.best[0][0].convention == true and found.best[0][0].mean_deg < 15
    assert found.verdict == ("fits" if true == Convention() else "another")
    assert found.used == 18 and not found.astray and not found.uneven


@pytest.mark.parametrize("true", [Convention("fuma", "fuma", "cw", True, 90), Convention("acn", "n3d", "ccw", True, 270)], ids=str)
def test_mountings_beyond_the_bar(rendered, true):
    found = examine(recorded(rendered, true), true)
    assert [geometries(members) for members in found.best] == [{true.geometry}] and found.verdict == "fits"


def test_the_declared_error_is_its_own(rendered):
    found = examine(recorded(rendered, Convention(yaw_deg=180)), Convention())
    expected = [2 * math.degrees(math.asin(math.cos(elevation))) for *_, elevation in rendered]  # between a and a + 180° at an elevation
    assert found.declared.mean_deg == pytest.approx(np.mean(expected), abs=8)
    assert found.declared.log10_odds < -10 and found.best[0][0].log10_odds == 0


def test_a_microphone_between_the_listed_yaws(rendered):
    for sense, side in (("ccw", 20), ("cw", 340)):
        found = examine(recorded(rendered, Convention(azimuth=sense, yaw_deg=side)), Convention(azimuth=sense))
        assert found.verdict == "another"
        assert found.best[0][0].convention.yaw_deg == pytest.approx(side, abs=6)
        assert found.best[0][0].convention.azimuth == sense
        declared = examine(recorded(rendered, Convention(azimuth=sense, yaw_deg=side)), Convention(azimuth=sense, yaw_deg=side))
        assert declared.verdict == "fits"


def test_a_free_yaw_must_pay_for_itself():
    found = examine(recorded(waves(np.linspace(-3, 2, 6), np.linspace(-0.8, 0.8, 6)), Convention(yaw_deg=12)), Convention())
    assert found.verdict == "fits" and found.turn_deg == pytest.approx(12, abs=1)
    assert all(fit.convention.yaw_deg % 45 == 0 for members in found.best for fit in members)


def test_no_microphone_stands_exactly_straight(rendered):
    found = examine(recorded(rendered, Convention(yaw_deg=5)), Convention())
    assert found.verdict == "fits" and found.turn_deg == pytest.approx(5, abs=4)


@pytest.mark.parametrize(
    "true", [Convention("fuma", "sn3d", "cw"), Convention("acn", "fuma", "ccw", True), Convention(yaw_deg=90)], ids=str
)
def test_at_elevation_zero_upside_down_is_clockwise(true):
    azimuth = np.linspace(-3, 3, 12)
    sounds = waves(azimuth, np.zeros(12), noise=0.0)
    found = examine(recorded(sounds, true), Convention())
    audio = recorded(sounds, true)[3].audio
    same = set()
    for other in every_convention():  # who, given the same labels, would have recorded the very same samples?
        a = labels_to_internal(labels_to_internal(azimuth[3], true), other)
        x, y, _ = unit_vectors(a, 0.0)
        scene = np.array([1.0, y, 0.0, x])[:, None] * sounds[3][0][0]
        if other.normalisation == true.normalisation and np.allclose(from_internal(scene, other), audio):
            same.add(other.geometry)
    assert len(same) == 2 and true.geometry in same
    assert [geometries(members) for members in found.best] == [same]
    assert found.alike == "all labels lie in the horizontal plane"
    text = "\n".join(lines(found))
    assert "cannot be told apart by physics" in text and all(geometry in text for geometry in same)
    assert ("azimuth 0° = " in text) and ("elevation +90° unknown" in text)


def test_one_raised_source_does_not_decide_but_physics_could():
    azimuth, elevation = np.linspace(-3, 3, 12), np.zeros(12)
    elevation[4] = 0.3
    found = examine(recorded(waves(azimuth, elevation), Convention()), Convention())
    other = Convention(azimuth="cw", upside_down=True)
    assert [geometries(members) for members in found.best] == [{Convention().geometry}, {other.geometry}] and not found.alike
    assert "not excluded by these recordings" in "\n".join(lines(found))
    elevation[7] = -0.3
    found = examine(recorded(waves(azimuth, elevation), Convention()), Convention())
    assert [geometries(members) for members in found.best] == [{Convention().geometry}]


def test_one_direction_leaves_many():
    found = examine(recorded(waves(np.full(9, 0.0), np.full(9, 0.0)), Convention()), Convention())
    assert found.verdict == "fits" and found.alike == "all labels name one direction or its opposite"
    # X in front says ACN (FuMa's channel 4 is Z) and that nothing is turned; Y and Z were never heard
    assert geometries(found.best[0]) == {Convention(azimuth=a, upside_down=u).geometry for a in ("ccw", "cw") for u in (False, True)}
    assert found.best[0][0].convention == Convention()  # the declared one leads its class


def test_wrong_labels_fit_nothing(rendered):
    shuffled = np.random.default_rng(5).permutation(18)
    sounds = [(rendered[i][0], rendered[j][1], rendered[j][2]) for i, j in enumerate(shuffled)]
    found = examine(recorded(sounds, Convention("fuma")), Convention())
    assert found.verdict == "none"
    assert "no convention fits" in lines(found)[-1]


def test_a_few_wrong_labels_are_named(rendered):
    sounds = list(rendered)
    for i in (2, 9):
        audio, azimuth, elevation = sounds[i]
        sounds[i] = (audio, azimuth + 2.0, elevation)
    found = examine(recorded(sounds, Convention("fuma")), Convention("fuma"))
    assert found.verdict == "fits" and {name for name, _ in found.astray} == {"clip2", "clip9"}
    assert not found.uneven
    assert any("2 labels disagree" in line and "clip9" in line for line in lines(found))


def test_one_stretch_settles_nothing(rendered):
    found = examine(recorded(rendered[:1], Convention()), Convention())
    assert found.verdict == "undecided" and len(found.best) > 1
    found = examine(recorded(waves([1.0], [0.4], noise=0.0), Convention()), Convention())  # nor does a perfect one
    assert found.verdict == "undecided" and found.declared.mean_deg < 0.1


def test_what_cannot_be_used_is_named(rendered):
    rng = np.random.default_rng(0)
    w = rng.standard_normal((1, RATE))
    directions = rng.standard_normal((3, 400))
    directions /= np.linalg.norm(directions, axis=0)
    from_everywhere = np.concatenate([np.ones((1, 400)), directions]) @ rng.standard_normal((400, RATE))
    bad = {
        "silent": np.zeros((4, RATE)),
        "shorter than 0.05 s": w[:, :700].repeat(4, 0),
        "channel 1 is silent": np.concatenate([0 * w, w, w, w]),
        "channels 2 to 4 are silent": np.concatenate([w, 0 * w, 0 * w, 0 * w]),
        "too diffuse": from_everywhere,
    }
    stretches = [Stretch(f"bad {why}", audio, RATE, 0.0, 0.0) for why, audio in bad.items()]
    found = examine(stretches + recorded(rendered, Convention()), Convention())
    assert found.left_out == tuple((f"bad {why}", why) for why in bad)
    assert found.used == 18 and found.verdict == "fits"
    with pytest.raises(DataError, match=r"no stretch can be used \(bad silent: silent"):
        examine(stretches, Convention())


def test_channels_scaled_one_by_one(rendered):
    peaks = [(audio / np.abs(audio).max(axis=1, keepdims=True), a, e) for audio, a, e in rendered]
    found = examine(recorded(peaks, Convention()), Convention())
    assert found.levelled == found.used and found.verdict == "none"
    assert any("same level" in line for line in lines(found))
    fixed = [(audio * np.array([[1.0], [1.6], [0.9], [1.0]]), a, e) for audio, a, e in rendered]
    found = examine(recorded(fixed, Convention()), Convention())
    assert found.uneven and found.gains == pytest.approx((1.6, 0.9, 1.0), rel=0.15)


def test_level_alone_condemns_a_declared_normalisation(rendered):
    found = examine(recorded(rendered, Convention(normalisation="n3d")), Convention())
    assert found.verdict == "another" and "by its level N3D, not SN3D" in lines(found)[-1]
    assert found.declared.log10_odds == 0
    strange = [(audio * np.array([[1.0], [3.0], [3.0], [3.0]]), a, e) for audio, a, e in rendered]
    found = examine(recorded(strange, Convention()), Convention())
    assert found.normalisations == () and found.verdict == "none"


@pytest.mark.parametrize("direction", [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]])
@pytest.mark.parametrize("rate", [8000, 24000, 48000])
def test_six_directions(direction, rate):
    x, y, z = direction
    sound = np.random.default_rng(1).standard_normal(rate // 4)
    found = measure(np.array([1.0, y, z, x])[:, None] * sound, rate)
    assert np.allclose(found.direction, [y, z, x], atol=1e-6)
    assert found.ratio == pytest.approx(1) and found.agreement == pytest.approx(1)


def test_the_level_of_the_dipoles_moves_nothing_else(rendered):
    audio = rendered[0][0]
    plain, scaled = measure(audio, RATE), measure(audio * np.array([[0.01], [0.02], [0.02], [0.02]]), RATE)
    assert np.allclose(plain.direction, scaled.direction, atol=1e-9)
    assert scaled.ratio == pytest.approx(2 * plain.ratio)


def test_the_first_sound_counts():
    rng = np.random.default_rng(2)
    direct, after = RATE * 30 // 1000, RATE * 80 // 1000
    front, left = np.array([1.0, 0, 0, 1])[:, None], np.array([1.0, 1, 0, 0])[:, None]
    decay = np.exp(-np.arange(after) / after)
    parts = [front * rng.standard_normal(direct), left * rng.standard_normal(after) * decay, np.zeros((4, RATE // 10))]
    found = measure(np.concatenate(3 * parts, axis=1), RATE)
    assert not found.left_out and found.direction[2] > 2 * found.direction[0]  # X, not the longer Y


def test_reverberation_does_not_bias_the_level(rendered):
    level, error = evidence.typical_ratio(np.array([measure(audio, RATE).ratio for audio, *_ in rendered]))
    assert abs(level) < 0.06 and error < 0.05


def test_evidence_is_a_probability():
    angle = np.linspace(0, math.pi, 20001)
    weight = np.sin(angle) / 2  # of a uniform direction
    density = np.exp([evidence.direction_evidence(np.array([[a]]))[0] for a in angle[::10]])
    assert np.trapezoid(density * weight[::10], angle[::10]) == pytest.approx(1, abs=1e-3)
    assert math.log(density[0] / density[-1]) < evidence.CLEAR  # neither perfect nor hopeless stretches decide alone


def test_angles():
    a = unit_vectors(np.array([0.0, 0.0, 1.0, 2.0]), np.array([0.0, 0.0, 0.5, -0.3]))
    b = unit_vectors(np.array([1e-8, math.pi, 1.3, -1.0]), np.array([0.0, 0.0, 0.1, 0.4]))
    dots = (a * b).sum(-1)
    assert np.allclose(evidence.angles_between(a, b), [1e-8, math.pi, *np.arccos(dots[2:])], rtol=1e-9, atol=0)


@pytest.mark.parametrize(
    ("ratio", "error", "names"),
    [
        (1.0, 0.01, {"sn3d"}),
        (1.42, 0.01, {"fuma"}),
        (1.7, 0.01, {"n3d"}),
        (1.56, 0.01, {"fuma", "n3d"}),
        (1.4, 0.3, {"sn3d", "fuma", "n3d"}),
        (3.0, 0.05, set()),
    ],
)
def test_levels_and_what_they_allow(ratio, error, names):
    found = evidence.fitting_normalisations(math.log(ratio), error)
    assert set(found) == names
    misses = [abs(math.log(DIPOLE_GAINS[name] / ratio)) for name in found]
    assert misses == sorted(misses)


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
