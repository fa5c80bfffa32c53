"""Signals to every process of a job reach reading workers and the server that starts them; both go on."""

import os
import signal
from multiprocessing import forkserver
from pathlib import Path

from elsa_lightning.data.processes import worker_context
from elsa_lightning.lifetime import REQUESTS, outlive_requests


def blocked(pid):
    """Signals that a process blocks."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigBlk")]
    mask = int(line.split()[1], 16)
    return {number for number in signal.valid_signals() if mask >> (number - 1) & 1}


def test_the_server_of_workers_blocks_requests_and_this_process_does_not():
    forkserver._forkserver._stop()  # one that another test of this process has started by itself
    worker_context()
    assert blocked(forkserver._forkserver._forkserver_pid) >= set(REQUESTS)
    assert not blocked(os.getpid()) & set(REQUESTS)


def test_a_reading_worker_outlives_requests_but_not_for_ever():
    pid = os.fork()
    if pid == 0:
        outlive_requests()
        for number in REQUESTS:
            os.kill(os.getpid(), number)
        os._exit(7 if signal.alarm(0) > 0 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
