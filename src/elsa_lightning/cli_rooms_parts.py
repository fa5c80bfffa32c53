"""`elsa rooms bank` in parts: its options --shard and --join."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
from typing import Any


def part_command(arguments: argparse.Namespace, cfg: Any) -> None:
    """Simulate one part of a bank beside its folder, unless it is there; or make the bank of all parts; the same call again is safe.

    Args:
        arguments: of the command line.
        cfg: the experiment.

    Raises:
        ConfigError: options that do not go together, or a bank that is there.
        DataError: a part is missing, or of other rooms.
    """
    from elsa_lightning.acoustics.bank import check_replaceable, saved_hash
    from elsa_lightning.acoustics.bank_parts import build_part, check_part, join_parts, joined_bank, left_parts, part_folder
    from elsa_lightning.atomic import disk_faults
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.rooms_report import bank_lines

    folder, split = arguments.folder, arguments.split
    count = getattr(cfg.rooms, split) if arguments.count is None else arguments.count
    of = arguments.shard[1] if arguments.shard else arguments.join
    if count < 1 or of < 1 or (arguments.shard and arguments.join is not None):
        raise ConfigError("a part of nothing, or --shard and --join at once", "--shard I/N for each part, then --join N")
    rooms = dataclasses.replace(cfg.rooms, **{split: count})
    if arguments.shard:
        index, of = arguments.shard
        target = part_folder(folder, index, of)
        if (target / "manifest.json").exists():
            check_part(target, rooms, cfg.audio.sample_rate, split, index, of)
            print(f"part {index} of {of} is there: {target} (content {saved_hash(target)})")
            return

        def progress(done: int, total: int) -> None:
            print(f"{done} of {total} rooms", file=sys.stderr, flush=True)

        bank = build_part(rooms, cfg.audio.sample_rate, split, index, of, progress)
        if bank is None:
            print(f"part {index} of {of} has no rooms")
            return
        with disk_faults(target):
            bank.save(target)
        print(f"{len(bank)} rooms: {target}; when all parts are there: elsa rooms bank {folder} --join {of}")
        return
    check_replaceable(folder)
    bank = joined_bank(folder, rooms, cfg.audio.sample_rate, split, of)
    if bank is None:
        if folder.exists() and any(folder.iterdir()) and not arguments.overwrite:
            raise ConfigError(f"there is a bank in {folder}", "name a new folder, or replace it with --overwrite")
        bank = join_parts(folder, rooms, cfg.audio.sample_rate, split, of)
        with disk_faults(folder):
            bank.save(folder)
    else:
        print(f"joined already: {folder}", file=sys.stderr)
    for part in left_parts(folder, count, of):
        shutil.rmtree(part)
    print("\n".join(bank_lines(bank)))
