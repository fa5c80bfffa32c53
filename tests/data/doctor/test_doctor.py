"""The doctor on rendered rooms in every convention, on plane waves, on what physics cannot tell apart."""

import itertools
import math

import numpy as np
import pytest

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
from elsa_lightning.data.doctor.report import lines
from elsa_lightning.errors import DataError

from .conftest import RATE, bursts, recorded

BAR = list(
    itertools.product(
        ("acn", "fuma"), ("sn3d", "n3d", "fuma"), ("ccw", "cw"), ((False, 0), (True, 0), (False, 45), (False, 90), (False, 180))
    )
)


def waves(azimuth, elevation, noise=0.05):
    """Plane waves with some noise of the microphone, as `rendered`."""
    rng = np.random.default_rng(3)
    out = []
    for a, e in zip(azimuth, elevation, strict=True):
        x, y, z = unit_vectors(a, e)
        audio = np.array([1.0, y, z, x])[:, None] * bursts(rng, RATE // 4)
        out.append((audio + noise * audio[0].std() * rng.standard_normal(audio.shape), a, e))
    return out


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
