"""What is said of a file equals what reading it whole says; a mono copy is the mean."""

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.audio_facts import facts_of, inspect, write_mono
from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.errors import DataError

from .miniatures import sound

KINDS = ("wav", "flac", "ogg", "mp3", "aiff")


def cut(share):
    return lambda path: path.write_bytes(path.read_bytes()[: round(path.stat().st_size * share)])


def late_sound(path):
    """Silence of three seconds, then a click: heard only by reading on."""
    soundfile.write(path, np.r_[np.zeros(48000), 0.5, np.zeros(30000)], 16000)


DAMAGE = {
    "whole": lambda path: None,
    "cut in half": cut(0.5),
    "its end is missing": cut(0.98),
    "only the header is left": cut(0.01),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
    "no audio": lambda path: path.write_text("<html>429 Too Many Requests</html>" * 99),
    "no samples": lambda path: soundfile.write(path, np.zeros(0), 16000),
    "silent": lambda path: soundfile.write(path, np.zeros(64000), 16000),
    "late sound": late_sound,
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", KINDS)
def test_it_agrees_with_reading_the_whole_file(tmp_path, kind, damage):
    path = sound(tmp_path / f"a.{kind}", seconds=4.0)
    DAMAGE[damage](path)
    try:
        wanted = {"frames": len(read_audio(path, 16000)), "rate": 16000, "channels": 1}
    except DataError as fault:
        wanted = fault.message
    try:
        got = facts_of(path)
    except DataError as fault:
        got = fault.message
    assert got == wanted
    assert isinstance(wanted, dict) == (damage in ("whole", "late sound"))


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_stereo_is_a_fault_that_says_what_to_do_or_is_mixed_down(tmp_path, kind):
    path = sound(tmp_path / f"a.{kind}", channels=2, rate=44100)
    fault = inspect((str(path), ""))["fault"]
    assert "has 2 channels, not 1" in fault[0] and "--mix-down" in fault[1]
    fact = inspect((str(path), str(tmp_path / "mono" / "deep" / "a.flac")))
    assert fact["frames"] == 13230 and fact["rate"] == 44100 and fact["bytes"] == (tmp_path / "mono/deep/a.flac").stat().st_size
    both, _ = soundfile.read(path)
    assert np.allclose(read_audio(fact["mono"], 44100), both.mean(axis=1), atol=2**-23)
    assert [item.name for item in (tmp_path / "mono" / "deep").iterdir()] == ["a.flac"]


def test_a_mono_copy_beyond_full_scale_is_turned_down_not_clipped(tmp_path):
    wave = np.sin(np.arange(4000) / 9)[:, None] * np.array([3.0, 1.0])
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    write_mono(tmp_path / "a.wav", facts_of(tmp_path / "a.wav"), tmp_path / "m.flac")
    assert np.allclose(read_audio(tmp_path / "m.flac", 16000), wave[:, 0] / np.abs(wave[:, 0]).max(), atol=1e-6)


def test_channels_that_cancel_are_a_fault(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).standard_normal(800)[:, None] * [0.1, -0.1], 16000)
    fault = inspect((str(tmp_path / "a.wav"), str(tmp_path / "m.flac")))["fault"]
    assert "silent once mixed down" in fault[0] and not (tmp_path / "m.flac").exists()
