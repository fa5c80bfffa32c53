"""What the tests on a cluster stand on; takes no cluster."""

from types import SimpleNamespace

import pytest

from . import test_sweep_on_slurm as sweep
from .conftest import start

TALKS = "import pathlib, sys; print('x' * 200_000, flush=True); pathlib.Path(sys.argv[2]).touch()"


def test_daemons_that_do_not_come_up_are_a_reason_to_skip(tmp_path):
    def refuse():
        raise RuntimeError("slurmctld failed")

    (tmp_path / "slurmctld.log").write_text("one\nfatal: no address\n")
    with pytest.raises(pytest.skip.Exception, match=r"(?s)slurmctld failed.*slurmctld\.log: fatal: no address"):
        start(SimpleNamespace(start=refuse, folder=tmp_path))


def test_a_process_that_says_much_is_not_held_up(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "IN_ONE_PROCESS", TALKS)
    with sweep.in_one_process("plan", tmp_path / "end"):
        sweep.wait_for((tmp_path / "end").exists, "the process to say it all", 20)


def test_what_a_process_said_is_shown_where_it_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "IN_ONE_PROCESS", "raise SystemExit('the reason')")
    with pytest.raises(AssertionError, match="the reason"), sweep.in_one_process("plan", tmp_path):
        pass
