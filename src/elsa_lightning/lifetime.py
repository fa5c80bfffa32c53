"""A stage's process ends with the scheduler that started it, and SIGTERM ends it as tidily as Ctrl-C. Imports no torch."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from types import FrameType

PARENT = "ELSA_PARENT_PID"
"""Environment variable in which the scheduler tells a stage its own process id."""


def end_with_parent() -> None:
    """Where the scheduler started this process: be killed when it dies (a kill -9 included), so that no stage works on unseen."""
    parent = int(os.environ.get(PARENT, "0"))
    if not parent:
        return
    death_signal = 1  # PR_SET_PDEATHSIG
    try:
        asked = ctypes.CDLL(None, use_errno=True).prctl(death_signal, signal.SIGKILL, 0, 0, 0) == 0
    except (OSError, AttributeError):
        asked = False
    if os.getppid() != parent:  # it died before we asked
        sys.exit(1)
    if not asked:
        threading.Thread(target=_watch, args=(parent,), daemon=True, name="parent-watch").start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGKILL)


def term_is_interrupt() -> None:
    """SIGTERM raises KeyboardInterrupt in the main thread, so that whatever tidies up after Ctrl-C tidies up after it too."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with contextlib.suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, interrupt)
