"""Rendering a shard of an export: every line is journalled once its file is in place, so that a kill costs only what was under way."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.atomic import disk_space_check
from elsa_lightning.data.export.items import Heard, Items
from elsa_lightning.data.export.job import Job, about, claim
from elsa_lightning.data.export.lines import PARTS, known_lines, whole
from elsa_lightning.data.export.rooms import fresh_rooms, stored_rooms
from elsa_lightning.data.export.sound import encoded, gain_for, stored
from elsa_lightning.data.export.writing import write_whole
from elsa_lightning.data.journal import Journal
from elsa_lightning.data.parallel import default_workers, each
from elsa_lightning.data.readers import Corpus, open_corpus
from elsa_lightning.errors import ConfigError

LINE_BYTES = 4096
"""For an item's line, in the journal and in the manifest together."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def render(
    job: Job,
    corpus: Corpus,
    shard: tuple[int, int] = (1, 1),
    workers: int | None = None,
    progress: Progress = lambda what, done, total: None,
) -> int:
    """Render a shard's items that are not there yet. Killed at any moment and called again, it ends with the same files.

    Args:
        job: what to export (`job.plan`).
        corpus: the job's, for its hash; workers open it themselves.
        shard: number (from 1) and how many there are.
        workers: processes; None: as many as processors, 0: this one.
        progress: told of progress.

    Returns:
        How many items were rendered now.

    Raises:
        ConfigError: the folder holds another config's export, or there is no such shard.
        DataError: a clip cannot be used, or the folder holds something else.
        RunError: another process renders this shard, a worker died, or the disk is full or cannot be written to.
    """
    index, count = shard
    if not 1 <= index <= count:
        raise ConfigError(f"shard {index} of {count}", "count shards from 1")
    claim(job.out, about(job, corpus))
    part = job.part_of(index, count)
    with Journal(job.out / PARTS / f"{index}-of-{count}.jsonl") as journal:
        lines = known_lines(job.out, job.counts)
        todo = [number for number in part if not whole(job.out, lines.get(number))]
        del lines
        remedy = "make room, name another folder with --out, or render fewer clips (data.versions, --split)"
        disk_space_check(job.out, len(todo) * (job.item_bytes + LINE_BYTES), remedy)
        done = len(part) - len(todo)
        progress("rendering", done, len(part))
        for position, line in each(functools.partial(export_item, job), todo, default_workers() if workers is None else workers):
            journal.add([todo[position]], line)
            done += 1
            progress("rendering", done, len(part))
    return len(todo)


def export_item(job: Job, number: int) -> dict[str, Any]:
    """Render one item and write its file.

    Returns:
        its line of the manifest.
    """
    split, index = job.at(number)
    with one_thread():
        heard = _items(job, split).heard(index)
    content, line = packed(job, number, heard)
    write_whole(job.out / line["audio"], content)
    return line


def packed(job: Job, number: int, heard: Heard) -> tuple[bytes, dict[str, Any]]:
    """An item's file and its whole line."""
    gain = gain_for(heard.foa)
    content = encoded(stored(heard.foa, gain, job.file_format), job.cfg.audio.sample_rate, job.file_format)
    file = {"gain": gain, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return content, heard.line | {"audio": job.audio_of(number)} | file


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread: sums over a clip depend on how many share them."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_opened: tuple[Job, dict[str, Items]] | None = None


def _items(job: Job, split: str) -> Items:
    """The items of a split, opened once in each process."""
    global _opened
    if _opened is None or _opened[0] != job:
        _opened = (job, {})
    if split not in _opened[1]:
        bank = job.banks.get(split)
        rooms = fresh_rooms(job.cfg) if bank is None else stored_rooms(RoomBank.load(bank.folder, verify=False), bank.content_hash)
        _opened[1][split] = Items(job.cfg, open_corpus(job.cfg.data.corpus), split, rooms)
    return _opened[1][split]
