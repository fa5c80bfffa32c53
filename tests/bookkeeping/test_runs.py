"""Atomic files, locks and run folders."""

import errno
import json
import os
import subprocess
import sys
import time

import pytest

from elsa_lightning import atomic, locks
from elsa_lightning.atomic import disk_space_check, partial_folder, read_json, write_json, write_text
from elsa_lightning.errors import DataError, RunError
from elsa_lightning.locks import Held, Holder, hold, holder_of, this_process
from elsa_lightning.runs import Run, assist, perform, prepare, read_config, write_status

WRITER = """
import sys
from pathlib import Path
from elsa_lightning.atomic import write_json
print("ready", flush=True)
n = 0
while True:
    n += 1
    write_json(Path(sys.argv[1]), {"n": n, "filler": ["x" * 1000] * 200})
"""


def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    path = tmp_path / "done.json"
    for delay in (0.05, 0.08, 0.11):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(delay)
        assert process.poll() is None, "it was still writing"
        process.kill()
        process.wait()
        process.stdout.close()
        assert len(json.loads(path.read_text())["filler"]) == 200


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a", "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="no space left") as caught:
        write_text(tmp_path / "a", "new")
    assert str(tmp_path) in str(caught.value) and "--runs" in caught.value.remedy
    assert (tmp_path / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_disk_space_is_checked_before_work(tmp_path):
    disk_space_check(tmp_path / "not" / "yet", 1)
    with pytest.raises(RunError, match="free"):
        disk_space_check(tmp_path, 10**18)


def test_what_a_killed_process_left_is_removed(tmp_path):
    for name in (".train-dead", ".train-2-other", ".training", "train-2"):
        (tmp_path / name / "deep").mkdir(parents=True)
    made = partial_folder(tmp_path / "train")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([made.name, ".training", "train-2"])
    made.rename(tmp_path / "train")


def test_a_lock_where_nothing_may_be_written_is_one_message(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(RunError, match="Read-only") as caught, hold(tmp_path / "train" / "ab"):
        pass
    assert str(tmp_path) in caught.value.message


def write_lock(folder, holder, age_s=0.0):
    folder.mkdir(exist_ok=True)
    (folder / "lock").write_text(json.dumps(vars(holder)))
    os.utime(folder / "lock", (time.time() - age_s,) * 2)
    return folder / "lock"


def test_a_live_lock_is_left_alone(tmp_path):
    with hold(tmp_path), pytest.raises(Held, match=str(os.getpid())), hold(tmp_path):
        pass
    assert holder_of(tmp_path / "lock") is None
    with hold(tmp_path) as lock:
        assert not lock.took_over


@pytest.mark.parametrize("kind", ["gone", "reused", "torn"])
def test_a_dead_process_lock_is_taken_over(tmp_path, kind):
    me = this_process()
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    holder = Holder(me.machine, child.pid if kind == "gone" else me.pid, me.started + (kind == "reused"))
    lock = write_lock(tmp_path, holder)
    if kind == "torn":
        lock.write_text('{"machine": ')
    assert holder_of(lock) is None
    with hold(tmp_path) as held:
        assert held.took_over
        assert holder_of(lock) == me


def test_a_lock_of_another_machine_lives_by_its_heartbeat(tmp_path):
    other = Holder("elsewhere/1", 1, 1)
    assert holder_of(write_lock(tmp_path / "live", other)) == other
    assert holder_of(write_lock(tmp_path / "dead", other, age_s=locks.STALE_S + 5)) is None


def test_the_heartbeat_renews_the_lock_and_stops_when_it_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.02)
    with hold(tmp_path) as lock:
        os.utime(lock.path, (1, 1))
        end = time.time() + 5
        while lock.path.stat().st_mtime < 2 and time.time() < end:
            time.sleep(0.01)
        assert lock.path.stat().st_mtime > 2
        write_lock(tmp_path, Holder("elsewhere/1", 1, 1))
        assert lock.lost
    assert holder_of(tmp_path / "lock") == Holder("elsewhere/1", 1, 1), "a lost lock is not released"


RACER = """
import sys, time
from contextlib import ExitStack
from pathlib import Path
from elsa_lightning.locks import Held, hold
start = float(sys.argv[2])
with ExitStack() as held:
    for i in range(8):
        while time.time() < start + 0.1 * i:
            pass
        try:
            held.enter_context(hold(Path(sys.argv[1]) / str(i)))
            print(i)
        except Held:
            pass
    time.sleep(max(0.0, start + 1.5 - time.time()))
"""


def test_of_many_that_take_over_a_dead_lock_one_wins(tmp_path):
    for i in range(8):
        write_lock(tmp_path / str(i), Holder(this_process().machine, 2**22 + 1, 5))
    command = [sys.executable, "-c", RACER, str(tmp_path), str(time.time() + 1.0)]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    won = [line for racer in racers for line in racer.communicate()[0].split()]
    assert sorted(won) == [str(i) for i in range(8)]


def test_prepare_and_read_config(plan, tmp_path):
    ref = plan.runs["static", 1][1]
    run = prepare(ref, tmp_path / "runs")
    config = read_config(run.folder)
    assert (config.stage, config.fingerprint, config.corpus_hash) == (ref.stage, ref.fingerprint, "c0ffee")
    assert config.experiment == ref.experiment
    assert config.parents == {name: tmp_path / "runs" / name / mark for name, mark in ref.parents.items()}
    assert run.state == "missing"


def test_perform_writes_done_last_and_only_once(tmp_path):
    folder, seen = tmp_path / "train" / "ab", []

    def work(path):
        seen.append(path)
        assert Run(path).state == "running"
        write_status(path, 0.25, "step 1/4")
        assert Run(path).state == "running 25 %"
        assert not (path / "done.json").exists()

    assert perform(folder, work)
    assert not perform(folder, work)
    assert seen == [folder]
    assert Run(folder).state == "done"
    assert Run(folder).seconds >= 0
    assert not (folder / "status.json").exists()


def test_a_failed_attempt_is_recorded_and_the_next_one_clears_it(tmp_path):
    folder = tmp_path / "train" / "ab"

    def fail(path):
        raise RunError("the loss is not finite at step 3", "lower optim.lr")

    with pytest.raises(RunError):
        perform(folder, fail)
    run = Run(folder)
    assert run.state == "failed"
    assert run.failure["error"] == "the loss is not finite at step 3"
    perform(folder, lambda path: None)
    assert run.state == "done" and run.failure is None
    assert len(read_json(folder / "meta.json")["attempts"]) == 2


def test_a_further_process_computes_its_share_and_writes_nothing(tmp_path):
    """No lock and no done.json; neither in a finished run nor in a stage of one process is there anything to do."""
    worked = []
    assist(tmp_path / "train" / "a", worked.append)
    assist(tmp_path / "embed" / "a", worked.append)
    perform(tmp_path / "train" / "b", lambda folder: None)
    assist(tmp_path / "train" / "b", worked.append)
    assert worked == [tmp_path / "train" / "a"] and not (tmp_path / "train" / "a").exists()


def test_a_fault_of_a_further_process_is_the_runs_fault(tmp_path):
    """The first process only sees that the other one is gone."""
    folder = tmp_path / "train" / "a"

    def broken_clip(folder):
        raise DataError("clip 7 is truncated", "replace it")

    def lost(folder):
        with pytest.raises(DataError):
            assist(folder, broken_clip)
        raise RuntimeError("Connection closed by peer")

    with pytest.raises(RuntimeError):
        perform(folder, lost)
    assert Run(folder).failure["error"] == "clip 7 is truncated"
    with pytest.raises(ConnectionError):
        perform(folder, lambda folder: (_ for _ in ()).throw(ConnectionError("another attempt")))
    assert Run(folder).failure["error"] == "ConnectionError: another attempt"


def test_an_interrupted_attempt_is_no_failure(tmp_path):
    def stop(path):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(tmp_path, stop)
    assert Run(tmp_path).state == "missing"


def test_a_killed_attempt_counts_up_to_its_last_sign_of_life(tmp_path):
    write_json(tmp_path / "meta.json", {"attempts": [{"started": 100.0, "seconds": None}]})
    write_json(tmp_path / "status.json", {"fraction": 0.5, "text": "", "updated": 130.0})
    perform(tmp_path, lambda path: None)
    assert Run(tmp_path).seconds == pytest.approx(30.0, abs=5.0)


def test_damaged_metrics_are_named(tmp_path):
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(RunError, match=r"metrics\.json"):
        Run(tmp_path).metrics()


def test_a_damaged_done_file_is_not_done(tmp_path):
    (tmp_path / "done.json").write_text("")
    assert not Run(tmp_path).done
    assert atomic.read_json(tmp_path / "done.json") is None
