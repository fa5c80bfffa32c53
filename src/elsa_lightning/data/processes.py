"""Worker processes: one thread each, started from a clean server process (a fork of a process with threads may hang)."""

from __future__ import annotations

import ctypes
import multiprocessing
import signal
import sys
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import BaseContext

from elsa_lightning.lifetime import REQUESTS, outlive_requests

PRELOAD = ["elsa_lightning.data.rendering"]
"""Imported once by the server, so that each worker starts in milliseconds."""


def worker_context() -> BaseContext:
    """`forkserver` where there is one, else `spawn`.

    A cluster signals every process of a job: the server blocks requests to stop (it would take its workers with it), and its workers begin
    with them blocked, until `single_thread` or `reading_worker`.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOAD)
    resource_tracker.ensure_running()  # before: it lets SIGTERM through again in this process
    before = signal.pthread_sigmask(signal.SIG_BLOCK, REQUESTS)
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of settings of glibc's `mallopt` (malloc.h)."""


def reading_worker(worker: int = 0) -> None:
    """One thread, and freed memory is kept: sounds of some megabytes come and go, and getting fresh pages for each from the system takes a
    good part of the time that decoding does. (A DataLoader's `worker_init_fn`. Without glibc the system's way of allocating stays.)
    """
    single_thread(worker)
    outlive_requests()
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 32 << 20)  # the most that it takes
        mallopt(_TRIM_THRESHOLD, 256 << 20)


def single_thread(_worker: int = 0) -> None:
    """Limit this process to one thread, and let signals end it (a DataLoader's `worker_init_fn`)."""
    import torch

    torch.set_num_threads(1)
    for number in REQUESTS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, REQUESTS)
