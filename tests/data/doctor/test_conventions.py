"""Conventions against this package's converters, and as mappings that must not lose anything."""

import math

import numpy as np
import pytest
import torch

from elsa_lightning.acoustics import ambisonics
from elsa_lightning.data.doctor.conventions import (
    DIPOLE_GAINS,
    Convention,
    every_convention,
    from_internal,
    label_axes,
    labels_to_internal,
    to_internal,
    unit_vectors,
)
from elsa_lightning.errors import ConfigError, DataError

RNG = np.random.default_rng(7)
AUDIO = RNG.standard_normal((4, 50))


def wave(azimuth, elevation, samples=5):
    """(4, samples) ACN/SN3D of a plane wave from true angles."""
    x, y, z = unit_vectors(np.array(azimuth), np.array(elevation))
    return np.array([1.0, y, z, x])[:, None] * np.random.default_rng(1).standard_normal(samples)


def test_there_are_as_many_as_there_should_be():
    every = every_convention()
    assert len(set(every)) == len(every) == 2 * 3 * 2 * 2 * 8
    assert every[0] == Convention()


def test_the_plain_convention_changes_nothing():
    assert np.array_equal(to_internal(AUDIO, Convention()), AUDIO)


def test_weights_and_orders_agree_with_the_converters():
    foa = torch.from_numpy(AUDIO)
    for convention, expected in (
        (Convention("fuma", "fuma"), ambisonics.acn_from_fuma(foa)),
        (Convention("acn", "n3d"), ambisonics.sn3d_from_n3d(foa)),
        (Convention(yaw_deg=30), ambisonics.rotate_yaw(foa[None], torch.tensor([math.pi / 6], dtype=torch.float64))[0]),
        (Convention(upside_down=True), ambisonics.rotate(foa[None], torch.diag(torch.tensor([1.0, -1.0, -1.0]))[None])[0]),
    ):
        assert np.allclose(to_internal(AUDIO, convention), expected.numpy(), atol=1e-7), convention


def test_there_and_back():
    for convention in every_convention():
        assert np.allclose(from_internal(to_internal(AUDIO, convention), convention), AUDIO), convention
        assert np.allclose(to_internal(from_internal(AUDIO, convention), convention), AUDIO), convention
        assert to_internal(AUDIO.astype(np.float32), convention).dtype == np.float32


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.4, 0.3), (-2.5, -1.2), (1.0, math.pi / 2), (3.0, -math.pi / 2)])
def test_a_labelled_direction_appears_where_the_axes_say(azimuth, elevation):
    for convention in every_convention():
        recorded = from_internal(wave(float(labels_to_internal(azimuth, convention)), elevation), convention)
        seen = recorded[1:] / recorded[0]  # (3, samples) dipoles by channel, over W
        expected = DIPOLE_GAINS[convention.normalisation] * label_axes(convention).T @ unit_vectors(azimuth, elevation)
        assert np.allclose(seen, expected[:, None]), convention


def test_words_of_the_field():
    left = wave(math.pi / 2, 0.0)
    assert np.allclose(left[1], left[0]) and np.allclose(left[3], 0)  # Y
    assert np.allclose(from_internal(left, Convention("fuma"))[2], left[0])
    assert np.allclose(from_internal(left, Convention(yaw_deg=90))[3], left[0])  # it faced left: what is left lies in front of it
    up = from_internal(wave(0.0, math.pi / 2), Convention(upside_down=True))
    assert np.allclose(up[2], -up[0])
    assert np.allclose(from_internal(wave(0.0, 0.0), Convention(upside_down=True))[3], left[0])  # its front is still in front
    assert labels_to_internal(math.pi / 2, Convention(azimuth="cw")) == pytest.approx(-math.pi / 2)


def test_azimuths_stay_within_a_turn():
    given = np.array([math.pi, -math.pi, 3 * math.pi / 2, 0.0, -2.0])
    assert np.allclose(labels_to_internal(given, Convention()), [math.pi, math.pi, -math.pi / 2, 0.0, -2.0])
    assert np.allclose(labels_to_internal(given, Convention(azimuth="cw")), [math.pi, math.pi, math.pi / 2, 0.0, 2.0])


def test_a_downward_elevation_is_a_mounting():
    both = label_axes(Convention(azimuth="cw", upside_down=True)) @ label_axes(Convention()).T
    assert np.allclose(both, np.diag([1, 1, -1]))


def test_yaws_are_taken_modulo_a_turn():
    assert Convention(yaw_deg=-90) == Convention(yaw_deg=270)


@pytest.mark.parametrize(
    ("fields", "word"), [({"order": "wxyz"}, "order"), ({"normalisation": "maxn"}, "normalisation"), ({"azimuth": "left"}, "azimuth")]
)
def test_unknown_names_are_refused(fields, word):
    with pytest.raises(ConfigError, match=f"no ambisonic {word}"):
        Convention(**fields)


def test_what_is_not_first_order_is_refused():
    with pytest.raises(DataError, match="not first-order"):
        to_internal(AUDIO[:3], Convention())
    with pytest.raises(ConfigError, match="turned by nan"):
        Convention(yaw_deg=math.nan)
