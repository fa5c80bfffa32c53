"""Where source and microphone stand: inside, where they were wanted, on no plane of symmetry."""

import pytest
import torch

from elsa_lightning.acoustics.placing import MARGIN_M, place
from elsa_lightning.errors import DataError


def test_all_sources_are_inside_and_nothing_stands_on_a_plane_of_symmetry():
    generator = torch.Generator().manual_seed(0)
    size = torch.tensor([6.0, 5.0, 3.0])
    for seed in range(200):
        offsets = torch.nn.functional.normalize(torch.randn(3, 3, generator=generator), dim=1) * torch.tensor([[0.3], [1.0], [1.2]])
        microphone = place(size, offsets, seed)
        for point in (microphone, *(microphone + offsets)):
            assert (point >= MARGIN_M - 1e-6).all() and (point <= size - MARGIN_M + 1e-6).all()
        assert torch.equal(place(size, offsets, seed), microphone)
    for seed in range(200):
        ahead = torch.tensor([[1.0, 0.0, 0.0]])  # on two axes nothing but the draw keeps it off the middle
        microphone = place(size, ahead, seed)
        for point in (microphone, microphone + ahead[0], microphone + ahead[0] / 2):
            assert ((point / size - 0.5).abs() > 0.015).all()


def test_a_room_that_is_too_small_names_the_axis():
    with pytest.raises(DataError, match="z axis"):
        place(torch.tensor([6.0, 5.0, 2.5]), torch.tensor([[0.0, 0.0, 2.3]]), 0)
