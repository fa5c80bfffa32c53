"""A runner that can be killed, and the results of an experiment to which nothing happened."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import pytest

HERE = pathlib.Path(__file__).parent
LIMIT_S = 300
"""As in attempts.py; its process has a minute more."""
ROOT = HERE.parents[1]
RESULTS = ("evaluate/*/metrics.json", "embed/*/embeddings.safetensors")
"""What must come out the same, byte for byte."""


class Runner:
    """Starts attempts and tells how they ended."""

    def __init__(self, program=(sys.executable, str(HERE / "attempts.py")), limit_s=LIMIT_S + 60):
        self.limit_s = limit_s
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        for name in [name for name in environment if name.startswith("SLURM_")]:
            del environment[name]
        self.folder = tempfile.TemporaryDirectory()  # not beside the runs: their disk may be full
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(program, env=environment, **pipes)
        assert self.line() == "ready\n"

    def line(self):
        """What the process says next; it is killed where it says nothing for too long."""
        timer = threading.Timer(self.limit_s, self.process.kill)
        timer.start()
        said = self.process.stdout.readline()
        timer.cancel()
        return said or pytest.fail(f"the process that starts attempts ended, or said nothing for {self.limit_s} s and was killed")

    def __call__(self, runs, **asked):
        """Exit code of an attempt (a list of them where several go at once), and what it printed."""
        log = pathlib.Path(self.folder.name) / "log"
        log.unlink(missing_ok=True)
        print(json.dumps({"runs": str(runs), "log": str(log), **asked}), file=self.process.stdin, flush=True)
        codes = json.loads(self.line())
        if None in codes:
            pytest.fail(f"an attempt did not end and was killed; it had said:\n{log.read_text()}")
        return codes if "at_once" in asked else codes[0], log.read_text()


@pytest.fixture(scope="session")
def attempt():
    runner = Runner()
    yield runner
    runner.process.stdin.close()
    try:
        runner.process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        runner.process.kill()
    runner.folder.cleanup()


def results(runs):
    return {pattern: next(runs.glob(pattern)).read_bytes() for pattern in RESULTS}


def finished(runs):
    """Runs that are done, with the content of their done.json."""
    return {path.parent.relative_to(runs): path.read_text() for path in runs.glob("*/*/done.json")}


@pytest.fixture(scope="session")
def alone(attempt, tmp_path_factory):
    """Folder, results and seconds of an uninterrupted experiment."""
    runs = tmp_path_factory.mktemp("alone") / "runs"
    began = time.monotonic()
    code, text = attempt(runs)
    assert code == 0, text
    return runs, results(runs), time.monotonic() - began


@pytest.fixture
def goes_on(attempt, alone):
    """The next attempt ends in the same results, and what was finished before is left as it was."""

    def goes_on(runs, **asked):
        before = finished(runs)
        code, text = attempt(runs, **asked)
        assert code == 0, text
        assert results(runs) == alone[1]
        assert before.items() <= finished(runs).items()
        return text

    return goes_on
