"""Strip, repeat, crop, level."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from elsa_lightning.data.clips import loudest, prepare, strip_silence
from elsa_lightning.errors import DataError
from elsa_lightning.schema import AudioConfig

RATE = 1000
NOISE = np.random.default_rng(0).standard_normal(3000).astype(np.float32)


def audio(clip_s, min_s=0.0):
    return AudioConfig(sample_rate=RATE, clip_s=clip_s, min_s=min_s)


def test_strip_removes_only_the_ends():
    sound = np.concatenate([np.full(50, 1e-5), [1.0], np.zeros(20), [-0.5], np.full(30, 9e-4)])
    assert strip_silence(sound, -60).tolist() == [1.0, *[0.0] * 20, -0.5]


def test_short_sounds_are_repeated_from_their_start():
    sound = np.array([1.0, 2.0, 3.0])
    clip = prepare(sound, RATE, audio(0.008))
    assert np.allclose(clip / clip[0], [1, 2, 3, 1, 2, 3, 1, 2])


def test_min_s_repeats_before_the_crop():
    sound = np.array([1.0, 2.0, 3.0, 4.0])
    clip = prepare(sound, RATE, audio(0.004, min_s=0.010))  # 1 2 3 4 1 2 3 4 1 2, centre 4
    assert np.allclose(clip / clip[0], np.array([4, 1, 2, 3]) / 4)


@pytest.mark.parametrize("length", [1, 37, 999, 3000, 5000])
def test_length_and_level(length):
    clip = prepare(NOISE[: max(5, length)], RATE, audio(1.0))
    assert clip.shape == (1000,) and clip.dtype == np.float32
    assert np.sqrt(np.mean(clip.astype(float) ** 2)) == pytest.approx(1, abs=1e-6)


def test_centre_without_a_generator_and_anywhere_with_one():
    ramp = np.arange(1, 3001, dtype=float) / 3000
    centre = prepare(ramp, RATE, audio(1.0))
    assert centre[0] / centre[-1] == pytest.approx(1001 / 2000, rel=2e-3)  # silence takes two samples at most
    starts = {
        round(float(clip[0] / clip[-1]), 3) for clip in (prepare(ramp, RATE, audio(1.0), np.random.default_rng(i)) for i in range(40))
    }
    assert len(starts) > 25


def test_a_silent_crop_is_replaced_by_the_loudest():
    sound = np.zeros(4000)
    sound[:100], sound[3999] = NOISE[:100], 0.5
    for rng in (None, np.random.default_rng(0)):
        clip = prepare(sound, RATE, audio(1.0), rng)
        assert np.isfinite(clip).all() and np.abs(clip[:100]).sum() > 1
    assert loudest(np.array([0.0, 0, 3, 1, 0, 0]), 2) == 2


@pytest.mark.parametrize("sound", [np.zeros(100), np.zeros(0)])
def test_silence_is_refused(sound):
    with pytest.raises(DataError, match="silent"):
        prepare(sound, RATE, audio(1.0))


def test_a_lead_is_what_the_repeating_sound_did_before_the_same_clip():
    sound = np.sin(np.arange(1, 401) * 0.37) + 2
    plain = prepare(sound, 100, audio(2.0), np.random.default_rng(3))
    led = prepare(sound, 100, audio(2.0), np.random.default_rng(3), lead=500)
    assert len(led) == 700 and np.array_equal(led[500:], plain)
    assert np.allclose(led[:300], led[400:], atol=1e-6)  # the sound's own period is 400 samples


def plainly_prepared(mono, rate, audio, rng, lead):
    """`prepare` in the plainest words."""
    length = round(audio.clip_s * rate)
    loud = np.flatnonzero(np.abs(mono) >= np.abs(mono).max() * 10 ** (audio.strip_db / 20))
    sound = mono[loud[0] : loud[-1] + 1]
    wanted = max(length, round(audio.min_s * rate))
    sound = sound if len(sound) >= wanted else np.resize(sound, wanted)
    start = (len(sound) - length) // 2 if rng is None else int(rng.integers(len(sound) - length + 1))
    level = math.sqrt(np.mean(np.square(sound[start : start + length], dtype=np.float64)))
    if level < 0.01 * math.sqrt(np.mean(np.square(sound, dtype=np.float64))):
        energy = [np.square(sound[at : at + length], dtype=np.float64).sum() for at in range(len(sound) - length + 1)]
        start = int(np.argmax(energy))
        level = math.sqrt(np.mean(np.square(sound[start : start + length], dtype=np.float64)))
    before = sound.take(np.arange(start - lead, start), mode="wrap")
    return np.concatenate([before, sound[start : start + length]]) / np.float32(level)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_it_is_the_plain_way(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 30)))
    mono = rng.standard_normal(data.draw(st.integers(1, 9000))).astype(np.float32)
    mono[: data.draw(st.integers(0, len(mono) - 1))] *= 10 ** -data.draw(st.sampled_from([0.0, 1.9, 2.1, 3.5, 6.0]))
    mono[len(mono) - data.draw(st.integers(0, len(mono) - 1)) :] *= data.draw(st.sampled_from([0.0, 1.0]))
    if not np.abs(mono).max() > 0:
        mono[-1] = 1e-3
    audio = AudioConfig(sample_rate=1000, clip_s=data.draw(st.floats(0.01, 4)), min_s=data.draw(st.floats(0, 6)))
    lead, seed = data.draw(st.integers(0, 7000)), data.draw(st.one_of(st.none(), st.integers(0, 99)))
    made = [None if seed is None else np.random.default_rng(seed) for _ in range(2)]
    plain = plainly_prepared(mono, 1000, audio, made[0], lead)
    out = np.full(len(plain), np.nan, np.float32) if data.draw(st.booleans()) else None
    found = prepare(mono, 1000, audio, made[1], lead, out)
    assert out is None or found is out
    np.testing.assert_allclose(found, plain, rtol=3e-7, atol=0)
