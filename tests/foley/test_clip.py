"""Every class: level, determinism, variety, sample rates, speed of nothing (no timed assertions)."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from elsa_lightning import foley
from elsa_lightning.errors import ConfigError, DataError


def test_there_are_enough_classes_with_plain_names() -> None:
    assert len(set(foley.CLASSES)) == len(foley.CLASSES) >= 44
    assert all(label == label.lower().strip() and label.replace(" ", "").isalpha() for label in foley.CLASSES)


@pytest.mark.parametrize("label", foley.CLASSES)
def test_clips_are_finite_level_and_varied(label: str, clips: dict[str, list[foley.FoleyClip]]) -> None:
    for clip in clips[label]:
        assert clip.audio.shape == (80000,) and clip.audio.dtype == np.float32 and clip.label == label
        assert np.isfinite(clip.audio).all()
        assert 0.5 <= np.abs(clip.audio).max() <= 1
        assert abs(clip.audio.mean()) < 1e-4
        assert 3 <= len(clip.parameters) <= 6
    first, second, third = clips[label]
    assert first.parameters != second.parameters != third.parameters
    assert abs(np.corrcoef(first.audio, second.audio)[0, 1]) < 0.9


@pytest.mark.parametrize("label", foley.CLASSES)
def test_any_three_seconds_contain_the_sound(label: str, clips: dict[str, list[foley.FoleyClip]]) -> None:
    for clip in clips[label]:
        energy = np.square(clip.audio.astype(np.float64))
        sums = np.cumsum(np.r_[0, energy])
        crops = sums[3 * 16000 :: 800] - sums[: len(sums) - 3 * 16000 : 800]
        assert crops.min() > 0.08 * energy.sum()


@pytest.mark.parametrize("label", foley.CLASSES)
def test_sample_rate_changes_neither_parameters_nor_captions_nor_timing(label: str, clips: dict[str, list[foley.FoleyClip]]) -> None:
    low, high = clips[label][0], foley.draw(0, 0, "train", label, sample_rate=48000)
    assert high.audio.shape == (240000,) and np.isfinite(high.audio).all() and 0.5 <= np.abs(high.audio).max() <= 1
    assert (low.parameters, low.captions) == (high.parameters, high.captions)
    envelopes = [np.sqrt(np.square(c.audio.astype(np.float64)).reshape(50, -1).mean(1)) for c in (low, high)]  # 0.1 s each
    if envelopes[0].std() > 0.5 * envelopes[0].mean():  # a sound with distinct events
        assert np.corrcoef(*envelopes)[0, 1] > 0.55


def test_same_key_same_clip_in_another_process() -> None:
    code = "from elsa_lightning import foley; c = foley.draw(3, 7, 'test', 'rain'); print(c.captions, float(abs(c.audio).sum()))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    here = foley.draw(3, 7, "test", "rain")
    assert out.strip() == f"{here.captions} {float(abs(here.audio).sum())}"


@pytest.mark.parametrize("other", [(1, 7, "test"), (0, 8, "test"), (0, 7, "val")])
def test_every_part_of_the_key_counts(other: tuple[int, int, str]) -> None:
    clip, again, different = (foley.draw(*key, "dog") for key in ((0, 7, "test"), (0, 7, "test"), other))
    assert np.array_equal(clip.audio, again.audio) and clip.captions == again.captions
    assert not np.array_equal(clip.audio, different.audio) and clip.parameters != different.parameters


def test_classes_come_in_turn() -> None:
    n = len(foley.CLASSES)
    assert [foley.draw(0, i, "val", duration_s=0.5).label for i in (0, 1, n, n + 1)] == [*foley.CLASSES[:2], *foley.CLASSES[:2]]


@pytest.mark.parametrize("label", foley.CLASSES)
@pytest.mark.parametrize(("rate", "seconds"), [(16000, 0.5), (22050, 2.0)])
def test_short_clips_and_odd_rates(label: str, rate: int, seconds: float) -> None:
    clip = foley.draw(0, 0, "val", label, rate, seconds)
    assert clip.audio.shape == (round(rate * seconds),)
    assert np.isfinite(clip.audio).all() and np.abs(clip.audio).max() > 0.5


def test_faults_name_the_remedy() -> None:
    with pytest.raises(DataError, match="no class 'rian'"):
        foley.draw(0, 0, "train", "rian")
    with pytest.raises(DataError, match="train, val, test"):
        foley.draw(0, 0, "dev")
    with pytest.raises(ConfigError, match="8000 Hz"):
        foley.draw(0, 0, "train", sample_rate=8000)
    with pytest.raises(ConfigError, match="too short"):
        foley.draw(0, 0, "train", duration_s=0.1)


def test_importing_foley_imports_no_torch_and_no_soundfile() -> None:
    code = "import sys, elsa_lightning.foley; print('torch' in sys.modules, 'soundfile' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split() == ["False", "False"]
