"""How long a process lives: a stage's ends with the scheduler that started it, and SIGTERM or SIGUSR1 asks one to stop. Imports no torch.

A cluster asks before it takes the machine away: SIGUSR1 some time before the limit (`sbatch --signal=USR1@120`), SIGTERM for a preemption.
Outside a training the request ends the process at once, as tidily as Ctrl-C; a training finishes its step and saves first
(training/preemption.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

PARENT = "ELSA_PARENT_PID"
"""Environment variable in which the scheduler tells a stage its own process id."""

REQUESTS = (signal.SIGTERM, signal.SIGUSR1)
"""Signals that ask a process to stop."""

WORKER_GRACE_S = 60
"""Seconds that a reading worker goes on after SIGTERM: a step may still want its clips. (A cluster signals every process of a job.)"""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to stop; whatever tidies up after Ctrl-C tidies up after it too.

    Args:
        number: the signal.
        step: of the training that was saved; None: nothing was under way that could be.
    """

    exit_code = 85
    """Of a command that was asked to stop: not finished, nothing lost, the same command goes on."""

    def __init__(self, number: int, step: int | None = None) -> None:
        self.signal, self.step = signal.Signals(number), step
        super().__init__(f"{self.signal.name} asked to stop; " + (f"saved at step {step}" if step is not None else "finished work is kept"))


class Notice:
    """Whether a stop was asked for. Use `with listening() as notice`.

    Attributes:
        asked: the first signal that asked; None: none has.
    """

    def __init__(self, at_once: bool) -> None:
        self.asked: signal.Signals | None = None
        self._at_once, self._owner = at_once, os.getpid()

    def install(self) -> None:
        """Let the signals come here (again: a library may have put its own handlers before)."""
        with contextlib.suppress(ValueError):  # not the main thread
            for number in REQUESTS:
                signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:  # a forked worker: when to stop is its main process's decision
            if number == signal.SIGTERM:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        first, self.asked = self.asked is None, self.asked or signal.Signals(number)
        if first and self._at_once:  # a second signal must not disturb the tidying up after the first
            raise Stopped(number)


@contextlib.contextmanager
def listening(at_once: bool = True) -> Iterator[Notice]:
    """Hear requests to stop for the length of the block.

    Args:
        at_once: raise `Stopped` in the main thread; false: note it, and leave the moment to whoever reads `asked`. What a block around this
            one has noted is noted here too.
    """
    notice, before = Notice(at_once), [signal.getsignal(number) for number in REQUESTS]
    notice.install()
    around = getattr(before[0], "__self__", None)
    if not at_once and isinstance(around, Notice):
        notice.asked = notice.asked or around.asked
    try:
        yield notice
    finally:
        with contextlib.suppress(ValueError, TypeError):  # not the main thread; a handler that Python has not set
            for number, handler in zip(REQUESTS, before, strict=True):
                signal.signal(number, handler)


def outlive_requests() -> None:
    """For a worker process that reads for another: go on until that one has finished its step, but not for ever."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, lambda number, frame: signal.alarm(WORKER_GRACE_S))


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
