"""The two towers as modules of tensors alone: a waveform in, token ids in, an embedding out. What is exported by `api.graphs`."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from elsa_lightning.data.spatialize import level
from elsa_lightning.features import FrontEnd
from elsa_lightning.features.real_front_end import RealFrontEnd
from elsa_lightning.models import ElsaModel


class AudioGraph(nn.Module):
    """FOA `(B, 4, T)`, ACN/SN3D of any level and of the training's length → embeddings `(B, E)` of length 1.

    Args:
        network: in evaluation mode, on the CPU.
        front_end: the model's.
    """

    def __init__(self, network: ElsaModel, front_end: FrontEnd) -> None:
        super().__init__()
        self.front_end = RealFrontEnd(front_end)
        self.network = _only(network, ("semantic", "spatial", "audio_projection"))

    def forward(self, foa: Tensor) -> Tensor:
        return self.network.embed_audio(self.front_end(level(foa)))


class TextGraph(nn.Module):
    """Token ids and mask `(B, L)` int64 → embeddings `(B, E)` of length 1.

    Args:
        network: in evaluation mode, on the CPU.
    """

    def __init__(self, network: ElsaModel) -> None:
        super().__init__()
        self.network = _only(network, ("text", "text_projection"))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        return self.network.embed_text({"input_ids": input_ids, "attention_mask": attention_mask})


def _only(network: ElsaModel, kept: tuple[str, ...]) -> ElsaModel:
    """The network, sharing its weights, without the parts that a tower does not read: a graph would carry their weights."""
    part = copy.copy(network)
    part._modules = {name: module for name, module in network._modules.items() if name in kept}
    part._parameters = {}
    return part


@contextlib.contextmanager
def traceable() -> Iterator[None]:
    """PyTorch's fused transformer layer off: it is one operation that no other runtime knows."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
