import dataclasses

import pytest
import torch

from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.errors import DataError


def test_derived_quantities(one_room):
    one_room.source = one_room.microphone + torch.tensor([[0.0, 1.2, 0.5]])
    assert one_room.azimuth.item() == pytest.approx(torch.pi / 2)
    assert one_room.distance_m.item() == pytest.approx(1.3, rel=1e-5)
    assert torch.sin(one_room.elevation).item() == pytest.approx(0.5 / 1.3, rel=1e-4)
    assert one_room.floor_area_m2.item() == 20.0
    assert one_room.volume_m3.item() == 60.0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("size", [[5.0, -4.0, 3.0]], "side that is not positive"),
        ("size", [[float("nan"), 4.0, 3.0]], "side that is not positive"),
        ("size", [[float("inf"), 4.0, 3.0]], "side without end"),
        ("source", [[5.5, 2.0, 1.0]], "source .* outside the room"),
        ("microphone", [[1.0, 2.0, -0.1]], "microphone .* outside the room"),
        ("source", [[1.7, 1.6, 1.3]], "at the microphone"),
        ("source", [[float("nan"), 1.6, 1.3]], "source .* outside the room"),
        ("diffuseness", [1.5], "diffuseness .* outside 0 to 1"),
        ("source", [[1.0, 1.0]], "shape"),
    ],
)
def test_impossible_scenes_are_refused_by_name(one_room, field, value, message):
    scene = dataclasses.replace(one_room, **{field: torch.tensor(value)})
    with pytest.raises(DataError, match=message):
        scene.check()


def test_absorption_out_of_range_is_refused(one_room):
    one_room.absorption = one_room.absorption + 0.8
    with pytest.raises(DataError, match="absorption"):
        one_room.check()


def test_the_message_names_the_room(drawn):
    source = drawn.source.clone()
    source[5, 2] = 99.0
    with pytest.raises(DataError, match="room 5"):
        dataclasses.replace(drawn, source=source).check()


def test_select_and_cat(drawn):
    parts = [drawn.select(torch.tensor([1, 3])), drawn.select(slice(0, 1))]
    joined = Scene.cat(parts)
    assert len(joined) == 3
    assert torch.equal(joined.size, drawn.size[[1, 3, 0]])
