import pytest
import torch

from elsa_lightning.acoustics import gridding
from elsa_lightning.acoustics.gridding import impulse_spectrum


def test_against_the_exact_sum_in_double_precision():
    generator = torch.Generator().manual_seed(0)
    rows, n, count = 3, 512, 200
    row = torch.randint(rows, (count,), generator=generator).sort().values
    delay = torch.rand(count, generator=generator, dtype=torch.float64) * (n - 12) + 6
    gain = torch.randn(count, 4, generator=generator)
    spectrum = impulse_spectrum(row, delay, gain, rows, n)
    phase = torch.exp(-2j * torch.pi * torch.arange(n // 2 + 1, dtype=torch.float64) * delay[:, None] / n)  # (K, F)
    for r in range(rows):
        exact = torch.einsum("kc,kf->cf", gain[row == r].to(phase.dtype), phase[row == r])
        assert (spectrum[r] - exact).norm() / exact.norm() < 2e-4


def test_delays_at_the_edge_wrap_around():
    delay = torch.tensor([0.25, 127.75], dtype=torch.float64)
    spectrum = impulse_spectrum(torch.tensor([0, 0]), delay, torch.ones(2, 1), 1, 128)
    exact = torch.exp(-2j * torch.pi * torch.arange(65, dtype=torch.float64) * delay[:, None] / 128).sum(0)
    assert (spectrum[0, 0] - exact).abs().max() < 1e-3


@pytest.mark.parametrize("before", [False, True])
def test_the_deterministic_switch_is_put_back(before):
    """The switch itself only matters on CUDA; here it must be left as it was, whatever happens inside."""
    torch.use_deterministic_algorithms(before)
    try:
        with pytest.raises(RuntimeError, match="inside"), gridding._deterministic(True):
            assert torch.are_deterministic_algorithms_enabled()
            raise RuntimeError("inside")
        assert torch.are_deterministic_algorithms_enabled() == before
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_same_bits_each_time_on_a_gpu():
    g = torch.Generator().manual_seed(0)
    delay, gain = torch.rand(200000, generator=g, dtype=torch.float64) * 900, torch.randn(200000, 4, generator=g)
    arguments = (torch.zeros(200000, dtype=torch.long, device="cuda"), delay.cuda(), gain.cuda(), 1, 1024)
    first = gridding.impulse_spectrum(*arguments)
    assert all(torch.equal(gridding.impulse_spectrum(*arguments), first) for _ in range(5))
