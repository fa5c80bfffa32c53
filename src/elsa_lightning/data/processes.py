"""Worker processes: one thread each, started from a clean server process (a fork of a process with threads may hang)."""

from __future__ import annotations

import multiprocessing
from multiprocessing.context import BaseContext

PRELOAD = ["elsa_lightning.data.rendering"]
"""Imported once by the server, so that each worker starts in milliseconds."""


def worker_context() -> BaseContext:
    """`forkserver` where there is one, else `spawn`."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    return context


def single_thread(_worker: int = 0) -> None:
    """Limit this process to one thread (a DataLoader's `worker_init_fn`)."""
    import torch

    torch.set_num_threads(1)
