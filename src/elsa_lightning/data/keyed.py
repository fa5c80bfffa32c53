"""Random numbers of a batch, each row a function of its own key: the same on every device, in any batch, in any order."""

from __future__ import annotations

import torch
from torch import Tensor

from elsa_lightning.acoustics.noise import hash64
from elsa_lightning.seeding import seed_of


def uniform(key: Tensor, count: int, purpose: str) -> Tensor:
    """Numbers in (0, 1).

    Args:
        key: `(B,)` int64.
        count: numbers per row.
        purpose: rows of equal keys differ between purposes.

    Returns:
        `(B, count)` float32.
    """
    salted = hash64(key ^ seed_of("keyed", purpose))[:, None] + torch.arange(count, device=key.device)
    bits = hash64(salted) & ((1 << 23) - 1)
    return (bits.float() + 0.5) / (1 << 23)


def sub_key(key: Tensor, purpose: str) -> Tensor:
    """Another key `(B,)` int64 for one purpose, for what draws by a key itself."""
    return hash64(key ^ seed_of("keyed", purpose))


def between(key: Tensor, low: float, high: float, purpose: str) -> Tensor:
    """Uniform numbers `(B,)` in (low, high)."""
    return low + (high - low) * uniform(key, 1, purpose)[:, 0]


def normal(key: Tensor, count: int, purpose: str) -> Tensor:
    """Standard normal numbers `(B, count)` (Box and Muller)."""
    radius = (-2 * uniform(key, count, f"{purpose} radius").log()).sqrt()
    return radius * (2 * torch.pi * uniform(key, count, f"{purpose} angle")).cos()
