"""A runner that can be killed, and the results of an experiment to which nothing happened."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = ("evaluate/*/metrics.json", "embed/*/embeddings.safetensors")
"""What must come out the same, byte for byte."""


class Runner:
    """Starts attempts and tells how they ended."""

    def __init__(self):
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
        for name in [name for name in environment if name.startswith("SLURM_")]:
            del environment[name]
        self.folder = tempfile.TemporaryDirectory()  # not beside the runs: their disk may be full
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, str(HERE / "attempts.py")], env=environment, **pipes)
        assert self.process.stdout.readline() == "ready\n"

    def __call__(self, runs, **asked):
        """Exit code of an attempt (a list of them where several go at once), and what it printed."""
        log = pathlib.Path(self.folder.name) / "log"
        log.unlink(missing_ok=True)
        print(json.dumps({"runs": str(runs), "log": str(log), **asked}), file=self.process.stdin, flush=True)
        codes = json.loads(self.process.stdout.readline())
        return codes if "at_once" in asked else codes[0], log.read_text()


@pytest.fixture(scope="session")
def attempt():
    runner = Runner()
    yield runner
    runner.process.stdin.close()
    runner.process.wait()
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
