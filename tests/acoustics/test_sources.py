"""Several and moving sources: linear, equal to still ones where they stand still, and heard where they are."""

import pytest
import torch

from elsa_lightning.acoustics.ambisonics import angles_from_direction
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.render import render_rir
from elsa_lightning.acoustics.sources import SoundSource, densified, render_sources
from elsa_lightning.errors import DataError

RATE, RIR_S, BANDS = 8000, 0.2, [1000.0]
LEFT, FRONT = torch.tensor([1.7, 3.1, 1.3]), torch.tensor([3.2, 1.6, 1.3])  # of the microphone at (1.7, 1.6, 1.3)


def noise(seconds, seed=0):
    return torch.randn(round(seconds * RATE), generator=torch.Generator().manual_seed(seed))


def render(room, *sources, **options):
    return render_sources(room, sources, RATE, RIR_S, BANDS, **options)


def test_one_still_source_is_a_convolution(one_room):
    mono = noise(0.3)
    rir = render_rir(one_room, RATE, RIR_S, BANDS)
    expected = convolve(mono[None], rir, len(mono) + round(RIR_S * RATE) - 1)[0]
    torch.testing.assert_close(render(one_room, SoundSource(mono, one_room.source)), expected)


def test_a_path_that_stays_is_a_still_source(one_room):
    mono = noise(0.3)
    still = render(one_room, SoundSource(mono, LEFT[None]))
    staying = render(one_room, SoundSource(mono, LEFT.expand(3, 3), torch.tensor([0.0, 0.1, 0.25])))
    assert (staying - still).norm() < 1e-4 * still.norm()


def test_sources_add_up_with_their_levels_and_starts(one_room):
    first, second = SoundSource(noise(0.3), LEFT[None]), SoundSource(noise(0.2, 1), FRONT[None], start_s=0.25, level_db=-6.0)
    together = render(one_room, first, second, length_s=0.8)
    alone = render(one_room, first, length_s=0.8)
    late = together - alone
    assert together.shape == (4, 6400) and late[:, : round(0.25 * RATE)].abs().max() < 1e-6
    louder = render(one_room, first, SoundSource(second.mono, second.path, start_s=0.25), length_s=0.8) - alone
    torch.testing.assert_close(late, louder * 10 ** (-6 / 20), atol=1e-5, rtol=1e-4)


def test_a_moving_source_is_heard_where_it_is(one_room):
    one_room.absorption = torch.full((1, 6, 1), 0.95)
    angle = torch.linspace(0, torch.pi / 2, 7)
    path = one_room.microphone + 1.4 * torch.stack([angle.cos(), angle.sin(), torch.zeros(7)], 1)
    foa = render(one_room, SoundSource(noise(1.4), path, torch.linspace(0.2, 1.2, 7)))
    for second, expected in ((0.1, 0.0), (0.45, 22.5), (0.7, 45.0), (0.95, 67.5), (1.35, 90.0)):
        part = foa[:, round((second - 0.05) * RATE) : round((second + 0.05) * RATE)]
        azimuth, _ = angles_from_direction((part[[0]] * part[[3, 1, 2]]).sum(1))
        assert torch.rad2deg(azimuth).item() == pytest.approx(expected, abs=8)


def test_the_level_does_not_dip_between_points(one_room):
    """Halfway between two near points the shares are a half each: the same early sound and the same tail, in phase."""
    near = torch.stack([LEFT, LEFT + 0.01])
    foa = render(one_room, SoundSource(noise(2.0), near, torch.tensor([0.5, 1.5])))
    power = foa[0].unfold(0, 2400, 2400).square().mean(1)[1:6]
    assert 10 * torch.log10(power.max() / power.min()) < 1.5


def whole_weights(source):
    """(P, T): the stretches in their places."""
    weights = torch.zeros(len(source.path), len(source.mono))
    for point in range(len(source.path)):
        begin, weight = source.stretch(point, RATE)
        weights[point, begin : begin + len(weight)] = weight
    return weights


@pytest.mark.parametrize("start_s", [0.0, 0.05, 0.3, 0.7])
def test_shares_add_up_to_one(start_s):
    source = SoundSource(noise(0.5), torch.zeros(4, 3), torch.tensor([0.1, 0.2, 0.25, 0.4]), start_s=start_s)
    shares = whole_weights(source)
    assert (shares >= 0).all()
    torch.testing.assert_close(shares.sum(0), torch.ones(4000))
    now = start_s + torch.arange(4000) / RATE
    for point, time in enumerate((0.1, 0.2, 0.25, 0.4)):  # each is alone at its own time; it stands before the first and after the last
        here = (now - time).abs() < 1e-6
        assert torch.allclose(shares[point, here], torch.ones(()))
    assert (shares[0, now < 0.1] == 1).all() and (shares[3, now > 0.4] == 1).all()


def test_stretches_are_the_whole_sound_faded(one_room):
    """Against the slow way: the whole sound times each point's weight, convolved whole."""
    path = torch.stack([LEFT, (LEFT + FRONT) / 2, FRONT])
    source = SoundSource(noise(0.4), path, torch.tensor([0.05, 0.2, 0.3]), start_s=0.02)
    rooms = one_room.select(torch.zeros(3, dtype=torch.long)).tensors() | {"source": path}
    sound = source.mono * whole_weights(source)
    slow = convolve(sound, render_rir(Scene(**rooms), RATE, RIR_S, BANDS), 3200 + round(RIR_S * RATE) - 1).sum(0)
    torch.testing.assert_close(render(one_room, source)[:, 160:], slow, atol=1e-5, rtol=1e-4)


def test_a_dense_path_moves_away_without_holes_in_the_spectrum(one_room):
    """Points 25 cm apart put a hole at 686 Hz into the middle of every step."""
    one_room.absorption = torch.ones(1, 6, 1)
    one_room.size, one_room.microphone = torch.tensor([[9.0, 6.0, 4.0]]), torch.tensor([[1.0, 2.9, 1.9]])
    ends = one_room.microphone + torch.tensor([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    tone = torch.sin(2 * torch.pi * 686 * torch.arange(2 * RATE) / RATE)

    def dips_db(step_m):
        path, time = densified(ends, torch.tensor([0.0, 2.0]), step_m)
        level = render(one_room, SoundSource(tone, path, time))[0, : 2 * RATE].unfold(0, 160, 160).square().mean(1).sqrt()[5:-5]
        distance = torch.linspace(1, 2, 100)[5:-5]
        return (20 * torch.log10(level * distance / level[0])).abs().max()

    assert dips_db(0.01) < 1 and dips_db(0.25) > 10


def test_a_path_without_end_is_refused():
    with pytest.raises(DataError, match="1000 m has more than 5000 points"):
        densified(torch.tensor([[0.0, 0, 0], [1000.0, 0, 0]]), torch.tensor([0.0, 1.0]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mono": torch.zeros(2, 8)}, "one channel"),
        ({"path": torch.zeros(2)}, "points"),
        ({"path": torch.tensor([[1.0, 1, 1], [2, 1, 1]])}, "2 points need 2 times"),
        ({"path": torch.tensor([[1.0, 1, 1], [2, 1, 1]]), "time_s": torch.tensor([1.0, 1.0])}, "do not rise"),
        ({"start_s": -1.0}, "starts at -1"),
        ({"mono": torch.full((8,), torch.nan)}, "not finite"),
        ({"level_db": float("nan")}, "not finite"),
        ({"path": torch.tensor([[9.0, 1, 1]])}, "outside the room"),
        ({"path": torch.tensor([[1.7, 1.6, 1.3]])}, "at the microphone"),
    ],
)
def test_impossible_sources_are_named(one_room, change, words):
    with pytest.raises(DataError, match="source 1") as fault:
        render(one_room, SoundSource(noise(0.1), LEFT[None]), SoundSource(**{"mono": noise(0.1), "path": FRONT[None], **change}))
    assert words in str(fault.value)


@pytest.mark.parametrize("options", [{"length_s": -1.0}, {"length_s": float("nan")}, {"length_s": 0.0}])
def test_impossible_lengths_are_refused(one_room, options):
    with pytest.raises(DataError, match="above 0"):
        render(one_room, SoundSource(noise(0.1), LEFT[None]), **options)


def test_no_source_or_two_rooms_are_refused(one_room):
    with pytest.raises(DataError, match="0 sources"):
        render(one_room)
    with pytest.raises(DataError, match="2 rooms"):
        render(one_room.select(torch.tensor([0, 0])), SoundSource(noise(0.1), LEFT[None]))
