"""The page's functions: places, plan, directions, captions. No browser, no gradio."""

import math
import re
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile

from elsa_lightning.api.answers import Location
from elsa_lightning.demo import scene
from elsa_lightning.demo.pictures import SIDE, Plan, bars, circle
from elsa_lightning.demo.scene import Room
from elsa_lightning.errors import ConfigError, DataError

RATE = 16000
needs_head = pytest.mark.skipif(find_spec("slab") is None, reason="the measured head is an extra")
ROOM = Room(6.0, 4.5, 2.7, 0.15)


class Listener:
    """Stands for a model: a caption's cosine is its first letter's share of the alphabet."""

    def embed_audio(self, audio):
        assert (audio.layout, audio.rate) == ("foa_acn_sn3d", RATE)
        return np.ones(1)

    def embed_text(self, lines):
        return np.array([(ord(line[0]) - 96) / 26 for line in lines])

    def similarity(self, audio, text):
        return text

    def locate(self, audio):
        raise ConfigError("no heads")


@pytest.fixture(scope="module")
def click():
    return np.random.default_rng(0).standard_normal(1600).astype(np.float32)


@pytest.mark.parametrize(("aside", "azimuth"), [((1.5, 0.0), 0.0), ((0.0, 1.5), 90.0), ((0.0, -1.5), -90.0), ((-1.5, 0.0), 180.0)])
def test_a_sound_is_where_it_was_put(click, aside, azimuth):
    x, y, z = ROOM.microphone
    rendered = scene.render(click, RATE, ROOM, (x + aside[0], y + aside[1], z))
    assert rendered.azimuth_deg == pytest.approx(azimuth, abs=1e-4) and rendered.distance_m == pytest.approx(1.5)
    assert np.abs(rendered.foa).max() == pytest.approx(scene.PEAK)
    found, elevation = scene.intensity_direction(rendered.foa)
    assert abs((found - azimuth + 180) % 360 - 180) < 20 and abs(elevation) < 20


@needs_head
def test_the_left_ear_hears_what_is_on_the_left(click):
    x, y, z = ROOM.microphone
    heard = scene.ears(scene.render(click, RATE, ROOM, (x, y + 1.5, z)))
    left, right = np.square(heard).mean(0)
    assert heard.shape[1] == 2 and left > 1.5 * right and np.abs(heard).max() == pytest.approx(scene.PEAK)


@pytest.mark.parametrize(
    ("room", "source", "message"),
    [
        (ROOM, (6.5, 2.0, 1.0), "not inside"),
        (ROOM, (3.0, 2.0, 2.65), "not inside"),
        (ROOM, ROOM.microphone, "on the microphone"),
        (Room(6.0, 0.3, 2.7, 0.2), (1.0, 0.15, 1.0), "a room of"),
        (Room(6.0, 4.5, math.nan, 0.2), (1.0, 1.0, 1.0), "a room of"),
        (Room(6.0, 4.5, 2.7, 0.0), (1.0, 1.0, 1.0), "a room of"),
    ],
)
def test_what_cannot_be_rendered_is_refused(click, room, source, message):
    with pytest.raises(DataError, match=message):
        scene.render(click, RATE, room, source)


def test_sounds_are_files_or_foley(tmp_path):
    made = scene.sound_of(None, "dog", 0, RATE)
    assert made.shape == (4 * RATE,) and (made == scene.sound_of(None, "dog", 0, RATE)).all()
    assert len(scene.sound_of(None, "dog", 0, 8000)) == 4 * 8000
    soundfile.write(tmp_path / "long.wav", np.random.default_rng(1).uniform(-0.5, 0.5, 25 * 4000), 4000)
    assert len(scene.sound_of(tmp_path / "long.wav", "dog", 0, 4000)) == 20 * 4000
    with pytest.raises(DataError, match=r"missing\.wav"):
        scene.sound_of(tmp_path / "missing.wav", "dog", 0, RATE)


def test_captions_are_ranked_once_each():
    rendered = scene.Rendered(np.full((4, 10), 0.1, np.float32), RATE, 0.0, 0.0, 1.0, 0.2)
    found = scene.ranking(Listener(), rendered, "bees\n\n zebras \nbees\n")
    assert found == [("zebras", 1.0), ("bees", pytest.approx(2 / 26))]
    with pytest.raises(DataError, match="no captions"):
        scene.ranking(Listener(), rendered, " \n")
    assert scene.location(Listener(), rendered) is None


def test_clicks_and_places_are_each_others_inverse():
    plan = Plan(6.0, 4.5)
    assert plan.pixels == (round(SIDE * 4.5 / 6), SIDE)
    for place in ((0.1, 0.2), (3.0, 2.0), (5.9, 4.4)):
        assert plan.metres(*plan.pixel(*place)) == pytest.approx(place)
    assert plan.metres(0, 0) == (6.0, 4.5)  # front left
    with pytest.raises(DataError, match="outside"):
        plan.metres(10, SIDE + 5)


def test_the_plan_shows_the_source_where_it_was_clicked():
    plan = Plan(6.0, 4.5)
    before, after = plan.draw(ROOM.microphone, None), plan.draw(ROOM.microphone, (5.0, 1.0, 1.5))
    rows, columns = np.nonzero((before != after).any(2))
    assert (columns.mean(), rows.mean()) == pytest.approx(plan.pixel(5.0, 1.0), abs=1.0)


def test_directions_lie_on_the_circle_and_words_are_escaped():
    svg = circle([("true", 90.0, 0.0, "red"), ("<model>", 0.0, 60.0, "blue")])
    ends = [tuple(map(float, found)) for found in re.findall(r'x2="([-\d.]+)" y2="([-\d.]+)"', svg)]
    assert ends == [(-100.0, 0.0), (0.0, -50.0)]  # left is left, and what is high lies near the middle
    assert "<model>" not in svg and "&lt;b&gt;" in bars([("<b>", 0.5)]) and "width:75%" in bars([("x", 0.5)])


@needs_head
def test_the_page_answers():
    """What gradio's parts are given, of one place."""
    from elsa_lightning.demo.page import answer

    listener = Listener()
    listener.sample_rate = RATE
    listener.locate = lambda audio: Location(45.0, 10.0, None, 2.5, None, None, None, 1)
    picture, (rate, heard), ranked, where = answer(listener, None, "dog", ROOM, (5.0, 3.5, 9.0), "bees\nants")
    assert picture.shape[2] == 3 and rate == RATE and heard.dtype == np.int16 and np.abs(heard).max() > 20000
    assert ranked.index("bees") < ranked.index("ants")
    assert "model: azimuth 45°" in where and "by the model 2.5 m" in where and "true: azimuth" in where
