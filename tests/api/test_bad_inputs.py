"""Whatever is given: one clear error with a remedy, or a right result; never a traceback of something else, never a hang."""

import contextlib
import os
import signal
import struct

import numpy as np
import pytest
import soundfile

from elsa_lightning import Audio
from elsa_lightning.errors import ElsaError

from .conftest import RATE, noise, write

LIMIT_S = 60
NOISE = noise(1.2)


@contextlib.contextmanager
def in_time():
    """A hang is a failure."""

    def stop(number, frame):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(LIMIT_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def header(place, samples=NOISE, **fields):
    """A WAV of 16 bits whose header says something else."""
    write(place / "a.wav", samples, subtype="PCM_16")
    content = bytearray((place / "a.wav").read_bytes())
    for name, value in fields.items():
        offset, form = {"channels": (22, "<H"), "rate": (24, "<I"), "bits": (34, "<H"), "data": (40, "<I"), "format": (20, "<H")}[name]
        struct.pack_into(form, content, offset, value)
    (place / "a.wav").write_bytes(content)
    return place / "a.wav"


def file(place, content, name="a.wav"):
    (place / name).write_bytes(content)
    return place / name


def truncated(place, keep, name="a.wav", **how):
    soundfile.write(place / name, NOISE.T, RATE, **how)
    content = (place / name).read_bytes()
    return file(place, content[: int(len(content) * keep)], name)


def unreadable(place):
    path = write(place / "a.wav", NOISE)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    return path


def a_loop(place):
    (place / "a.wav").symlink_to(place / "b.wav")
    (place / "b.wav").symlink_to(place / "a.wav")
    return place / "a.wav"


def with_nan(value, at=100):
    samples = NOISE.copy()
    samples[2, at] = value
    return samples


REFUSED = {
    # files
    "missing": (lambda p: p / "none.wav", "does not exist"),
    "a folder": (lambda p: p, "does not exist"),
    "empty": (lambda p: file(p, b""), "0 bytes"),
    "no audio": (lambda p: file(p, b"a letter to the editor"), "cannot be decoded"),
    "header alone": (lambda p: truncated(p, 0.0005), "cannot be decoded|truncated|empty"),
    "cut WAV": (lambda p: truncated(p, 0.6), "truncated"),
    "cut FLAC": (lambda p: truncated(p, 0.6, "a.flac"), "truncated|cannot be decoded"),
    "cut Ogg": (lambda p: truncated(p, 0.6, "a.ogg"), "truncated|cannot be decoded"),
    "no samples": (lambda p: write(p / "a.wav", np.zeros((4, 0), np.float32)), "empty"),
    "rate 0 in the header": (lambda p: header(p, rate=0), "sample rate|decoded"),
    "rate 10 MHz": (lambda p: header(p, rate=10_000_000), "sample rate"),
    "rate 1 Hz": (lambda p: header(p, rate=1), "sample rate"),
    "zero channels": (lambda p: header(p, channels=0), "decoded|channel"),
    "unknown coding": (lambda p: header(p, format=0x7777), "decoded"),
    "data longer than the file": (lambda p: header(p, data=10**9), "truncated"),
    "stereo file": (lambda p: write(p / "a.wav", NOISE[:2]), "stereo tells left from right"),
    "32 channels": (lambda p: write(p / "a.wav", noise(0.2, 32)), r"32 channels[^→]*→ of higher-order[^→]*cut the first four"),
    "16 channels": (lambda p: write(p / "a.wav", noise(0.2, 16)), "first four"),
    "three channels": (lambda p: write(p / "a.wav", NOISE[:3]), "3 channels"),
    "silent file": (lambda p: write(p / "a.wav", 0 * NOISE), "silent"),
    "silent W": (lambda p: write(p / "a.wav", NOISE * np.array([[0], [1], [1], [1]], np.float32)), "silent W"),
    "NaN in a file": (lambda p: write(p / "a.wav", with_nan(np.nan)), "not finite"),
    "infinity in a file": (lambda p: write(p / "a.wav", with_nan(-np.inf)), "not finite"),
    "a link to itself": (a_loop, "does not exist|cannot be opened"),
    "no permission": (unreadable, "cannot be (opened|decoded)"),
    "a very long name": (lambda p: p / ("x" * 5000 + ".wav"), "cannot be opened|does not exist"),
    "NUL in a name": (lambda p: str(p) + "\0.wav", "cannot be opened|does not exist"),
    "a device without end": (lambda p: "/dev/zero", "does not exist"),
    # arrays and Audio
    "no rate": (lambda p: NOISE, "no sample rate"),
    "kHz": (lambda p: Audio(NOISE, 48, "foa_acn_sn3d"), "not kHz"),
    "half a Hz": (lambda p: Audio(NOISE, 16000.5, "foa_acn_sn3d"), "not one"),
    "rate as text": (lambda p: Audio(NOISE, "16000", "foa_acn_sn3d"), "not one"),
    "rate NaN": (lambda p: Audio(NOISE, float("nan"), "foa_acn_sn3d"), "not one"),
    "time first": (lambda p: Audio(NOISE.T, RATE, "foa_acn_sn3d"), "transpose"),
    "a batch": (lambda p: Audio(NOISE[None], RATE, "foa_acn_sn3d"), "list of sounds"),
    "mono with four channels": (lambda p: Audio(NOISE, RATE, "mono"), "say layout='foa_acn_sn3d'"),
    "ambisonics with one": (lambda p: Audio(NOISE[0], RATE, "foa_fuma"), "layout='mono'"),
    "stereo array": (lambda p: Audio(NOISE[:2], RATE, "stereo"), "left from right"),
    "two channels as mono": (lambda p: Audio(NOISE[:2], RATE, "mono"), "left from right"),
    "an unknown layout": (lambda p: Audio(NOISE, RATE, "wxyz"), "choose mono"),
    "no samples in memory": (lambda p: Audio(np.zeros((4, 0)), RATE, "foa_acn_sn3d"), "no sound"),
    "a number": (lambda p: 3.5, "cannot be float"),
    "None": (lambda p: None, "cannot be NoneType"),
    "bytes": (lambda p: b"RIFF", "cannot be bytes"),
    "texts in an array": (lambda p: Audio(np.array(["a", "b"]), RATE, "mono"), "no sound"),
    "complex samples": (lambda p: Audio(NOISE[0] * 1j, RATE, "mono"), "no sound"),
    "unsigned bytes": (lambda p: Audio(np.full(100, 128, np.uint8), RATE, "mono"), "x / 128 - 1"),
    "ragged rows": (lambda p: Audio([[1.0], [1.0, 2.0]], RATE, "mono"), "no sound"),
    "NaN in memory": (lambda p: Audio(with_nan(np.nan), RATE, "foa_acn_sn3d"), "not finite"),
    "beyond float32": (lambda p: Audio(NOISE.astype(float) * 1e39, RATE, "foa_acn_sn3d"), "not finite"),
    "silence in memory": (lambda p: Audio(np.zeros(RATE), RATE, "mono"), "silent"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_sounds_are_one_message_with_a_remedy(model, tmp_path, name):
    make, words = REFUSED[name]
    with in_time(), pytest.raises(ElsaError, match=words) as fault:
        model.embed_audio(make(tmp_path))
    assert fault.value.remedy and len(str(fault.value)) < 1000


def pcm_8(place):
    return write(place / "a.wav", NOISE, subtype="PCM_U8")


def deep(place):
    """A path of more than 1,000 bytes, in several scripts."""
    for part in ("ünïcödé", "日本語の録音", "с пробелами", "🎧 " * 20, "x" * 200, "y" * 200, "z" * 200, "w" * 150):
        place = place / part
    place.mkdir(parents=True)
    return write(place / "ein Hund & 'sein' \"Bellen\".wav", NOISE)


def not_utf8(place):
    path = os.fsencode(str(place)) + b"/\xff\xfe dog.wav"
    write(place / "a.wav", NOISE).rename(os.fsdecode(path))
    return os.fsdecode(path)


ACCEPTED = {
    "10 ms": (lambda p: write(p / "a.wav", noise(0.01)), None),
    "one sample": (lambda p: Audio(np.ones(1), RATE, "mono"), None),
    "8 bits": (pcm_8, 0.9),
    "24 bits, FLAC": (lambda p: write(p / "a.flac", NOISE, subtype="PCM_24"), 0.9999),
    "64-bit floats": (lambda p: write(p / "a.wav", NOISE, subtype="DOUBLE"), 0.9999),
    "Ogg": (lambda p: write(p / "a.ogg", NOISE, subtype="VORBIS"), 0.5),
    "louder than full scale": (lambda p: write(p / "a.wav", 30 * NOISE), 0.9999),
    "-60 dB": (lambda p: write(p / "a.wav", 1e-3 * NOISE), 0.9999),
    "384 kHz": (lambda p: Audio(noise(0.2, 4, 384000), 384000, "foa_acn_sn3d"), None),
    "4 kHz": (lambda p: Audio(noise(2.0, 4, 4000), 4000, "foa_acn_sn3d"), None),
    "very long and unicode path": (deep, 0.9999),
    "a name that is no UTF-8": (not_utf8, 0.9999),
    "a text path": (lambda p: str(write(p / "a.wav", NOISE)), 0.9999),
    "a constant": (lambda p: Audio(np.ones(RATE), RATE, "mono"), None),
    "one click": (lambda p: Audio(np.eye(1, RATE, 7)[0], RATE, "mono"), None),
    "read-only folder": (lambda p: (write(p / "a.wav", NOISE), p.chmod(0o555))[0], 0.9999),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_odd_sounds_give_a_right_result(model, tmp_path, name):
    """Of length 1, finite; and where it is the same sound in other clothes, the same embedding."""
    make, alike = ACCEPTED[name]
    with in_time():
        found = model.embed_audio(make(tmp_path))
    assert np.isfinite(found).all() and np.linalg.norm(found) == pytest.approx(1, abs=1e-5)
    if alike is not None:
        assert found @ model.embed_audio(NOISE, rate=RATE) > alike


def test_a_long_file_takes_no_more_memory_than_a_short_one(model, tmp_path):
    """Six minutes, of which the whole would be 92 MB; of two hours docs/api.md tells."""
    import tracemalloc

    path = tmp_path / "long.wav"
    block = noise(60.0)
    with soundfile.SoundFile(path, "w", RATE, 4, "PCM_16") as out:
        for _ in range(6):
            out.write(block.T)
    model.embed_audio(write(tmp_path / "short.wav", NOISE))
    tracemalloc.start()
    found = model.embed_audio(path, hop_s=1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6, f"{peak / 1e6:.0f} MB"
    assert found @ model.embed_audio(write(tmp_path / "minute.wav", block), hop_s=1.0) > 0.999
