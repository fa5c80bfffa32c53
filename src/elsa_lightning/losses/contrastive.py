"""Contrastive losses between audio and text: InfoNCE (Radford et al. 2021, arXiv 2103.00020, figure 3) and SigLIP's sigmoid form (Zhai
et al. 2023, arXiv 2303.15343).

Both are *local*: each rank's B rows against the W·B columns of all ranks, memory B × W·B. The mean of the ranks' losses, and the gradient
after DDP's mean, equal those of one process with the joined batch; the value differs between ranks (reduce it to log it). Every rank must
call. Logits are float32 (float64 for float64 inputs) whatever autocast says.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from elsa_lightning.losses.gather import gather as gather_ranks
from elsa_lightning.losses.gather import mean_over_ranks, rank, require_equal_batches, world_size
from elsa_lightning.losses.partners import Truth, shares


def clip_loss(audio: Tensor, text: Tensor, logit_scale: Tensor | float, gather: bool = True, partners: Truth | None = None) -> Tensor:
    """½ · [CE(scale · audio · textᵀ) + CE(scale · text · audioᵀ)], where row i's own partner is the right class, or all its partners
    are in equal parts (as in supervised contrastive learning, Khosla et al. 2020, arXiv 2004.11362, with the sum outside the logarithm).

    Logits are never exponentiated: temperature 0.01 is safe.

    Args:
        audio: `(B, E)`, L2-normalised; B equal on all ranks.
        text: likewise.
        logit_scale: 1 / temperature (already exponentiated), scalar.
        gather: take the other ranks' rows as negatives too. Every rank must then call.
        partners: what is true of what beyond each row's own pair, and what does not count (rows of which nothing counts are not in the
            mean; without any row it is a connected zero); None: nothing.

    Returns:
        Scalar of the logits' dtype.

    Raises:
        ValueError: audio and text are not of one shape (B, E).
        RunError: batch sizes differ between ranks.
    """
    with torch.autocast(audio.device.type, enabled=False):
        audio, text = _same_precision(audio, text)
        width = audio.shape[1]
        scale = torch.as_tensor(logit_scale, dtype=audio.dtype, device=audio.device)
        all_audio, all_text, own = audio, text, _own_columns(audio, gather)
        if gather:
            both = gather_ranks(torch.cat((audio, text), dim=1))  # (W·B, 2E): one exchange instead of two
            all_audio, all_text = both[:, :width], both[:, width:]
        to_text = to_audio = own  # (B,) the right classes
        logits_to_text, logits_to_audio = scale * audio @ all_text.T, scale * text @ all_audio.T  # (B, W·B)
        count = None
        if partners is not None:
            true, ignored = _judged(partners, gather)  # (W·B, W·B)
            to_text, to_audio = shares(true[own], audio.dtype), shares(true[:, own].T, audio.dtype)  # (B, W·B)
            if ignored is not None:
                least = torch.finfo(audio.dtype).min
                logits_to_text = logits_to_text.masked_fill(ignored[own], least)
                logits_to_audio = logits_to_audio.masked_fill(ignored[:, own].T, least)
                count = _counted(true[own], audio.dtype, gather)
        return (_cross_entropy(logits_to_text, to_text, count) + _cross_entropy(logits_to_audio, to_audio, count)) / 2


def sigmoid_loss(
    audio: Tensor,
    text: Tensor,
    logit_scale: Tensor | float,
    logit_bias: Tensor | float,
    gather: bool = True,
    partners: Truth | None = None,
) -> Tensor:
    """−(1/B) Σᵢⱼ ln σ(zᵢⱼ · (scale · audioᵢ · textⱼ + bias)), z = 1 where caption j is true of clip i, else −1 (SigLIP, algorithm 1): each
    pair is a question of its own, so several true captions need no sharing. Over ranks, clips i are this rank's and captions j all ranks'.

    Args:
        audio: `(B, E)`, L2-normalised; B equal on all ranks.
        text: likewise.
        logit_scale: 1 / temperature (already exponentiated), scalar.
        logit_bias: scalar.
        gather: see `clip_loss`.
        partners: see `clip_loss`.

    Returns:
        Scalar of the logits' dtype.

    Raises:
        ValueError: audio and text are not of one shape (B, E).
        RunError: batch sizes differ between ranks.
    """
    with torch.autocast(audio.device.type, enabled=False):
        audio, text = _same_precision(audio, text)
        scale, bias = (torch.as_tensor(value, dtype=audio.dtype, device=audio.device) for value in (logit_scale, logit_bias))
        own = _own_columns(audio, gather)
        all_text = gather_ranks(text) if gather else text  # (W·B, E)
        logits = scale * audio @ all_text.T + bias  # (B, W·B)
        if partners is None:
            true, ignored = own[:, None] == torch.arange(len(all_text), device=own.device), None
        else:
            true, ignored = _judged(partners, gather)
            true, ignored = true[own], None if ignored is None else ignored[own]
        terms = -F.logsigmoid(torch.where(true, logits, -logits))
        if ignored is None:
            return terms.sum() / len(audio)
        return (terms * ~ignored).sum() / _counted(true, audio.dtype, gather)


def _judged(partners: Truth, gather: bool) -> tuple[Tensor, Tensor | None]:
    """`(W·B, W·B)` bool each: what is true, and what does not count (None: all counts); true is nothing that does not count."""
    known = partners.of_all_ranks() if gather else partners
    true, ignored = known.true(), known.ignored()
    return (true, None) if ignored is None else (true & ~ignored, ignored)


def _counted(true: Tensor, dtype: torch.dtype, gather: bool) -> Tensor:
    """How many rows have a right answer, of a rank on average, so that the mean of the ranks' losses is the joined batch's; never 0."""
    count = true.any(dim=1).sum().to(dtype)
    return mean_over_ranks(count).clamp(min=1 / world_size()) if gather else count.clamp(min=1)


def _cross_entropy(logits: Tensor, target: Tensor, count: Tensor | None) -> Tensor:
    """Mean over the rows; with `count`, their sum over it: rows without a right answer add nothing."""
    return F.cross_entropy(logits, target) if count is None else F.cross_entropy(logits, target, reduction="sum") / count


def _same_precision(audio: Tensor, text: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float32, or in float64 where one is."""
    if audio.ndim != 2 or audio.shape != text.shape:
        raise ValueError(f"audio and text must both be (B, E), not {tuple(audio.shape)} and {tuple(text.shape)}")
    dtype = torch.promote_types(torch.promote_types(audio.dtype, text.dtype), torch.float32)
    return audio.to(dtype), text.to(dtype)


def _own_columns(audio: Tensor, gather: bool) -> Tensor:
    """`(B,)`: where this rank's rows stand among those of all ranks (checked to be equally many on each), or among themselves."""
    count, first = len(audio), 0
    if gather and world_size() > 1:
        require_equal_batches(count, audio.device)
        first = rank() * count
    return torch.arange(first, first + count, device=audio.device)
