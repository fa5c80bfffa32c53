"""The scheduler with stages that take no time: order, sharing, faults, kills, and what a second call does."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
import types

import pytest

from elsa_lightning.errors import RunError
from elsa_lightning.locks import hold, holder_of, this_process
from elsa_lightning.runs import Run
from elsa_lightning.scheduler import Scheduler
from elsa_lightning.tables import plan as plan_table

CALL = """
import signal
import sys
from pathlib import Path
from elsa_lightning.scheduler import Scheduler
from elsa_lightning.table_file import load_table
from elsa_lightning.tables import plan
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in a shell's background is started with Ctrl-C ignored
stages = plan(load_table(sys.argv[1]), None, lambda corpus: "c0ffee", seeds=[0]).stages
try:
    sys.exit(Scheduler(stages, Path(sys.argv[2]), jobs=2, command=(sys.executable, sys.argv[3])).run().exit_code)
except KeyboardInterrupt as stop:
    print(stop, file=sys.stderr)
    sys.exit(130)
"""


@pytest.fixture
def plan(table):
    """One seed of each row: seven stages."""
    return plan_table(table, None, lambda corpus: "c0ffee", seeds=[0])


@pytest.fixture
def run(plan, stub, tmp_path):
    """Run stages of the tiny table's plan; gives the outcome and the lines shown."""

    def run(stages=None, jobs=2):
        lines = []
        return Scheduler(stages or plan.stages, tmp_path / "runs", jobs, stub, lines.append, poll_s=0.02).run(), lines

    return run


def wait_for(condition, seconds=20.0):
    end = time.time() + seconds
    while not condition():
        assert time.time() < end, "waited in vain"
        time.sleep(0.02)


def test_shared_stages_run_once_and_parents_first(plan, run, executed):
    outcome, lines = run()
    names = executed()
    assert sorted(names) == sorted({ref.run_id for stages in plan.runs.values() for ref in stages}) == sorted(outcome.done)
    assert sum(name.startswith("rooms/") for name in names) == 1
    assert sum(name.startswith("train/") for name in names) == 2
    for ref in plan.stages:
        assert all(names.index(f"{stage}/{mark}") < names.index(ref.run_id) for stage, mark in ref.parents.items())
    assert outcome.exit_code == 0
    assert sum("started" in line for line in lines) == sum("done in" in line for line in lines) == len(names)


def test_a_second_call_runs_nothing(plan, run, executed):
    run()
    count = len(executed())
    outcome, lines = run()
    assert len(executed()) == count
    assert outcome.exit_code == 0
    assert lines == [f"{count} of {count} stages are done already"]


def test_a_failed_stage_holds_up_only_what_needs_it(plan, run, executed, monkeypatch, tmp_path):
    row, other = plan.runs["static", 0], plan.runs["learned", 0]
    run(row)
    monkeypatch.setenv("STUB_FAIL", "train")
    outcome, lines = run([*row, *other])
    assert list(outcome.failed) == [other[1].run_id]
    assert outcome.blocked == {other[2].run_id: other[1].run_id, other[3].run_id: other[1].run_id}
    assert outcome.exit_code == 3
    assert "the loss is not finite" in outcome.failed[other[1].run_id]
    assert any("log.txt" in line for line in lines)
    assert "executing train" in (tmp_path / "runs" / other[1].run_id / "log.txt").read_text()
    monkeypatch.delenv("STUB_FAIL")
    outcome, _ = run([*row, *other])
    assert outcome.exit_code == 0
    assert executed()[-3:] == [ref.run_id for ref in other[1:]]


def test_a_crash_shows_the_end_of_the_log(plan, run, monkeypatch, write):
    write("stub.py", "print('last words'); import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    outcome, _ = run(plan.runs["static", 0])
    (text,) = outcome.failed.values()
    assert "SIGSEGV" in text and "last words" in text


SRUN = """#!{python}
import os, sys
flags = [a for a in sys.argv[1:] if a.startswith("-") and a != "-m"]
with open(os.environ["STUB_LOG"], "a") as log:
    print(",".join([*flags, os.environ.get("ELSA_PARENT_PID", "no parent")]).replace(" ", "_"), file=log)
command = sys.argv[1 + len(flags):]
os.execv(command[0], command)
"""


@pytest.fixture
def on_nodes(plan, write, monkeypatch):
    """Stages of one row that want two nodes, in a SLURM job whose srun starts one process here."""
    file = write("bin/srun", SRUN.format(python=sys.executable))
    file.chmod(0o755)
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PATH", f"{file.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")

    def wanting(ref):
        trainer = dataclasses.replace(ref.experiment.trainer, nodes=2, devices=2)
        return dataclasses.replace(ref, experiment=dataclasses.replace(ref.experiment, trainer=trainer))

    return [wanting(ref) for ref in plan.runs["static", 0]]


def test_a_training_on_several_nodes_is_started_by_srun_and_nothing_else_is(on_nodes, run, executed):
    outcome, _ = run(on_nodes)
    assert outcome.exit_code == 0
    srun = "--kill-on-bad-exit=1,--nodes=2,--ntasks-per-node=2,no_parent"
    assert executed() == [on_nodes[0].run_id, srun, *(ref.run_id for ref in on_nodes[1:])]


def test_several_nodes_without_a_job_are_refused_before_any_work(on_nodes, run, executed, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID")
    with pytest.raises(RunError, match="no SLURM job"):
        run(on_nodes)
    assert executed() == []


def test_several_schedulers_of_one_srun_are_refused(run, executed, monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    with pytest.raises(RunError, match="srun started this command 4 times"):
        run()
    assert executed() == []


def test_a_missing_accelerator_is_told_before_any_work(plan, run, executed, monkeypatch):
    def machine(cuda, mps):
        here = {"cuda": cuda, "backends.mps": mps}
        found = {name: types.SimpleNamespace(is_available=lambda there=there: there) for name, there in here.items()}
        torch = types.SimpleNamespace(cuda=found["cuda"], backends=types.SimpleNamespace(mps=found["backends.mps"]))
        monkeypatch.setitem(sys.modules, "torch", torch)

    def asking(accelerator):
        trainers = {ref: dataclasses.replace(ref.experiment.trainer, accelerator=accelerator) for ref in plan.stages}
        return [dataclasses.replace(ref, experiment=dataclasses.replace(ref.experiment, trainer=trainers[ref])) for ref in plan.stages]

    machine(cuda=False, mps=False)
    for accelerator in ("gpu", "cuda", "mps"):
        with pytest.raises(RunError, match=f"accelerator` is {accelerator}, and torch finds none"):
            run(asking(accelerator))
    assert executed() == []
    machine(cuda=True, mps=False)
    with pytest.raises(RunError, match="is mps"):
        run(asking("mps"))
    assert run(asking("gpu"))[0].exit_code == 0
    machine(cuda=False, mps=False)
    assert run(asking("gpu"))[0].exit_code == 0  # nothing is left to train


def test_what_another_process_works_on_is_waited_for(plan, run, tmp_path, executed):
    rooms = plan.runs["static", 0][0]
    folder = tmp_path / "runs" / rooms.run_id
    code = "import sys, time; from elsa_lightning.runs import perform; perform(sys.argv[1], lambda folder: time.sleep(0.6))"
    other = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    wait_for(lambda: holder_of(folder / "lock") is not None)
    outcome, lines = run(plan.runs["static", 0])
    assert other.wait() == 0
    assert outcome.exit_code == 0
    assert rooms.run_id not in executed()
    assert any(f"process {other.pid}" in line for line in lines)


def start_call(plan, stub, tmp_path):
    command = [sys.executable, "-c", CALL, str(plan.table.path), str(tmp_path / "runs"), stub[1]]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def test_kill_9_ends_the_stages_and_a_second_call_does_only_the_rest(plan, stub, tmp_path, executed, run, monkeypatch):
    monkeypatch.setenv("STUB_HANG", "train")
    call = start_call(plan, stub, tmp_path)
    wait_for(lambda: sum(name.startswith("train/") for name in executed()) == 2)
    call.kill()
    call.communicate()
    locks = [tmp_path / "runs" / name / "lock" for name in executed() if name.startswith("train/")]
    wait_for(lambda: not any(holder_of(lock) for lock in locks), 5.0)
    before = executed()
    assert all(Run(lock.parent).state == "missing" for lock in locks)
    monkeypatch.delenv("STUB_HANG")
    outcome, _ = run()
    assert outcome.exit_code == 0
    assert sum(name.startswith("rooms/") for name in executed()) == 1
    assert len(executed()) - len(before) == len(plan.stages) - 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_call_stops_its_stages_and_says_what_is_kept(plan, stub, tmp_path, executed, monkeypatch, number):
    monkeypatch.setenv("STUB_HANG", "train")
    call = start_call(plan, stub, tmp_path)
    wait_for(lambda: any(name.startswith("train/") for name in executed()))
    call.send_signal(number)
    _, text = call.communicate(timeout=20)
    assert call.returncode == 130
    assert f"1 of {len(plan.stages)} stages are done and kept" in text
    assert "the same command goes on from there" in text
    assert not any(holder_of(tmp_path / "runs" / name / "lock") for name in executed())


def test_threads_are_shared_among_jobs(plan, tmp_path, monkeypatch):
    monkeypatch.setattr("elsa_lightning.scheduler.cores", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    environment = Scheduler(plan.stages, tmp_path, jobs=3)._environment()
    assert environment["ELSA_THREADS"] == environment["OMP_NUM_THREADS"] == "2"
    assert environment["ELSA_PARENT_PID"] == str(os.getpid())


def test_this_process_is_its_own_holder(tmp_path):
    with hold(tmp_path):
        assert holder_of(tmp_path / "lock") == this_process()
