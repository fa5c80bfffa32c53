"""One process per run: a lock file that says who works there and that outlives no worker. Imports no torch.

The file is never deleted; it is *held* while it names a live process. A short `flock` guards each change of it, so that two processes
cannot both take over a dead one's lock. A worker on this machine is dead when its process is gone; one elsewhere, when its heartbeat (the
file's time) is older than `STALE_S`. Machines' clocks may differ: a heartbeat's age is measured by the clock that dates files in that
folder, and a heartbeat that moves while we look is alive whatever the clocks say.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from elsa_lightning.atomic import disk_faults
from elsa_lightning.errors import RunError

HEARTBEAT_S = 10.0
"""Seconds between signs of life."""

STALE_S = 120.0
"""Seconds without a sign of life after which a lock of another machine counts as abandoned."""

FUTURE_S = 25.0
"""Seconds that a lock whose last sign of life is dated in the future is watched for another one."""

POLL_S = 1.0
"""Seconds between looks at a lock that is waited for."""

_WATCHED: dict[Path, tuple[float, float]] = {}
"""Lock of another machine → its heartbeat when this process first saw it, and when that was (`time.monotonic`)."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        machine: host name and process-id namespace: processes can be looked up only there.
        pid: process id.
        started: the process' own start time in the kernel's ticks, so that a reused pid is not taken for it.
    """

    machine: str
    pid: int
    started: int

    @property
    def name(self) -> str:
        """For messages."""
        return f"process {self.pid} on {self.machine.partition('/')[0]}"


class Held(RunError):
    """Another live process works on this run."""

    exit_code = 75

    def __init__(self, folder: Path, holder: Holder) -> None:
        self.holder = holder
        super().__init__(f"{folder} is being worked on by {holder.name}", "wait for it, or stop that process first")


def this_process() -> Holder:
    """The calling process as a holder."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return Holder(f"{platform.node()}/{namespace}", os.getpid(), start_ticks(os.getpid()) or 0)


def start_ticks(pid: int) -> int | None:
    """Start time of a process in kernel ticks; None where it is gone or a zombie, 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return 0
        return 0
    return None if fields[0] in "ZX" else int(fields[19])


def holder_of(lock: Path) -> Holder | None:
    """The live process that holds a lock; None where it is free or its holder is dead."""
    try:
        text, beat = lock.read_text(), lock.stat().st_mtime
        holder = Holder(**json.loads(text))
    except (OSError, ValueError, TypeError):
        return None
    me = this_process()
    if holder.machine == me.machine:
        ticks = start_ticks(holder.pid)
        alive = ticks is not None and ticks == holder.started
    else:
        alive = _beats(lock, beat)
    return holder if alive else None


def _beats(lock: Path, beat: float) -> bool:
    """Whether a lock of another machine shows life; what was seen before is remembered."""
    seen, since = _WATCHED.setdefault(lock, (beat, time.monotonic()))
    if beat != seen:
        _WATCHED[lock] = beat, time.monotonic()
        return True
    watched, age = time.monotonic() - since, folder_time(lock.parent) - beat
    if watched > STALE_S or age > STALE_S:
        return False
    return age > -HEARTBEAT_S or watched < FUTURE_S


def folder_time(folder: Path) -> float:
    """The time by the clock that dates a folder's files (a file server's), s since 1970; by this machine's where nothing may be written."""
    try:
        return time.time() + _ahead(folder, os.stat(folder).st_dev, int(time.monotonic() / 60))
    except OSError:
        return time.time()


@functools.lru_cache(maxsize=64)
def _ahead(folder: Path, _device: int, _minute: int) -> float:
    """By how much the folder's clock is ahead of ours, s; measured at most once in a minute."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".clock-") as file:
        file.write(b"?")
        file.flush()
        return os.fstat(file.fileno()).st_mtime - time.time()


class Lock:
    """A held lock. Use `with hold(folder) as lock`."""

    def __init__(self, path: Path, took_over: bool) -> None:
        self.path, self.took_over = path, took_over
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="heartbeat")
        self._thread.start()

    @property
    def lost(self) -> bool:
        """Whether another process has taken the lock over (this one slept for too long). A file that cannot be read just now (a network's
        ESTALE, EIO) says nothing of that: not known to be lost."""
        try:
            text = self.path.read_text()
        except OSError:
            return False
        try:
            return Holder(**json.loads(text)) != this_process()
        except (ValueError, TypeError):
            return True

    def _beat(self) -> None:
        while not self._end.wait(HEARTBEAT_S) and not self.lost:
            with suppress(OSError):
                os.utime(self.path)

    def release(self) -> None:
        """Give the lock back. Where the file cannot be written, nothing is raised: that would hide what ended the work, and the lock of a
        process that is gone counts as free."""
        self._end.set()
        self._thread.join()
        with suppress(OSError), _guarded(self.path) as file:
            if not self.lost:
                file.truncate(0)


@contextmanager
def hold(folder: Path, patient: bool = False) -> Iterator[Lock]:
    """Hold a run folder's lock for the length of the block.

    Args:
        folder: of the run.
        patient: wait where another machine's lock shows no new sign of life: SLURM starts a job anew elsewhere when its node goes down,
            sooner than the lock of the dead node counts as abandoned.

    Raises:
        Held: another live process holds it.
    """
    path = folder / "lock"
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = _take(path)
    if isinstance(lock, Holder) and patient and lock.machine != this_process().machine:
        print(f"{folder} was being worked on by {lock.name}: waiting for a sign of life, {STALE_S:.0f} s at most", flush=True)
        first = path.stat().st_mtime
        while isinstance(lock, Holder) and path.stat().st_mtime == first:
            time.sleep(POLL_S)
            lock = _take(path)
    if isinstance(lock, Holder):
        raise Held(folder, lock)
    try:
        yield lock
    finally:
        lock.release()


def _take(path: Path) -> Lock | Holder:
    """The lock, now held; or who holds it."""
    with disk_faults(path.parent), _guarded(path) as file:
        live = holder_of(path)
        if live is not None:
            return live
        took_over = bool(file.read().strip())
        file.seek(0)
        file.truncate(0)
        file.write(json.dumps(asdict(this_process())))
        file.flush()
        os.fsync(file.fileno())
    return Lock(path, took_over)


@contextmanager
def _guarded(path: Path) -> Iterator:
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+") as file:
        with suppress(OSError):  # a file system without flock: the check and the write are then merely close together
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
