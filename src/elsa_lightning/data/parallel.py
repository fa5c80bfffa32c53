"""A function over many items in worker processes that die with the process that started them. Imports no torch.

`each` gives results as they come, for work that is journalled; `in_order` gives them in the order of the items, and survives a worker's
death: a damaged file may crash its decoder, and is then found by opening its neighbours one at a time, and named.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from elsa_lightning.errors import RunError

Item = TypeVar("Item")
Result = TypeVar("Result")

CHUNK = 8
"""Items that a worker is given at a time by `each`: a kill loses so many per worker."""
LARGEST_CHUNK = 32
"""The same by `in_order`, where nothing is kept until the end."""
MOST_WORKERS = 16
"""Unless more are asked for: disks rarely feed more."""
FEW = 64
"""So many items or fewer are not worth starting processes for."""


def default_workers() -> int:
    """The processors that this process may use, but no more than `MOST_WORKERS`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_WORKERS)


def each(
    function: Callable[[Any], Any], items: Sequence[Any], workers: int, chunk: int = CHUNK, few: int = FEW
) -> Iterator[tuple[int, Any]]:
    """Results as they come, each with its item's index.

    Args:
        function: importable by name.
        items: its arguments.
        workers: processes; 0: this process does it.
        chunk: items handed over at a time.
        few: so many items are done by this process.

    Raises:
        RunError: a worker died.
    """
    if workers == 0 or len(items) <= few:
        for index, item in enumerate(items):
            yield index, function(item)
        return
    pool = _pool(workers)
    pending: dict[Any, range] = {}
    starts = iter(range(0, len(items), chunk))
    try:
        while True:
            while len(pending) < 3 * workers and (start := next(starts, None)) is not None:
                part = range(start, min(start + chunk, len(items)))
                pending[pool.submit(_apply, function, [items[index] for index in part])] = part
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield from zip(pending.pop(future), future.result(), strict=True)
    except BrokenProcessPool as error:
        names = ", ".join(str(items[part[0]]) for part in pending.values())
        raise RunError(
            f"a worker process died (out of memory?) at one of the chunks that begin with {names}",
            "run this again with fewer workers: work so far is kept",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_order(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    died: Callable[[Item], Result],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Result]:
    """`[function(item) for item in items]` by worker processes, which are started afresh (spawn): no lock or thread is inherited.

    Args:
        function: importable by name, or otherwise picklable.
        items: picklable.
        workers: processes; 0: in this one.
        died: the result for an item whose processing kills its process.
        progress: told (items done, all items) now and then, in this process.
    """
    if workers <= 0:
        return [_told(function(item), number, len(items), progress) for number, item in enumerate(items, 1)]
    size = max(1, min(LARGEST_CHUNK, len(items) // (8 * workers)))
    todo = [range(start, min(start + size, len(items))) for start in range(0, len(items), size)]
    results: dict[int, Result] = {}
    while todo:
        todo = _round(function, items, todo, workers, results, progress)
        suspects, todo = todo[:workers], todo[workers:]  # what the dead process worked on is among the oldest
        for index in (index for chunk in suspects for index in chunk):
            one = [range(index, index + 1)]
            if _round(function, items, one, 1, results, progress):
                results[index] = died(items[index])
    return [results[index] for index in range(len(items))]


def _round(function, items, chunks, workers, results, progress) -> list[range]:
    """Work off chunks until all are done or a worker dies; fills in `results` and returns the chunks that have none."""
    pool = _pool(min(workers, len(chunks)))
    left = []
    try:
        futures = {chunk: _submit(pool, function, [items[index] for index in chunk]) for chunk in chunks}
        for chunk, future in futures.items():
            try:
                found = future.result() if future else None
            except BrokenProcessPool:
                found = None
            if found is None:
                left.append(chunk)
            else:
                results.update(zip(chunk, found, strict=True))
                progress(len(results), len(items))
    finally:
        pool.shutdown(cancel_futures=True)
    return left


def _submit(pool: ProcessPoolExecutor, function: Callable[[Any], Any], items: list[Any]) -> Future | None:
    try:
        return pool.submit(_apply, function, items)
    except BrokenProcessPool:
        return None


def _told(result: Result, done: int, total: int, progress: Callable[[int, int], None]) -> Result:
    progress(done, total)
    return result


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_die_with_parent)


def _apply(function: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    return [function(item) for item in items]


def _die_with_parent() -> None:
    """Ctrl-C is the parent's to handle; when the parent is gone (kill -9 included), nothing works on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
