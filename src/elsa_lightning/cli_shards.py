"""Commands that do their work in parts: `--shard I/N`, and `elsa sweep shards`, which submits all parts as an array of SLURM."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def shard(text: str) -> tuple[int, int]:
    """The argument of `--shard`: `2/8` is the second part of eight."""
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, such as 1/8")
    return int(index), int(count)


def add(group: Any, add_slurm: Any) -> None:
    """Add the command to those of `elsa sweep`.

    Args:
        group: the commands.
        add_slurm: adds the options that every submission has.
    """
    one = group.add_parser(
        "shards",
        help="submit rooms bank, data render or data rewrite in N parts as an array, and the joining after them",
        description="Submit a command in parts: each part as a task of one array (--shard I/N), and when all are done the call that makes "
        "one result of them. The same call again submits what has failed; example: elsa sweep shards spatial 64 -- data render --out DIR",
    )
    one.add_argument("name", help="of the sweep")
    one.add_argument("count", type=int, metavar="N", help="parts")
    one.add_argument("words", nargs="+", metavar="COMMAND", help="after --: rooms bank …, data render … or data rewrite …")
    one.add_argument("--last", default="", metavar="OPTIONS", help="further options of the joining call, such as --last=--webdataset")
    one.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    add_slurm(one)
    one.set_defaults(command=_shards)


def _shards(arguments: argparse.Namespace) -> None:
    import shlex

    from elsa_lightning.sweep.plan_file import check_name
    from elsa_lightning.sweep.resources import load_resources
    from elsa_lightning.sweep.shards import Shards, dry_run, submit

    shards = Shards(check_name(arguments.name), arguments.count, arguments.words, shlex.split(arguments.last))
    cluster = load_resources(arguments.resources, arguments.slurm)
    if arguments.dry_run:
        print(dry_run(shards, arguments.runs, cluster, arguments.jobs))
        return
    submit(shards, arguments.runs, cluster, arguments.jobs, arguments.uncommitted)
