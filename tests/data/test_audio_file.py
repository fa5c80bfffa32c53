"""Every fault of an audio file is a DataError that names the file."""

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.errors import DataError

NOISE = np.random.default_rng(0).standard_normal(16000) * 0.1


def write(path, samples=NOISE, rate=16000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def cut(path, share=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def touch(path):
    path.touch()
    return path


def with_nan(path):
    samples = NOISE.copy()
    samples[7] = np.nan
    return write(path, samples, subtype="FLOAT")


FAULTS = {
    "missing": ("a.wav", lambda p: p, "does not exist"),
    "zero bytes": ("a.wav", touch, r"is empty \(0 bytes\)"),
    "no samples": ("a.wav", lambda p: write(p, np.zeros(0)), r"is empty \(no samples\)"),
    "not audio": ("a.wav", lambda p: p.write_text("hello, I am no sound at all") and p, "cannot be decoded"),
    "truncated wav": ("a.wav", lambda p: cut(write(p)), "is truncated"),
    "truncated flac": ("a.flac", lambda p: cut(write(p)), "truncated"),
    "truncated ogg": ("a.ogg", lambda p: cut(write(p)), "is truncated"),
    "stereo": ("a.wav", lambda p: write(p, np.stack([NOISE, NOISE], 1)), r"has 2 channel\(s\), not 1"),
    "absurd rate": ("a.wav", lambda p: write(p, rate=100), "sample rate of 100 Hz"),
    "NaN": ("a.wav", with_nan, "not finite"),
    "silent": ("a.wav", lambda p: write(p, np.zeros(16000)), "is silent"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_names_the_file(tmp_path, fault):
    name, make, message = FAULTS[fault]
    path = make(tmp_path / name)
    with pytest.raises(DataError, match=message) as caught:
        read_audio(path, 16000)
    assert str(path) in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_sound_files_are_read_whole(tmp_path, name):
    samples = read_audio(write(tmp_path / name), 16000)
    assert samples.shape == (16000,) and samples.dtype == np.float32
    assert np.corrcoef(samples, NOISE)[0, 1] > (0.9 if name.endswith("ogg") else 0.9999)


def test_resampling_keeps_a_tone(tmp_path):
    time = np.arange(44100) / 44100
    samples = read_audio(write(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 1000 * time), 44100), 16000)
    expected = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(16000) / 16000)
    assert len(samples) == 16000
    assert np.abs(samples - expected)[200:-200].max() < 1e-3


def test_four_channels_on_request(tmp_path):
    path = write(tmp_path / "foa.wav", np.stack([NOISE] * 4, 1))
    assert read_audio(path, 16000, channels=4).shape == (4, 16000)


def test_wav_written_to_a_pipe_is_not_truncated(tmp_path):
    path = write(tmp_path / "a.wav")
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff\xff\xff\xff"  # length of the data chunk: unknown
    path.write_bytes(data)
    assert len(read_audio(path, 16000)) == 16000
