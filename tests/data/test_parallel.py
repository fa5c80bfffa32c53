"""Order, whatever the processes do; a process that dies costs one item."""

import os
import threading

import pytest

from elsa_lightning.data.parallel import default_workers, in_order

FATAL = (3, 19)


def process_of(item):
    return item, os.getpid()


def fragile(item):
    if item in FATAL:
        os._exit(11)
    return item * item


def faulty(item):
    raise ValueError(f"item {item}")


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_come_in_the_order_of_the_items(workers):
    told = []
    found = in_order(process_of, range(50), workers, lambda item: None, lambda done, total: told.append((done, total)))
    assert [item for item, _ in found] == list(range(50))
    assert (os.getpid() in {process for _, process in found}) == (workers == 0)
    assert told[-1] == (50, 50) and [done for done, _ in told] == sorted(done for done, _ in told)


def test_items_that_kill_their_process_are_named_and_the_others_done():
    assert in_order(fragile, range(20), 2, lambda item: -item) == [-item if item in FATAL else item * item for item in range(20)]


def test_exceptions_reach_the_caller():
    with pytest.raises(ValueError, match="item 0"):
        in_order(faulty, range(3), 2, lambda item: None)
    assert in_order(faulty, [], 2, lambda item: None) == []


def test_nothing_is_left_running():
    before = threading.active_count()
    in_order(process_of, range(4), 2, lambda item: None)
    assert threading.active_count() <= before
    assert 1 <= default_workers() <= 16
