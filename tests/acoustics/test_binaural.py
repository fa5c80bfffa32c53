"""Laws of hearing that every head obeys; KEMAR's are measured."""

import importlib.util
import sys

import pytest
import torch

from elsa_lightning.acoustics import binaural as module
from elsa_lightning.acoustics.ambisonics import direction_from_angles, encode, mirror
from elsa_lightning.acoustics.binaural import binaural, ear_filters
from elsa_lightning.errors import ConfigError, DataError

RATE = 48000
AT = 4800


pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("slab") is None, reason="the head is an extra: pip install 'elsa-lightning[binaural]'"
)


def click(azimuth: float, elevation: float = 0.0, rate: int = RATE) -> torch.Tensor:
    """(1, 4, 9600) a click at sample `AT` from a direction in degrees."""
    mono = torch.zeros(1, 2 * AT)
    mono[0, AT] = 1.0
    return encode(mono, direction_from_angles(torch.deg2rad(torch.tensor([azimuth])), torch.deg2rad(torch.tensor([elevation]))))


def level_db(ears: torch.Tensor) -> list[float]:
    return (10 * ears[0].square().sum(-1).log10()).tolist()


def lead_s(ears: torch.Tensor, rate: int) -> float:
    """By how much the left ear is earlier, below 1.5 kHz, where delays are heard."""
    n = 2 * ears.shape[-1]
    left, right = torch.fft.rfft(ears[0], n=n)
    frequency = torch.arange(len(left)) * rate / n
    together = torch.fft.irfft(right * left.conj() * ((frequency > 200) & (frequency < 1500)), n=n)
    lag = int(together.argmax())
    return (lag if lag < n // 2 else lag - n) / rate


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_what_is_left_is_louder_and_earlier_in_the_left_ear(rate):
    """The path about a head of 8.75 cm radius is 0.65 ms longer at 90° and 0.26 ms at 30° (Woodworth); KEMAR's is near."""
    before = 0.0
    for azimuth, longest in ((30, 0.35e-3), (90, 0.75e-3)):
        ears = binaural(click(azimuth), rate)
        left, right = level_db(ears)
        assert left > right + 4 and before + 0.05e-3 < lead_s(ears, rate) < longest
        before = lead_s(ears, rate)


def test_front_back_and_above_are_the_same_in_both_ears():
    for azimuth, elevation in ((0, 0), (180, 0), (0, 90), (0, -40)):
        ears = binaural(click(azimuth, elevation), RATE)[0]
        assert torch.allclose(ears[0], ears[1], atol=1e-6) and ears.abs().max() > 0.05


def test_a_mirrored_scene_swaps_the_ears():
    foa = torch.randn(2, 4, 3000, generator=torch.Generator().manual_seed(0))
    swapped = binaural(mirror(foa, torch.tensor([True, True])), RATE)
    assert torch.allclose(swapped, binaural(foa, RATE).flip(1), atol=1e-5)


def test_linear_and_clip_by_clip():
    foa = torch.randn(3, 4, 2000, generator=torch.Generator().manual_seed(1))
    ears = binaural(foa, RATE)
    assert ears.shape == (3, 2, 2000) and ears.isfinite().all()
    assert torch.allclose(binaural(0.1 * foa, RATE), 0.1 * ears, atol=1e-6)
    assert torch.allclose(binaural(foa[:1] + foa[1:2], RATE), ears[:1] + ears[1:2], atol=1e-5)
    assert torch.allclose(binaural(foa[2], RATE), ears[2], atol=1e-6)


def test_the_fast_convolution_is_the_sum_over_taps():
    foa = torch.randn(1, 4, 300, generator=torch.Generator().manual_seed(2))
    filters, ahead = ear_filters(RATE)
    slow = torch.zeros(2, 300 + filters.shape[2], dtype=torch.float64)
    for tap in range(filters.shape[2]):
        slow[:, tap : tap + 300] += (filters[:, :, tap].double() @ foa[0].double())[:, :300]
    assert torch.allclose(binaural(foa, RATE)[0].double(), slow[:, ahead : ahead + 300], atol=1e-5)


@pytest.mark.parametrize("rate", [8000, 48000])
def test_sounds_keep_their_time(rate):
    ears = binaural(click(0), rate)[0, 0]
    assert abs(int(ears.abs().argmax()) - AT) <= 0.3e-3 * rate
    early = ears[: AT - round(0.005 * rate)]  # what is before is the equaliser's and dies off
    assert early.square().sum() < 1e-3 * ears.square().sum()


def test_a_diffuse_field_is_flat():
    """Mean power over the whole sphere, in octaves from 250 Hz: the measured loudspeaker and the four channels leave no colour."""
    filters, _ = ear_filters(RATE)
    power = torch.fft.rfft(filters[0], n=4096).abs().square()
    diffuse = power[0] + power[1:].sum(0) / 3  # channels of unit gain are orthogonal on the sphere: mean of y², z², x² is a third
    frequency = torch.arange(len(diffuse)) * RATE / 4096
    octaves = [
        diffuse[(frequency > hz / 2**0.5) & (frequency < hz * 2**0.5)].mean().log10().item() * 10
        for hz in (250, 500, 1000, 2000, 4000, 8000)
    ]
    assert max(octaves) - min(octaves) < 2.5 and max(map(abs, octaves)) < 2  # dB; below −45° nothing was measured


@pytest.mark.parametrize("shape", [(1, 3, 100), (4,), (1, 1, 4, 10)])
def test_other_than_four_channels_are_refused(shape):
    with pytest.raises(DataError, match="for headphones"):
        binaural(torch.zeros(shape), RATE)


def test_without_the_extra_the_command_that_helps_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "slab", None)
    module._head.cache_clear()
    with pytest.raises(ConfigError, match="measured head") as caught:
        module.check_head()
    assert "elsa-lightning[binaural]" in caught.value.remedy


@pytest.mark.parametrize("there", [False, True])
def test_the_sound_card_is_not_asked_for_and_left_as_it_was(monkeypatch, there):
    """`slab` imports `sounddevice`, which raises on machines without PortAudio."""
    driver = object()
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    if there:
        monkeypatch.setitem(sys.modules, "sounddevice", driver)
    with module._no_sound_card():
        assert sys.modules["sounddevice"] is (driver if there else None)
    assert sys.modules.get("sounddevice") is (driver if there else None) and ("sounddevice" in sys.modules) == there
