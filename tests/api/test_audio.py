"""Layouts and rates: what is converted comes out the same, what is refused says why."""

import math

import numpy as np
import pytest
import torch

from elsa_lightning import Audio
from elsa_lightning.api.sources import Memory, open_source
from elsa_lightning.errors import DataError

from .conftest import RATE, noise, write


def in_layout(samples: np.ndarray, layout: str) -> np.ndarray:
    """ACN/SN3D as another layout writes it, from the definitions."""
    w, y, z, x = samples
    if layout == "foa_acn_n3d":
        return np.stack([w, *(math.sqrt(3) * dipole for dipole in (y, z, x))])
    if layout == "foa_fuma":
        return np.stack([w / math.sqrt(2), x, y, z])
    return samples


@pytest.mark.parametrize("layout", ["foa_acn_sn3d", "foa_acn_n3d", "foa_fuma"])
def test_layouts_are_converted(model, tmp_path, layout):
    sound = noise(2.2)
    plain = model.embed_audio(Audio(sound, RATE, "foa_acn_sn3d"))
    other = in_layout(sound, layout).astype(np.float32)
    assert np.allclose(model.embed_audio(Audio(other, RATE, layout)), plain, atol=1e-5)
    assert np.allclose(model.embed_audio(other, rate=RATE, layout=layout), plain, atol=1e-5)
    assert np.allclose(model.embed_audio(write(tmp_path / "a.wav", other), layout=layout), plain, atol=1e-5)


def test_a_layout_matters(model):
    sound = noise(1.0)
    sound[1] *= 3
    plain, other = (model.embed_audio(sound, rate=RATE, layout=layout) for layout in ("foa_acn_sn3d", "foa_fuma"))
    assert np.abs(plain - other).max() > 1e-3


def test_levels_do_not_matter_and_integers_are_sound(model):
    sound = noise(1.5)
    plain = model.embed_audio(sound, rate=RATE)
    assert np.allclose(model.embed_audio(sound * 0.01, rate=RATE), plain, atol=1e-4)
    assert np.allclose(model.embed_audio(torch.from_numpy(sound), rate=RATE), plain, atol=0)
    assert np.allclose(model.embed_audio(sound.astype(np.float64), rate=RATE), plain, atol=0)
    integers = np.round(sound * 32768).astype(np.int16)
    assert np.array_equal(Audio(integers, RATE, "foa_acn_sn3d").samples, integers / np.float32(32768))
    assert np.allclose(model.embed_audio(integers, rate=RATE), plain, atol=0.05)


def test_rates_are_resampled(model):
    time = np.arange(3 * 48000) / 48000
    rng = np.random.default_rng(0)
    tones = sum(np.sin(2 * np.pi * f * time + rng.uniform(0, 6)) for f in rng.uniform(100, 4000, 40))
    sound = np.stack([tones, 0.5 * tones, 0.1 * tones, 0.8 * tones]).astype(np.float32)
    high, low = Audio(sound, 48000, "foa_acn_sn3d"), Audio(sound[:, ::3], 16000, "foa_acn_sn3d")
    assert np.dot(model.embed_audio(high), model.embed_audio(low)) > 0.999
    assert open_source(high, 16000).samples.shape == (4, 48000)


def test_mono_takes_the_models_mono_policy(model):
    sound = noise(1.0, 1)
    copied = model.embed_audio(np.stack([sound] * 4), rate=RATE)
    assert model.parts.experiment.data.mono_policy == "copy"
    assert np.allclose(model.embed_audio(sound, rate=RATE), copied, atol=1e-5)
    assert np.array_equal(model.embed_audio(sound[None], rate=RATE), model.embed_audio(sound, rate=RATE))


def test_silent_dipoles_are_the_other_policy():
    from elsa_lightning import Elsa

    from .conftest import make_parts

    quiet = Elsa(make_parts("data.mono_policy=zero"), "cpu")
    sound = noise(1.0, 1)
    placed = quiet.embed_audio(np.stack([sound, 0 * sound, 0 * sound, 0 * sound]), rate=RATE)
    assert np.allclose(quiet.embed_audio(sound, rate=RATE), placed, atol=1e-5)


def test_audio_says_its_length_and_keeps_samples():
    audio = Audio(noise(0.5, 1), 8000.0, "mono")
    assert audio.seconds == 1.0 and audio.rate == 8000 and audio.samples.dtype == np.float32
    assert isinstance(open_source(audio, 16000), Memory)


@pytest.mark.parametrize(
    ("rate", "layout", "words"),
    [(None, None, "no sample rate"), (48, None, "not kHz"), (RATE, "stereo", "left from right"), (RATE, "wxyz", "choose mono")],
)
def test_refusals_say_why(model, rate, layout, words):
    with pytest.raises(DataError, match=words):
        model.embed_audio(noise(0.1), rate=rate, layout=layout)
