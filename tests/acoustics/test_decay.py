import math

import pytest
import torch

from elsa_lightning.acoustics.decay import c50_db, decay_time_s, drr_db, energy_decay_db, t30_s

RATE = 16000


def decaying(t30: torch.Tensor, seconds: float) -> torch.Tensor:
    time = torch.arange(round(seconds * RATE)) / RATE
    return 10 ** (-3.0 * time / t30[:, None])


def test_exponential_decays_have_their_own_t30():
    wanted = torch.tensor([0.15, 0.5, 1.0])
    assert torch.allclose(t30_s(decaying(wanted, 2.5), RATE), wanted, rtol=1e-3)


def test_exponential_noise_has_its_own_t30():
    wanted = torch.tensor([0.2, 0.6])
    noise = torch.randn(2, 3 * RATE, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(t30_s(decaying(wanted, 3.0) * noise, RATE), wanted, rtol=0.04)


def test_a_cut_response_needs_the_energy_beyond():
    wanted = torch.tensor([1.0])
    whole, cut = decaying(wanted, 3.0), decaying(wanted, 0.6)
    beyond = whole[:, cut.shape[-1] :].square().sum(-1)
    assert t30_s(cut, RATE).item() < 0.95  # a cut decay fakes a short T30
    assert t30_s(cut, RATE, beyond).item() == pytest.approx(1.0, rel=2e-3)


def test_a_decay_that_never_falls_by_35_db_has_no_t30():
    slow = decaying(torch.tensor([4.0]), 0.4)
    assert t30_s(slow, RATE, torch.tensor([1e9])).isnan().all()


def test_silence_has_no_t30():
    assert t30_s(torch.zeros(1, 1000), RATE).isnan().all()


def test_slope_by_hand():
    time = torch.linspace(0, 1, 101)
    assert decay_time_s(-120.0 * time[None], time).item() == pytest.approx(0.5, rel=1e-5)
    assert energy_decay_db(torch.tensor([[1.0, 1.0, 1.0, 1.0]]))[0, 2].item() == pytest.approx(-10 * math.log10(2))


def test_clarity_and_direct_ratio_by_hand():
    rir = torch.zeros(1, RATE)
    rir[0, 100], rir[0, 500], rir[0, 4000] = 2.0, 1.0, 1.0  # direct; 25 ms later; 244 ms later
    assert c50_db(rir, RATE).item() == pytest.approx(10 * math.log10(5.0), abs=1e-4)
    assert drr_db(rir, RATE).item() == pytest.approx(10 * math.log10(2.0), abs=1e-4)
    assert drr_db(rir, RATE, torch.tensor([500.0])).item() == pytest.approx(0.0, abs=1e-4)
