"""What is said of one file, held against what the reader of training does with it."""

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.audio_file import read_audio
from elsa_lightning.data.trust import probe
from elsa_lightning.data.trust.faults import KINDS
from elsa_lightning.data.trust.probe import probe_file, probe_samples
from elsa_lightning.errors import DataError

RATE = 16000
NOISE = np.random.default_rng(0).standard_normal(2 * RATE) * 0.1


def write(path, samples=NOISE, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def damaged(path):
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = np.random.default_rng(1).bytes(2000)
    path.write_bytes(data)
    return path


def with_value(path, value):
    samples = NOISE.copy()
    samples[[7, 70]] = value
    return write(path, samples, subtype="FLOAT")


def bytes_of(path, data):
    path.write_bytes(data)
    return path


FILES = {
    "sound wav": ("a.wav", write, None),
    "sound flac": ("a.flac", write, None),
    "sound ogg": ("a.ogg", write, None),
    "sound mp3": ("a.mp3", write, None),
    "one sample": ("a.wav", lambda p: write(p, [0.5]), None),
    "not there": ("a.wav", lambda p: p, "missing"),
    "a folder": ("a.wav", lambda p: p.mkdir() or p, "missing"),
    "zero bytes": ("a.wav", lambda p: bytes_of(p, b""), "empty"),
    "no samples": ("a.wav", lambda p: write(p, np.zeros(0)), "empty"),
    "text": ("a.wav", lambda p: bytes_of(p, b"hello, I am no sound at all"), "unreadable"),
    "head of a wav": ("a.wav", lambda p: bytes_of(write(p), write(p).read_bytes()[:20]), "unreadable"),
    "flac damaged": ("a.flac", lambda p: damaged(write(p)), "unreadable"),
    "absurd rate": ("a.wav", lambda p: write(p, rate=100), "unreadable"),
    "stereo": ("a.wav", lambda p: write(p, np.stack([NOISE, NOISE], 1)), "channels"),
    "NaN": ("a.wav", lambda p: with_value(p, np.nan), "not finite"),
    "infinite": ("a.wav", lambda p: with_value(p, -np.inf), "not finite"),
    "zeros": ("a.wav", lambda p: write(p, np.zeros(RATE)), "silent"),
    "nearly zeros": ("a.wav", lambda p: write(p, NOISE * 1e-6, subtype="FLOAT"), "silent"),
    "wav to 99 %": ("a.wav", lambda p: cut(write(p), 0.99), "truncated"),
    "wav to a fifth": ("a.wav", lambda p: cut(write(p), 0.2), "truncated"),
    "aiff to 60 %": ("a.aiff", lambda p: cut(write(p), 0.6), "truncated"),
    "flac to 99 %": ("a.flac", lambda p: cut(write(p), 0.99), "truncated"),
    "flac to a fifth": ("a.flac", lambda p: cut(write(p), 0.2), "truncated"),
    "ogg to 60 %": ("a.ogg", lambda p: cut(write(p), 0.6), "truncated"),
    "mp3 to 60 %": ("a.mp3", lambda p: cut(write(p), 0.6), "truncated"),
}


@pytest.mark.parametrize("case", FILES)
def test_unusable_is_what_the_reader_refuses(tmp_path, case):
    name, make, kind = FILES[case]
    path = make(tmp_path / name)
    found = probe_file(path).found
    assert [each for each, _ in found if KINDS[each].unusable] == ([kind] if kind else []), found
    if kind:
        with pytest.raises(DataError):
            read_audio(path, RATE)
    else:
        assert len(read_audio(path, RATE))


def test_several_faults_are_all_named(tmp_path):
    samples = np.clip(np.stack([30 * NOISE, 30 * NOISE], 1), -0.9, 0.9)
    found = dict(probe_file(cut(write(tmp_path / "a.wav", samples), 0.5)).found)
    assert list(found) == ["truncated", "channels", "clipped"]
    assert "%" in found["clipped"] and "2 channel" in found["channels"]
    assert probe_file(write(tmp_path / "b.wav", np.stack([NOISE] * 4, 1)), channels=4).found == ()


def test_a_hash_is_that_of_the_samples_whatever_holds_them(tmp_path):
    steps = np.round(NOISE * 32768).astype(np.int16)
    whole = probe_file(write(tmp_path / "a.wav", steps))
    assert (whole.rate, whole.channels, whole.frames) == (RATE, 1, 2 * RATE)
    assert probe_file(write(tmp_path / "a.flac", steps)).digest == whole.digest
    samples = soundfile.read(tmp_path / "a.wav")[0]
    assert probe_samples(samples, RATE).digest == whole.digest
    samples[1000] += 1 / 32768
    assert probe_file(write(tmp_path / "b.wav", samples, subtype="FLOAT")).digest not in ("", whole.digest)
    as_pairs = probe_file(write(tmp_path / "c.wav", samples.reshape(-1, 2), subtype="FLOAT"), channels=2)
    assert as_pairs.digest != probe_file(write(tmp_path / "d.wav", samples, subtype="FLOAT")).digest
    for name, make in (("e.wav", lambda p: write(p, np.zeros(99))), ("f.wav", lambda p: cut(write(p), 0.5))):
        assert probe_file(make(tmp_path / name)).digest == "", "what cannot be used equals nothing"


def test_long_files_are_read_in_blocks(tmp_path, monkeypatch):
    path = write(tmp_path / "a.flac", np.clip(8 * NOISE, -0.7, 0.7))
    whole = probe_file(path)
    monkeypatch.setattr(probe, "BLOCK", 1000)
    assert probe_file(path) == whole
    assert [kind for kind, _ in whole.found] == ["clipped"]
    assert probe_file(path, clip_share=0.9).found == ()


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "a.wav")
    monkeypatch.setattr(probe.soundfile, "SoundFile", refuse)
    assert probe_file(path).found == (("unreadable", "cannot be read (Permission denied)"),)
