"""Windows: where they start, that streams cut as arrays do, and that short sounds are what an evaluation hears."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from elsa_lightning.api import sources
from elsa_lightning.api.sources import Memory, open_source
from elsa_lightning.api.windows import Cut, cut, windows
from elsa_lightning.data.clips import loud_part, peak_of, prepare, prepare_foa
from elsa_lightning.errors import DataError
from elsa_lightning.schema import AudioConfig

from .conftest import RATE, noise, write


@given(n=st.integers(1, 400), size=st.integers(1, 60), share=st.floats(0.02, 1))
def test_windows_cover_the_sound_and_none_comes_twice(n, size, share):
    hop = max(1, int(size * share))
    starts = windows(n, size, hop)
    assert starts == sorted(set(starts)) and starts[0] == 0
    assert all(start + size <= n for start in starts) or starts == [0]
    covered = {sample for start in starts for sample in range(start, start + size)}
    assert set(range(n)) <= covered
    assert starts[-1] + size == n or n <= size


@pytest.mark.parametrize(("n", "starts"), [(10, [0]), (11, [0, 1]), (15, [0, 5]), (16, [0, 5, 6]), (3, [0]), (20, [0, 5, 10])])
def test_windows_by_hand(n, starts):
    assert windows(n, 10, 5) == starts


@pytest.mark.parametrize("arguments", [(0, 10, 5), (10, 0, 5), (10, 10, 0), (10, 10, -1)])
def test_lengths_that_are_none_are_refused(arguments):
    with pytest.raises(DataError, match="positive"):
        windows(*arguments)


@pytest.mark.parametrize("block", [7, 64, 1000])
@pytest.mark.parametrize("lead", [0, 5, 130])
@pytest.mark.parametrize("n", [33, 64, 65, 90, 91, 300, 333])
def test_a_stream_is_cut_as_the_whole_is(monkeypatch, n, lead, block):
    monkeypatch.setattr(sources, "BLOCK", block)
    sound = noise(n / RATE, 4, seed=n) + np.float32(0.3)  # no sample is silent
    padded = np.pad(sound, ((0, 0), (lead, 2 * lead)))
    how = Cut(64, 24, 90, -60.0)
    found = [window for window, _ in cut(Memory("x", padded), how)]
    if n <= 90:
        whole = sound[:, np.arange(90) % n]
        wanted = [whole[:, 13:77]]
    else:
        wanted = [sound[:, start : start + 64] for start in windows(n, 64, 24)]
    assert len(found) == len(wanted) and all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_without_trimming_silence_stays(monkeypatch):
    monkeypatch.setattr(sources, "BLOCK", 50)
    sound = np.pad(noise(100 / RATE, 4), ((0, 0), (64, 0)))
    found = [window for window, _ in cut(Memory("x", sound), Cut(64, 64, 64, None))]
    assert len(found) == 2  # the first of three is all silence, and left out
    assert np.array_equal(found[0], sound[:, 64:128]) and np.array_equal(found[1], sound[:, 100:])


@pytest.mark.parametrize(("seconds", "least"), [(0.01, 1.0), (0.3, 1.0), (0.5, 0.5), (0.2, 0.5), (0.7, 1.0)])
@pytest.mark.parametrize("channels", [1, 4])
def test_short_sounds_are_the_clips_of_an_evaluation(seconds, least, channels):
    """`data.clips.prepare` and `prepare_foa` are what training's evaluation hears."""
    audio = AudioConfig(sample_rate=RATE, clip_s=0.5, min_s=least)
    sound = np.pad(np.atleast_2d(noise(seconds, channels)), ((0, 0), (300, 40)))
    wanted = prepare(sound[0], RATE, audio)[None] if channels == 1 else prepare_foa(sound, RATE, audio)
    ((found, level),) = cut(Memory("x", sound), Cut(8000, 4000, max(8000, round(least * RATE)), audio.strip_db))
    assert np.allclose(found / level, wanted, atol=1e-6)


def test_a_quiet_centre_gives_way_to_the_loudest_crop_as_in_training():
    audio = AudioConfig(sample_rate=RATE, clip_s=0.5, min_s=1.0)
    sound = noise(1.0, 1) * np.where(np.abs(np.arange(16000) - 8000) < 5000, 1e-4, 1).astype(np.float32)
    ((found, level),) = cut(Memory("x", sound[None]), Cut(8000, 4000, 16000, audio.strip_db))
    assert np.allclose(found[0] / level, prepare(sound, RATE, audio), atol=1e-6)


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_a_long_file_is_streamed_to_the_bits_of_the_whole(monkeypatch, tmp_path, rate):
    path = write(tmp_path / "long.wav", np.pad(noise(3.3, 4, rate), ((0, 0), (999, 2222))), rate)
    how = Cut(RATE, RATE // 2, RATE, -60.0)
    whole = list(cut(open_source(path, RATE), how))
    assert isinstance(open_source(path, RATE), Memory)
    monkeypatch.setattr(sources, "WHOLE_S", 0.5)
    monkeypatch.setattr(sources, "BLOCK", 5000)
    source = open_source(path, RATE)
    assert isinstance(source, sources.LongFile)
    streamed = list(cut(source, how))
    omni = np.concatenate(list(source.blocks()), 1)[0]
    first, last = loud_part(omni, -60, peak_of(omni))
    assert len(streamed) == len(whole) == len(windows(last - first, RATE, RATE // 2))
    assert all(np.array_equal(a[0], b[0]) and a[1] == b[1] for a, b in zip(streamed, whole, strict=True))
