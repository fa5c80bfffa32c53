"""`Elsa`: determinism, batches, texts, answers, and the numbers behind `locate`."""

import logging
import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from elsa_lightning import Audio, Elsa
from elsa_lightning.api.answers import located, mean_direction
from elsa_lightning.errors import ConfigError, DataError

from .conftest import RATE, foa, make_parts, noise, write


def test_importing_the_package_is_quick_and_free_of_torch():
    code = (
        "import sys, time; start = time.process_time(); import elsa_lightning; took = time.process_time() - start;"
        "heavy = {'torch', 'numpy', 'transformers'} & set(sys.modules); from elsa_lightning import Audio;"
        "assert not heavy and 'torch' not in sys.modules and 'Elsa' in dir(elsa_lightning), heavy;"
        "assert took < 0.5, took; from elsa_lightning import Elsa; assert 'torch' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with pytest.raises(ImportError):
        from elsa_lightning import Nothing  # noqa: F401


def test_two_calls_give_the_same_bits_and_batches_equal_singles(model):
    sounds = [foa(seconds, seed) for seed, seconds in enumerate((0.01, 1.0, 3.7, 1.5, 0.4))] + [Audio(noise(2.0, 1), RATE, "mono")]
    first, second = model.embed_audio(sounds), model.embed_audio(sounds)
    assert first.tobytes() == second.tobytes() and first.shape == (6, model.width) and first.dtype == np.float32
    assert np.allclose(np.linalg.norm(first, axis=1), 1, atol=1e-6)
    for size in (1, 2, 64):
        other = Elsa(model.parts, "cpu", batch_size=size)
        assert np.allclose(other.embed_audio(sounds), first, atol=1e-5)
    singles = np.stack([model.embed_audio(sound) for sound in sounds])
    assert np.allclose(singles, first, atol=1e-5) and singles[0].shape == (model.width,)
    assert np.abs(first[0] - first[1]).max() > 1e-3  # the sounds differ


def test_training_mode_and_autocast_of_the_caller_do_not_matter(model):
    sound, text = foa(1.0), "a dog on the left"
    plain = model.embed_audio(sound), model.embed_text(text)
    with torch.autocast("cpu", torch.bfloat16):
        inside = model.embed_audio(sound), model.embed_text(text)
    assert all(np.array_equal(a, b) for a, b in zip(plain, inside, strict=True))


def test_a_long_sound_is_the_mean_of_its_windows(model):
    """The oracle: windows cut by hand, each embedded alone."""
    sound = noise(3.2)
    starts = [0, 8000, 16000, 24000, 32000, 35200]
    alone = np.stack([model.embed_audio(sound[:, s : s + RATE], rate=RATE, trim=False) for s in starts]).astype(np.float64)
    mean = alone.mean(0)
    assert np.allclose(model.embed_audio(sound, rate=RATE), mean / np.linalg.norm(mean), atol=1e-5)
    whole = model.embed_audio(sound, rate=RATE, hop_s=1.0)
    mean = alone[[0, 2, 4, 5]].mean(0)
    assert np.allclose(whole, mean / np.linalg.norm(mean), atol=1e-5)


def test_windows_that_training_would_not_hear_do_not_count(model):
    sound = noise(3.0)
    sound[:, RATE : 2 * RATE] *= 1e-3
    loud = np.stack([model.embed_audio(sound[:, s : s + RATE], rate=RATE, trim=False) for s in (0, 2 * RATE)]).astype(np.float64).mean(0)
    assert np.allclose(model.embed_audio(sound, rate=RATE, hop_s=1.0), loud / np.linalg.norm(loud), atol=1e-5)


def test_silence_around_a_sound_does_not_matter_but_when_told(model):
    sound = noise(1.0)
    padded = np.pad(sound, ((0, 0), (4000, 9000)))
    assert np.allclose(model.embed_audio(padded, rate=RATE), model.embed_audio(sound, rate=RATE), atol=1e-5)
    assert np.abs(model.embed_audio(padded, rate=RATE, trim=False) - model.embed_audio(sound, rate=RATE)).max() > 1e-3


def test_texts(model, caplog):
    both = model.embed_text(["a dog barking", "rain on the left"])
    assert both.shape == (2, model.width) and np.allclose(model.embed_text("a dog barking"), both[0], atol=1e-6)
    assert model.embed_text([]).shape == model.embed_audio([]).shape == (0, model.width)
    with caplog.at_level(logging.WARNING):
        model.embed_text(["word " * 500, "short"])
    assert "1 of 2 texts are longer than 48 tokens" in caplog.text


@pytest.mark.parametrize("texts", [["a", 3], "", ["  "], None, 5, [None]])
def test_what_is_no_text_is_refused(model, texts):
    with pytest.raises(DataError, match="is no text"):
        model.embed_text(texts)


def test_similarities(model):
    audio, text = model.embed_audio([foa(1.0, 1), foa(1.0, 2)]), model.embed_text(["a", "b", "c"])
    assert np.allclose(model.similarity(audio, text), audio @ text.T, atol=1e-6)
    assert model.similarity(audio[0], text).shape == (3,) and model.similarity(audio, torch.from_numpy(text[0])).shape == (2,)
    assert model.similarity(audio[0], audio[0]).shape == () and model.similarity(audio[0], audio[0]) == pytest.approx(1)
    for bad in (np.zeros((2, 3)), np.zeros((1, 1, model.width)), np.full(model.width, np.nan), np.arange(model.width)):
        with pytest.raises(DataError):
            model.similarity(bad, text)


def test_classification_ranks_by_similarity(model):
    sounds = [foa(1.0, 1), foa(1.0, 2)]
    (first, _) = model.classify(sounds, ["dog", "rain", "bell"], "Here is {}.")
    wanted = model.similarity(model.embed_audio(sounds[0]), model.embed_text(["Here is dog.", "Here is rain.", "Here is bell."]))
    assert [guess.similarity for guess in first] == pytest.approx(sorted(wanted, reverse=True), abs=1e-6)
    assert sum(guess.probability for guess in first) == pytest.approx(1)
    scale = model.network.logit_scale_exp.item()
    chances = np.exp(scale * np.sort(wanted)[::-1])
    assert [guess.probability for guess in first] == pytest.approx(chances / chances.sum(), abs=1e-4)
    assert model.classify(sounds[0], ["dog"])[0].label == "dog"
    for labels, template in (([], None), ("dog", None), (["dog"], "no slot"), (["dog"], "{} {}")):
        with pytest.raises(DataError):
            model.classify(sounds[0], labels, template)


def test_places_are_those_of_the_heads_in_metres(model):
    """The oracle: heads on the embedding, un-standardised by hand."""
    sound = foa(1.0)
    with torch.no_grad():
        said = model.network.heads(torch.from_numpy(model.embed_audio(sound))[None])
    place = model.locate(sound)
    x, y, z = said["direction"][0].tolist()
    assert place.azimuth_deg == pytest.approx(math.degrees(math.atan2(y, x)), abs=1e-3)
    assert place.elevation_deg == pytest.approx(math.degrees(math.asin(z)), abs=1e-3)
    assert place.distance_m == pytest.approx(2.0 + 0.8 * said["distance"].item(), abs=1e-4)
    assert place.floor_area_m2 == pytest.approx(math.exp(4.0 + 0.7 * said["area"].item()), rel=1e-4)
    assert (place.windows, place.direction_spread_deg, place.distance_spread_m) == (1, None, None)
    longer, again = model.locate([foa(3.0), sound])
    assert longer.windows == 5 and longer.direction_spread_deg > 0 and longer.distance_spread_m > 0
    assert again.azimuth_deg == pytest.approx(place.azimuth_deg, abs=1e-3)


def test_the_mean_of_directions_by_hand():
    weights = np.array([0.5, 0.5, 0.0])
    azimuth, elevation, spread = mean_direction(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]), weights)
    assert (azimuth, elevation, spread) == pytest.approx((45, 0, 45))
    turned = mean_direction(np.array([[-1.0, 0.1, 0], [-1, -0.1, 0], [0, 0, 1]]), weights)[0]
    assert abs(turned) == pytest.approx(180)  # not the mean of +174 and -174
    place = located(None, np.array([-1.0, 3, 9]), np.array([1.0, 100, 5]), weights)
    assert (place.azimuth_deg, place.distance_m, place.distance_spread_m) == (None, pytest.approx(1.5), pytest.approx(1.5))
    assert place.floor_area_m2 == pytest.approx(10) and place.windows == 2


def test_a_model_without_spatial_losses_does_not_guess():
    silent = Elsa(make_parts("loss.direction.weight=0", "loss.distance.weight=0", "loss.area.weight=0"), "cpu")
    with pytest.raises(ConfigError, match="without spatial losses"):
        silent.locate(foa(1.0))
    part = Elsa(make_parts("loss.distance.weight=0"), "cpu").locate(foa(1.0))
    assert part.distance_m is None and part.azimuth_deg is not None
    literal = make_parts("loss.distance.standardize=false")
    literal.scales["distance"] = None
    model = Elsa(literal, "cpu")
    with torch.no_grad():
        said = model.network.heads(torch.from_numpy(model.embed_audio(foa(1.0)))[None])["distance"].item()
    assert model.locate(foa(1.0)).distance_m == pytest.approx(max(0.0, said), abs=1e-5)


def test_mono_has_no_place(model):
    with pytest.raises(DataError, match="no place"):
        model.locate(noise(1.0, 1), rate=RATE)


def test_a_moved_embedding_is_the_papers_swap(model):
    sounds = model.embed_audio([foa(1.0, 1), foa(1.0, 2)])
    left, right = model.embed_text(["A sound coming from the left.", "A sound coming from the right."])
    wanted = sounds - left + right
    found = model.move(sounds, from_="left", to="right")
    assert np.allclose(found, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-5)
    assert np.allclose(model.move(sounds[0], "left", "right"), found[0], atol=1e-6)
    for pair, words in ((("left", "far"), "one kind"), (("leftt", "right"), "choose front, left")):
        with pytest.raises(DataError, match=words):
            model.move(sounds, *pair)


def test_each_gives_faults_in_their_places(model, tmp_path):
    good = write(tmp_path / "good.wav", noise(2.5))
    (tmp_path / "bad.wav").write_bytes(b"RIFF nothing")
    late = write(tmp_path / "late.wav", np.pad(noise(1.0), ((0, 0), (0, 10))))
    found = list(Elsa(model.parts, "cpu", batch_size=4).embed_each([good, tmp_path / "bad.wav", late, tmp_path / "none.wav", good]))
    assert [type(one).__name__ for one in found] == ["ndarray", "DataError", "ndarray", "DataError", "ndarray"]
    assert np.allclose(found[0], found[4], atol=1e-5) and np.allclose(found[2], model.embed_audio(late), atol=1e-5)
    assert "bad.wav" in str(found[1]) and "none.wav" in str(found[3])
    with pytest.raises(DataError, match=r"sound 1: .*bad\.wav"):
        model.embed_audio([good, tmp_path / "bad.wav"])


@pytest.mark.parametrize(("options", "words"), [({"hop_s": 0}, "hop_s"), ({"hop_s": 5.0}, "at most a window"), ({"hop_s": -1.0}, "hop_s")])
def test_hops_are_within_a_window(model, options, words):
    with pytest.raises(ConfigError, match=words):
        model.embed_audio(foa(1.0), **options)


def test_devices_that_are_not_there_are_refused(parts):
    with pytest.raises(ConfigError, match="nonsense"):
        Elsa(parts, "nonsense")
    with pytest.raises(ConfigError, match="batch_size"):
        Elsa(parts, "cpu", batch_size=0)
