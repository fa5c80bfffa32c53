"""How many CPU threads torch takes. Apart from the trainer, whose import of Lightning costs seconds that most stages need not spend."""

from __future__ import annotations

import torch


def use_threads(threads: int) -> None:
    """Limit the process's CPU threads; 0 leaves torch to choose. Denormals (decaying sound is full of them) become 0."""
    torch.set_flush_denormal(True)
    if threads:
        torch.set_num_threads(threads)
