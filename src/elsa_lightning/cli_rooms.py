"""`elsa rooms sample | bank | import | inspect | verify | bench`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from elsa_lightning import cli_rooms_import
from elsa_lightning.cli_config import DEFAULT_EXPERIMENT, add_overrides, load
from elsa_lightning.cli_shards import shard

SPLITS = ("train", "val", "test")
FIGURES = (".png", ".pdf", ".svg")


def add(commands: Any) -> None:
    """Add the command."""
    group = commands.add_parser("rooms", help="draw, simulate, look at and verify rooms").add_subparsers(required=True, metavar="COMMAND")
    sample = group.add_parser("sample", help="draw rooms and print them, one a line")
    _add_experiment(sample)
    sample.add_argument("--count", type=int, default=10, help="number of rooms (default: 10)")
    sample.add_argument("--measure", action="store_true", help="simulate them too: measured T30, C50 and DRR")
    sample.set_defaults(command=_sample)

    bank = group.add_parser("bank", help="simulate a bank of rooms into a folder (safetensors with a manifest)")
    bank.add_argument("folder", type=Path, help="to create")
    _add_experiment(bank)
    bank.add_argument("--count", type=int, help="number of rooms (default: the experiment's rooms.train, .val or .test)")
    bank.add_argument("--overwrite", action="store_true", help="replace a bank that is there")
    bank.add_argument("--shard", type=shard, metavar="I/N", help="simulate part I of N (from 1) beside the folder; then --join N")
    bank.add_argument("--join", type=int, metavar="N", help="simulate nothing: make the bank of its N parts, and remove these")
    bank.set_defaults(command=_bank)

    cli_rooms_import.add(group)

    inspect = group.add_parser("inspect", help="labels of a bank, or of one of its rooms with a figure")
    inspect.add_argument("folder", type=Path, help="of the bank, or of a run's rooms/…/<split>")
    inspect.add_argument("--room", type=int, metavar="K", help="look at room K")
    inspect.add_argument(
        "--figure", type=Path, metavar="FILE", help="draw room K into a PNG, PDF or SVG: plan, echogram, decay, direction over time"
    )
    inspect.set_defaults(command=_inspect)

    verify = group.add_parser(
        "verify", help="simulate rooms of a bank again from its manifest and compare; measured ones: their content alone"
    )
    verify.add_argument("folder", type=Path, help="of the bank")
    verify.add_argument("--count", type=int, default=8, help="rooms to simulate, spread over the bank (default: 8)")
    verify.set_defaults(command=_verify)

    bench = group.add_parser("bench", help="rooms simulated per second on this machine (JSON)")
    bench.add_argument("--rate", type=int, default=48000, help="sample rate, Hz (default: 48000)")
    bench.add_argument("--length", type=float, default=1.0, metavar="S", help="of the responses (default: 1.0)")
    bench.add_argument("--batch", type=int, default=16, help="rooms at once (default: 16)")
    bench.add_argument("--repeats", type=int, default=5, help="the median of so many is given (default: 5)")
    bench.add_argument("--device", default="cpu", help="cpu or cuda (default: cpu)")
    bench.set_defaults(command=_bench)


def _add_experiment(command: argparse.ArgumentParser) -> None:
    command.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, help=f"its YAML file (default: {DEFAULT_EXPERIMENT})")
    command.add_argument("--split", choices=SPLITS, default="train", help="whose rooms (default: train)")
    add_overrides(command)


def _positive(count: int, option: str) -> int:
    from elsa_lightning.errors import ConfigError

    if count < 1:
        raise ConfigError(f"{option} {count}", "give a number above 0")
    return count


def _sample(arguments: argparse.Namespace) -> None:
    from elsa_lightning.rooms_report import sample_lines

    cfg = load(arguments).experiment
    print("\n".join(sample_lines(cfg, arguments.split, _positive(arguments.count, "--count"), arguments.measure)))


def _bank(arguments: argparse.Namespace) -> None:
    import dataclasses
    import sys

    from elsa_lightning.acoustics.bank import build_bank, check_replaceable
    from elsa_lightning.atomic import disk_faults, disk_space_check
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.rooms_report import bank_lines

    cfg = load(arguments).experiment
    if arguments.shard or arguments.join is not None:
        from elsa_lightning.cli_rooms_parts import part_command

        part_command(arguments, cfg)
        return
    count = getattr(cfg.rooms, arguments.split) if arguments.count is None else _positive(arguments.count, "--count")
    rooms = dataclasses.replace(cfg.rooms, **{arguments.split: count})

    size = 8 * count * round(cfg.rooms.rir_s * cfg.audio.sample_rate)
    print(
        f"{count} rooms of {cfg.rooms.rir_s:g} s at {cfg.audio.sample_rate} Hz: {size / 1e9:.2f} GB, in memory and then on disk",
        file=sys.stderr,
    )
    with disk_faults(arguments.folder):
        check_replaceable(arguments.folder)
        if arguments.folder.exists() and any(arguments.folder.iterdir()) and not arguments.overwrite:
            raise ConfigError(f"there is a bank in {arguments.folder}", "name a new folder, or replace it with --overwrite")
        arguments.folder.mkdir(parents=True, exist_ok=True)
        disk_space_check(arguments.folder, 1.05 * size, "make room, choose another folder, or fewer rooms with --count")

    def progress(done: int, total: int) -> None:
        print(f"\r{done} of {total} rooms", end="\n" if done == total else "", file=sys.stderr, flush=True)

    bank = build_bank(rooms, cfg.audio.sample_rate, arguments.split, progress)
    with disk_faults(arguments.folder):
        bank.save(arguments.folder)
    print("\n".join(bank_lines(bank)))


def _inspect(arguments: argparse.Namespace) -> None:
    from elsa_lightning.acoustics.bank import RoomBank
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.rooms_report import bank_lines, room_lines

    if arguments.figure and (arguments.figure.suffix not in FIGURES or arguments.figure.is_dir()):
        raise ConfigError(f"--figure {arguments.figure}: not the name of a figure", f"end it in {', '.join(FIGURES)}")
    bank = RoomBank.load(arguments.folder)
    if arguments.room is None:
        if arguments.figure:
            raise ConfigError("--figure draws one room", "say which: --room 0")
        print("\n".join(bank_lines(bank)))
        return
    if not 0 <= arguments.room < len(bank):
        raise ConfigError(f"--room {arguments.room}: the bank has {len(bank)} rooms", f"choose 0 to {len(bank) - 1}")
    print("\n".join(room_lines(bank, arguments.room)))
    if arguments.figure:
        from elsa_lightning.rooms_figure import draw_room

        print(f"figure: {draw_room(bank, arguments.room, arguments.figure)}")


def _verify(arguments: argparse.Namespace) -> int:
    import torch

    from elsa_lightning.acoustics.bank import RoomBank
    from elsa_lightning.acoustics.bank_check import resimulate
    from elsa_lightning.errors import DataError

    bank = RoomBank.load(arguments.folder)  # compares the content with the manifest's hash
    count = min(_positive(arguments.count, "--count"), bank.simulated)
    if bank.simulated < len(bank):
        print(f"{len(bank) - bank.simulated} measured responses have the content that the manifest says; nothing can simulate them again")
    if not bank.simulated:
        print(f"content {bank.content_hash}")
        return 0
    index = torch.linspace(0, bank.simulated - 1, count).round().long().unique()
    found = resimulate(bank, index)
    for row, same_scene, same_bits, error in zip(
        *(t.tolist() for t in (index, found.same_scene, found.same_bits, found.error_db)), strict=True
    ):
        verdict = (
            "another room than the manifest's" if not same_scene else "equal to the bit" if same_bits else f"differs by {error:.0f} dB"
        )
        print(f"room {row}: {verdict}")
    good = int(found.agrees.sum())
    print(f"{good} of {len(index)} rooms are what the manifest says; content {bank.content_hash}")
    return 0 if good == len(index) else DataError.exit_code


def _bench(arguments: argparse.Namespace) -> None:
    import json

    from elsa_lightning.rooms_report import bench

    print(json.dumps(bench(arguments.rate, arguments.length, arguments.batch, arguments.repeats, arguments.device), indent=1))
