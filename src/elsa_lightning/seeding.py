"""Randomness as a function of what is drawn for, never of who draws it.

A draw is keyed by its purpose and by (seed, epoch, index); so a batch is the same for any number of workers or ranks and after any resume.
"""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(*parts: int | str) -> int:
    """A 63-bit seed that depends on every part and is the same on every machine and in every process.

    Args:
        parts: the purpose of the draw (a string), then seed, epoch, index, … Strings and integers never collide.
    """
    text = "\x1f".join(f"{type(p).__name__}:{p}" if isinstance(p, str) else f"int:{int(p)}" for p in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def rng_of(*parts: int | str) -> np.random.Generator:
    """A NumPy generator seeded by `seed_of(*parts)`."""
    return np.random.default_rng(seed_of(*parts))
