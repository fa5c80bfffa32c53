"""Flat-topped crests are counted; crests of smooth sounds never are."""

import io
import math

import numpy as np
import pytest
import soundfile

from elsa_lightning.data.trust.clipping import COARSE, FINE, MARGIN, ONE_SIDED, REACH, SHORTEST, FlatTops

RATE = 44100
TIME = np.arange(RATE) / RATE


def share(samples, block=None, subtype=""):
    samples = np.asarray(samples, dtype=np.float32)
    tops = FlatTops(1, subtype)
    for start in range(0, len(samples), block or len(samples)):
        tops.add(samples[start : start + (block or len(samples)), None])
    return tops.share()


def slow_share(samples, step=2.0**-15):
    """The definition, sample by sample."""
    samples = [float(value) for value in np.asarray(samples, dtype=np.float32)]
    flat = set()
    loudest = max(max(samples), -min(samples))
    for sign in (1, -1):
        x = [sign * value for value in samples]
        peak = max(x)
        if peak < ONE_SIDED * loudest:
            continue
        for band in (FINE * step, COARSE * peak):
            start = 0
            while start < len(x):
                end = start
                while end < len(x) and x[end] >= peak - band:
                    end += 1
                n = end - start
                if n >= SHORTEST:
                    drop = MARGIN * (band + step) * ((n - 1 + 2 * REACH) / (n - 1)) ** 2
                    left = peak - x[start - REACH] if start >= REACH else math.inf
                    right = peak - x[end - 1 + REACH] if end - 1 + REACH < len(x) else math.inf
                    if min(left, right) > drop:
                        flat |= {(sign, i) for i in range(start, end)}
                start = max(end, start + 1)
    return len(flat) / len(samples)


def chord(level=1.0):
    return level * sum(np.sin(2 * np.pi * 330 * k * TIME + k) / k for k in range(1, 12)) / 2.2


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.3, 3.0])
def test_equals_the_definition_sample_by_sample(gain):
    rng = np.random.default_rng(3)
    noise = np.cumsum(rng.standard_normal(6000)) * 0.05
    for sound in (np.clip(chord(gain)[:6000], -1, 1), np.clip(gain * noise, -0.8, 0.5), np.clip(gain * rng.standard_normal(6000), -1, 1)):
        assert share(sound) == pytest.approx(slow_share(sound), abs=1e-12)


@pytest.mark.parametrize("level", [1.0, 0.3, 0.01, 0.001])
@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_U8", "ULAW"])
def test_no_tone_counts_at_any_frequency_and_level(level, subtype):
    for frequency in np.geomspace(20, 20000, 25):
        file = io.BytesIO()
        soundfile.write(file, level * np.sin(2 * np.pi * frequency * TIME + 0.3), RATE, format="WAV", subtype=subtype)
        file.seek(0)
        if subtype not in ("PCM_U8", "ULAW") or level > 0.1:  # else a few steps: no tone any more
            assert share(soundfile.read(file)[0], subtype=subtype) == 0, frequency


@pytest.mark.parametrize("gain", [1.05, 1.3, 2.0])
@pytest.mark.parametrize("level", [1.0, 0.1])
def test_a_cut_tone_counts_by_the_share_that_was_cut(gain, level):
    """Of a sine cut at 1/gain of its amplitude, 1 − 2 asin(1/gain)/π of the samples are at the top."""
    sound = level * np.clip(gain * np.sin(2 * np.pi * 100 * TIME), -1, 1)
    assert share(np.round(sound * 32767) / 32768) == pytest.approx(1 - 2 * math.asin(1 / gain) / math.pi, abs=0.02)


def test_resampling_leaves_clipping_to_be_seen():
    soxr = pytest.importorskip("soxr")
    loud, soft = (soxr.resample(np.clip(chord(gain), -1, 1), RATE, 48000) for gain in (1.6, 0.9))
    assert share(loud) > 0.01 and share(soft) == 0


@pytest.mark.parametrize("block", [1000, 7000])
def test_blocks_change_little(block):
    """Runs cut at a block's border and those before the first full peak may count differently; no more."""
    sound = np.clip(chord(1.5), -1, 1)
    assert share(sound, block) == pytest.approx(share(sound), rel=0.05)
    assert share(chord(0.9), block) == 0


def test_the_peak_of_the_whole_file_counts():
    """What is flat far below it (a limiter's work, or another recording's) was not cut by full scale."""
    sound = np.concatenate([np.clip(chord(0.5), -0.3, 0.3), chord(0.9)])
    assert share(sound) == 0 and share(sound, len(chord())) == 0


def test_the_worst_channel_counts_and_quiet_sides_do_not():
    cut, clean = np.clip(chord(1.5), -1, 1), chord(0.5)
    tops = FlatTops(2)
    tops.add(np.stack([clean, cut], 1).astype(np.float32))
    assert tops.share() == pytest.approx(share(cut))
    gate = np.where(np.sin(2 * np.pi * 50 * TIME) > 0, np.sin(2 * np.pi * 50 * TIME), -0.01)  # flat below, not by full scale
    assert share(gate) == 0
