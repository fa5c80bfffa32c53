"""The symmetric contrastive loss between audio and text (InfoNCE; Radford et al. 2021, arXiv 2103.00020, figure 3)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from elsa_lightning.losses.gather import gather as gather_ranks
from elsa_lightning.losses.gather import rank, require_equal_batches, world_size
from elsa_lightning.losses.partners import Partners, shares


def clip_loss(audio: Tensor, text: Tensor, logit_scale: Tensor | float, gather: bool = True, partners: Partners | None = None) -> Tensor:
    """½ · [CE(scale · audio · textᵀ) + CE(scale · text · audioᵀ)], where row i's own partner is the right class, or all its partners
    are in equal parts (as in supervised contrastive learning, Khosla et al. 2020, arXiv 2004.11362, with the sum outside the logarithm).

    The *local* form: each rank's B rows against the W·B columns of all ranks, memory B × W·B. The mean of the ranks' losses, and the
    gradient after DDP's mean, equal those of one process with the joined batch; the value differs between ranks (reduce it to log it).
    Logits are float32 (float64 for float64 inputs) whatever autocast says, and never exponentiated: temperature 0.01 is safe.

    Args:
        audio, text: `(B, E)`, L2-normalised; B equal on all ranks.
        logit_scale: 1 / temperature (already exponentiated), scalar.
        gather: take the other ranks' rows as negatives too. Every rank must then call.
        partners: what is true of what beyond each row's own pair; None: nothing.

    Returns:
        Scalar of the logits' dtype.

    Raises:
        ValueError: audio and text are not of one shape (B, E).
        RunError: batch sizes differ between ranks.
    """
    if audio.ndim != 2 or audio.shape != text.shape:
        raise ValueError(f"audio and text must both be (B, E), not {tuple(audio.shape)} and {tuple(text.shape)}")
    count, width = audio.shape
    with torch.autocast(audio.device.type, enabled=False):
        dtype = torch.promote_types(torch.promote_types(audio.dtype, text.dtype), torch.float32)
        audio, text = audio.to(dtype), text.to(dtype)
        scale = torch.as_tensor(logit_scale, dtype=dtype, device=audio.device)
        all_audio, all_text, first = audio, text, 0
        if gather and world_size() > 1:
            require_equal_batches(count, audio.device)
            both = gather_ranks(torch.cat((audio, text), dim=1))  # (W·B, 2E): one exchange instead of two
            all_audio, all_text, first = both[:, :width], both[:, width:], rank() * count
        to_text = to_audio = torch.arange(first, first + count, device=audio.device)  # (B,) the right classes
        if partners is not None:
            true = (partners.of_all_ranks() if gather else partners).true()  # (W·B, W·B)
            to_text, to_audio = shares(true[to_text], dtype), shares(true[:, to_audio].T, dtype)  # (B, W·B)
        audio_to_text = F.cross_entropy(scale * audio @ all_text.T, to_text)  # logits (B, W·B)
        text_to_audio = F.cross_entropy(scale * text @ all_audio.T, to_audio)
        return (audio_to_text + text_to_audio) / 2
