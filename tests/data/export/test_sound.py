"""One gain for four channels, nothing clipped, nothing lost; files that others can read."""

import io

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.export.sound import FULL_SCALE, decoded, encoded, gain_for, most_bytes, stored
from elsa_lightning.errors import DataError

PEAKS = (1e-4, 0.5, 0.75, 1 - 2.0**-24, 1.0, 1.0000001, 2.51, 8.0, 1000.0)


def clip(peak, seed=0, samples=3000):
    """A clip whose third channel alone reaches the peak, once."""
    foa = np.random.default_rng(seed).uniform(-0.5, 0.5, (4, samples)).astype(np.float32) * peak
    foa[2, 17] = -peak
    return foa.astype(np.float32)


@pytest.mark.parametrize("peak", PEAKS)
def test_the_gain_is_a_power_of_two_that_just_avoids_clipping(peak):
    gain = gain_for(clip(peak))
    assert np.log2(gain) == round(np.log2(gain)) and gain <= 1
    assert peak * gain < 1 and np.abs(stored(clip(peak), gain, "flac")).max() < FULL_SCALE
    assert gain == 1 or peak * gain * 2 > 1 - 2.0**-23


@pytest.mark.parametrize("peak", PEAKS)
@pytest.mark.parametrize("file_format", ["flac", "wav"])
def test_files_hold_the_sound(tmp_path, peak, file_format):
    foa = clip(peak)
    gain = gain_for(foa)
    samples = stored(foa, gain, file_format)
    path = tmp_path / f"clip.{file_format}"
    path.write_bytes(encoded(samples, 16000, file_format))
    assert np.array_equal(decoded(path, file_format), samples)
    read, rate = soundfile.read(path, dtype="float64", always_2d=True)  # what another tool gets
    assert rate == 16000 and read.shape == (3000, 4) and soundfile.info(path).subtype == {"flac": "PCM_24", "wav": "FLOAT"}[file_format]
    error = np.abs(read.T / gain - foa).max()
    assert error == 0 if file_format == "wav" else error <= 0.5 / FULL_SCALE / gain
    assert path.stat().st_size <= most_bytes(3000, 4, file_format)


def test_bytes_do_not_tell_the_time(monkeypatch):
    """libsndfile writes the hour into the header of a float WAV: the reason for a header of our own."""
    samples = stored(clip(1.0), 0.5, "wav")
    theirs = io.BytesIO()
    soundfile.write(theirs, samples, 16000, format="WAV", subtype="FLOAT")
    assert b"PEAK" in theirs.getvalue() and b"PEAK" not in encoded(samples, 16000, "wav")
    assert encoded(samples, 16000, "wav")[:4] == b"RIFF" and len(encoded(samples, 16000, "wav")) == 58 + samples.nbytes


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(value):
    foa = clip(1.0)
    foa[1, 3] = value
    with pytest.raises(DataError, match="not finite"):
        gain_for(foa)


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "x.flac").write_bytes(b"fLaC nothing")
    for name in ("x.flac", "absent.flac"):
        with pytest.raises(DataError, match=rf"{name} cannot be read"):
            decoded(tmp_path / name, "flac")
