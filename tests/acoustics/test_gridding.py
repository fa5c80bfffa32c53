import torch

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
