"""What follows a stop: a stand-in for `scontrol` answers as SLURM's does."""

import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from elsa_lightning import requeue
from elsa_lightning.cli import main
from elsa_lightning.lifetime import PARENT, Stopped, listening
from elsa_lightning.locks import holder_of
from elsa_lightning.ranks import LAUNCHED
from elsa_lightning.requeue import after_stop, requeues
from elsa_lightning.runs import Run, prepare
from elsa_lightning.scheduler import Interrupted, Scheduler

SCONTROL = """#!{python}
import os, sys
with open({log!r}, "a") as log:
    print(*sys.argv[1:], os.path.getsize({lock!r}) if os.path.exists({lock!r}) else "", file=log)
if "show" in sys.argv:
    print(os.environ["STUB_STATE"])
elif os.environ.get("STUB_REFUSES"):
    sys.exit("slurm_requeue error: Requested operation is presently disabled")
"""
STOP = Stopped(signal.SIGUSR1, 40)


@pytest.fixture
def job(write, tmp_path, monkeypatch):
    """A SLURM job whose state the test sets; gives what was asked of scontrol."""
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    log, lock = tmp_path / "scontrol.log", tmp_path / "run" / "lock"
    file = write("bin/scontrol", SCONTROL.format(python=sys.executable, log=str(log), lock=str(lock)))
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{file.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    monkeypatch.setenv("STUB_STATE", "JobId=71 JobState=RUNNING Reason=None")
    (tmp_path / "run").mkdir()
    return lambda: [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def asked(job):
    return [words[1] for words in job() if words[0] == "requeue"]


def test_a_job_goes_back_to_the_queue_and_the_folder_says_so(job, tmp_path):
    text = after_stop(STOP, [tmp_path / "run"], most=3)
    assert "SIGUSR1 asked to stop; saved at step 40; job 71 was requeued, 1 of at most 3 times" in text
    assert asked(job) == ["71"]
    (entry,) = requeues(tmp_path / "run")
    assert (entry["job"], entry["count"], entry["signal"], entry["step"]) == ("71", 1, "SIGUSR1", 40)


def test_a_task_of_an_array_goes_by_its_number(job, tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "70")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "4")
    after_stop(STOP, [tmp_path / "run"], most=3)
    assert asked(job) == ["70_4"]


def test_requeues_are_bounded_by_the_folder_and_by_slurm_for_each_job(job, tmp_path, monkeypatch):
    for count in (1, 2):
        assert f"{count} of at most 2" in after_stop(STOP, [tmp_path / "run"], most=2)
    text = after_stop(STOP, [tmp_path / "run"], most=2)
    assert "requeued 2 times" in text and "trainer.max_requeues" in text and "submit it again" in text
    assert len(asked(job)) == len(requeues(tmp_path / "run")) == 2
    monkeypatch.setenv("SLURM_JOB_ID", "72")  # a person has submitted anew
    assert "1 of at most 2" in after_stop(STOP, [tmp_path / "run"], most=2)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")  # by others: a node went down
    assert "requeued 2 times" in after_stop(STOP, [tmp_path / "run"], most=2)
    monkeypatch.setenv("SLURM_JOB_ID", "73")
    monkeypatch.delenv("SLURM_RESTART_COUNT")
    assert "requeued 0 times" in after_stop(STOP, [tmp_path / "run"], most=0)


@pytest.mark.parametrize("rank", ["0", "1"])
def test_a_signal_before_the_training_ends_the_first_process_at_once_and_others_where_all_agree(tmp_path, monkeypatch, rank):
    """The first may be in `fit` already, and wait for the others there."""
    heard = []

    def execute(folder):
        os.kill(os.getpid(), signal.SIGUSR1)
        with listening(at_once=False) as notice:  # as `fit` does
            heard.append(notice.asked)

    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name, value in ((PARENT, "0"), (LAUNCHED, "1"), ("LOCAL_RANK", rank)):
        monkeypatch.setenv(name, value)
    planned = SimpleNamespace(experiment=SimpleNamespace(trainer=SimpleNamespace(max_requeues=0)))
    monkeypatch.setattr("elsa_lightning.runs.read_config", lambda folder: planned)
    monkeypatch.setattr("elsa_lightning.cli_runs._execute", execute)
    assert main(["stage", str(tmp_path / "train" / "ab")]) == (0 if rank == "1" else Stopped.exit_code)
    assert heard == ([signal.SIGUSR1] if rank == "1" else [])


@pytest.mark.parametrize(
    ("state", "words", "count"),
    [
        ("JobState=COMPLETING Reason=None", "was cancelled", 0),
        ("JobState=CANCELLED Reason=None", "was cancelled", 0),
        ("JobState=PENDING Reason=BeginTime", "SLURM has put job 71 back", 0),
        ("JobState=COMPLETING Reason=None Restarts=1", "SLURM has put job 71 back", 0),
        ("JobState=COMPLETING Reason=TimeLimit", "was requeued", 1),
        ("JobState=TIMEOUT Reason=TimeLimit", "was requeued", 1),
        ("", "was requeued", 1),
    ],
)
def test_what_scancel_ends_stays_ended(job, tmp_path, monkeypatch, state, words, count):
    monkeypatch.setenv("STUB_STATE", state)
    assert words in after_stop(Stopped(signal.SIGTERM), [tmp_path / "run"], most=3)
    assert len(asked(job)) == len(requeues(tmp_path / "run")) == count


def test_a_refusal_is_said_and_not_counted(job, tmp_path, monkeypatch):
    monkeypatch.setenv("STUB_REFUSES", "1")
    text = after_stop(STOP, [tmp_path / "run"], most=3)
    assert "did not take job 71 back: slurm_requeue error" in text and "submit it again" in text
    assert requeues(tmp_path / "run") == []
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "no scontrol on this node" in after_stop(STOP, [tmp_path / "run"], most=3)


def test_a_full_disk_does_not_cost_the_place_in_the_queue(job, tmp_path, capsys):
    gone = tmp_path / "gone" / "run"
    assert "was requeued" in after_stop(STOP, [gone], most=3)
    assert "could not be recorded" in capsys.readouterr().out and asked(job) == ["71"]


def test_outside_slurm_the_same_command_goes_on(tmp_path, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert after_stop(STOP, [tmp_path], 3) == "SIGUSR1 asked to stop; saved at step 40\n  → the same command goes on from there"


@pytest.fixture
def folder(plan, tmp_path):
    return prepare(plan.runs["static", 0][1], tmp_path / "runs").folder


def test_a_stage_gives_its_lock_back_before_its_job_may_end(job, folder, tmp_path, monkeypatch, capsys):
    (tmp_path / "run").rmdir()
    (tmp_path / "run").symlink_to(folder)
    monkeypatch.delenv(PARENT, raising=False)

    def execute(folder):
        assert holder_of(folder / "lock")
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    monkeypatch.setattr("elsa_lightning.cli_runs._execute", execute)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["stage", str(folder)]) == 85
    assert signal.getsignal(signal.SIGTERM) is before
    assert job()[-1] == ["requeue", "71", "0"], "the lock's length"
    assert Run(folder).state == "missing" and "SIGTERM asked to stop; finished work is kept" in capsys.readouterr().out
    monkeypatch.setenv(requeue.BELOW, "1")  # under a scheduler, which decides about the job
    assert main(["stage", str(folder)]) == 85
    assert len(asked(job)) == 1


def test_a_further_rank_ends_without_a_word(folder, monkeypatch, capsys):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setattr("elsa_lightning.cli_runs._execute", lambda folder: os.kill(os.getpid(), signal.SIGUSR1))
    assert main(["stage", str(folder)]) == 0 and capsys.readouterr().out == ""


@pytest.mark.parametrize("who", ["scheduler", "stage"])
def test_a_scheduler_requeues_its_job_once_for_all_its_stages(job, plan, tmp_path, write, who, executed, stub):
    """SLURM tells the scheduler, or the steps of its job and not the batch script itself."""
    tell = f"os.kill({'os.getppid()' if who == 'scheduler' else 'os.getpid()'}, signal.SIGUSR1); time.sleep(30)"
    text = Path(stub[1]).read_text().replace('    print("executing', f'    import signal; {tell}\n    print("executing')
    text = text.replace("except (RunError, Held) as fault:\n    print(fault)", "except KeyboardInterrupt as fault:\n    print(fault)")
    write("stub.py", text)
    with pytest.raises(Interrupted, match="0 of 13 stages are done") as stop:
        Scheduler(plan.stages, tmp_path / "runs", 2, stub, lambda line: None, poll_s=0.02).run()
    assert stop.value.exit_code == 85 and "was requeued, 1 of at most 20 times" in str(stop.value)
    assert asked(job) == ["71"] and executed() == []
    assert len(list((tmp_path / "runs").glob("*/*/requeues.json"))) == 1
    assert json.loads(next((tmp_path / "runs").glob("*/*/requeues.json")).read_text())[0]["signal"] == "SIGUSR1"


def test_a_second_signal_does_not_disturb_the_tidying_up():
    heard = []
    with listening() as notice:
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGUSR1)
            signal.pause()
        os.kill(os.getpid(), signal.SIGTERM)
        heard.append(notice.asked)
    assert heard == [signal.SIGUSR1]
