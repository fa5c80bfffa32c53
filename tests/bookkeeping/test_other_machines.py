"""Locks and files of other machines: clocks that differ, nodes that died, folders that show late what was written."""

import errno
import json
import os
import threading
import time

import pytest

from elsa_lightning import integrity, locks
from elsa_lightning.errors import RunError
from elsa_lightning.integrity import changed, incomplete, require_whole
from elsa_lightning.locks import FUTURE_S, HEARTBEAT_S, STALE_S, Held, Holder, hold, holder_of
from elsa_lightning.ranks import LAUNCHED
from elsa_lightning.runs import perform

NOW = time.time
OTHER = Holder("elsewhere/1", 1, 1)


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that the test moves; nothing was watched yet."""
    now = [1000.0]
    monkeypatch.setattr(locks, "_WATCHED", {})
    monkeypatch.setattr(locks.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def lock(tmp_path):
    """Write another machine's lock whose last sign of life is so old."""

    def lock(age):
        (tmp_path / "lock").write_text(json.dumps(vars(OTHER)))
        os.utime(tmp_path / "lock", (NOW() - age,) * 2)
        return tmp_path / "lock"

    return lock


@pytest.mark.parametrize("ours", [-3600.0, 3600.0])
def test_age_is_measured_by_the_clock_that_dates_the_files(lock, clock, monkeypatch, ours):
    """This machine's clock is an hour off: a live lock is not taken over, and a dead one is."""
    monkeypatch.setattr(locks.time, "time", lambda: NOW() + ours)
    locks._ahead.cache_clear()
    assert holder_of(lock(HEARTBEAT_S)) == OTHER
    locks._WATCHED.clear()
    assert holder_of(lock(STALE_S + 5)) is None
    locks._ahead.cache_clear()


def test_a_lock_that_moves_is_alive_whatever_its_date(lock, clock):
    assert holder_of(lock(2 * STALE_S)) is None
    assert holder_of(lock(2 * STALE_S - HEARTBEAT_S)) == OTHER, "its machine's clock is behind, and it beats"


def test_a_lock_of_the_future_is_watched(lock, clock):
    path = lock(-3600)
    assert holder_of(path) == OTHER
    clock[0] += FUTURE_S - 1
    assert holder_of(path) == OTHER
    lock(-3600 - HEARTBEAT_S)  # a sign of life
    clock[0] += FUTURE_S - 1
    assert holder_of(path) == OTHER
    clock[0] += FUTURE_S + 1
    assert holder_of(path) is None, "its machine is dead"
    with hold(path.parent) as held:
        assert held.took_over


def test_a_lock_that_was_watched_for_long_without_a_sign_is_dead(lock, clock, monkeypatch):
    monkeypatch.setattr(locks, "folder_time", lambda folder: time.time() - 3600)
    path = lock(3600)
    assert holder_of(path) == OTHER, "fresh, by that clock"
    clock[0] += STALE_S + 1
    assert holder_of(path) is None


def test_a_folder_that_cannot_be_written_to_goes_by_our_clock(lock, clock, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(locks.tempfile, "NamedTemporaryFile", refuse)
    locks._ahead.cache_clear()
    assert holder_of(lock(5)) == OTHER
    assert list(lock(5).parent.iterdir()) == [lock(5)]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(locks, "POLL_S", 0.02)
    monkeypatch.setattr(integrity, "POLL_S", 0.02)


def test_a_job_that_starts_anew_waits_for_its_dead_node_to_show_no_life(lock, quick, monkeypatch, capsys):
    monkeypatch.setattr(locks, "_WATCHED", {})
    monkeypatch.setattr(locks, "STALE_S", 0.3)
    path = lock(0)
    with pytest.raises(Held), hold(path.parent):
        pass
    with hold(path.parent, patient=True) as held:
        assert held.took_over
    assert "waiting for a sign of life" in capsys.readouterr().out


def test_a_job_does_not_wait_for_a_node_that_works(lock, quick, monkeypatch):
    monkeypatch.setattr(locks, "_WATCHED", {})
    path = lock(0)
    beat = threading.Timer(0.1, os.utime, [path])
    beat.start()
    began = time.monotonic()
    with pytest.raises(Held), hold(path.parent, patient=True):
        pass
    assert time.monotonic() - began < 5


def stale(*arguments, **options):
    raise OSError(errno.ESTALE, "Stale file handle")


def test_a_lock_that_cannot_be_read_for_a_moment_is_not_lost_and_goes_on_beating(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "HEARTBEAT_S", 0.01)
    with hold(tmp_path) as held:
        with monkeypatch.context() as fault:
            fault.setattr(locks.Path, "read_text", stale)
            time.sleep(0.05)
            assert not held.lost
        os.utime(held.path, (0, 0))
        end = time.monotonic() + 5
        while held.path.stat().st_mtime == 0 and time.monotonic() < end:
            time.sleep(0.01)
        assert held.path.stat().st_mtime > 0, "no sign of life any more"
        held.path.write_text(json.dumps(vars(OTHER)))
        assert held.lost


def test_a_lock_that_cannot_be_given_back_does_not_hide_why_the_work_ended(tmp_path, monkeypatch):
    with pytest.raises(RunError, match="the real fault"), hold(tmp_path):
        monkeypatch.setattr(locks.os, "open", stale)
        raise RunError("the real fault", "mend it")


@pytest.fixture
def parent(tmp_path):
    """A finished run with a file."""
    folder = tmp_path / "embed" / "ab"
    perform(folder, lambda path: (path / "values.bin").write_bytes(b"1234"))
    return folder


def test_done_lists_the_files_of_a_run(parent):
    assert list(json.loads((parent / "done.json").read_text())["files"]) == ["values.bin"]
    assert incomplete(parent) == changed(parent) == ""
    require_whole([parent])


DAMAGE = [(None, "is missing"), (b"123", "has 3 bytes instead of 4"), (b"1235", "is not what it was")]


@pytest.mark.parametrize(("content", "words"), DAMAGE)
def test_a_damaged_file_is_named_with_the_folder_to_delete(parent, content, words):
    path = parent / "values.bin"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(RunError, match=words) as caught:
        require_whole([parent])
    assert str(path) in caught.value.message and f"delete the folder {parent}" in caught.value.remedy


def test_contents_are_compared_in_the_first_process_alone(parent, monkeypatch):
    monkeypatch.setenv(LAUNCHED, "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    (parent / "values.bin").write_bytes(b"1235")
    require_whole([parent])
    (parent / "values.bin").write_bytes(b"123")
    with pytest.raises(RunError, match="has 3 bytes"):
        require_whole([parent])


def test_a_parent_that_is_not_finished_is_told(tmp_path):
    with pytest.raises(RunError, match="is not finished"):
        require_whole([tmp_path / "rooms" / "ab"])


@pytest.mark.parametrize("late", ["done.json", "values.bin"])
def test_a_folder_that_shows_late_what_another_node_wrote_is_waited_for(parent, quick, monkeypatch, capsys, late):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    hidden = parent.parent / "hidden"
    (parent / late).rename(hidden)
    threading.Timer(0.15, os.rename, [hidden, parent / late]).start()
    require_whole([parent])
    assert "another node may have just written it" in capsys.readouterr().out


def test_waiting_for_a_folder_comes_to_an_end(parent, quick, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setattr(integrity, "VIEW_S", 0.1)
    (parent / "values.bin").unlink()
    with pytest.raises(RunError, match="is missing"):
        require_whole([parent])


def test_a_second_runner_that_does_not_see_the_end_comes_to_the_same(parent):
    """The lock is free, and done.json is not visible yet."""
    (parent / "done.json").rename(parent.parent / "hidden")
    assert perform(parent, lambda path: (path / "values.bin").write_bytes(b"1234"))
    first, second = (json.loads(path.read_text()) for path in (parent.parent / "hidden", parent / "done.json"))
    assert first["files"] == second["files"]
