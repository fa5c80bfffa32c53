import numpy as np
import pytest
import torch

from elsa_lightning.acoustics.convolve import convolve, good_size


@pytest.mark.parametrize(("sound", "response", "length"), [(50, 20, 60), (50, 20, 69), (50, 20, 90), (20, 50, 30), (1, 1, 3), (64, 64, 10)])
def test_against_the_direct_sum(sound, response, length):
    generator = torch.Generator().manual_seed(0)
    mono, rir = torch.randn(2, sound, generator=generator), torch.randn(2, 4, response, generator=generator)
    foa = convolve(mono, rir, length)
    assert foa.shape == (2, 4, length)
    for b in range(2):
        for c in range(4):
            direct = np.convolve(mono[b].numpy(), rir[b, c].numpy())[:length]
            direct = np.pad(direct, (0, length - len(direct)))
            assert np.allclose(foa[b, c].numpy(), direct, atol=1e-5)


def test_sizes_are_even_large_enough_and_smooth():
    for n in (1, 2, 7, 1000, 12345, 91999, 531441):
        size = good_size(n)
        assert size >= n and size % 2 == 0 and size < max(4, 1.15 * n)
        for prime in (2, 3, 5):
            while size % prime == 0:
                size //= prime
        assert size == 1
    assert good_size(531441) != 531441
