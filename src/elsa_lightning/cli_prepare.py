"""`elsa data prepare`."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from elsa_lightning.cli_progress import progress_bar
from elsa_lightning.data.layouts import LAYOUTS


def add(group: Any) -> None:
    """Add the command to those of `elsa data`."""
    names = "\n".join(f"  {layout.name:14s}{layout.about}" for layout in LAYOUTS.values())
    command = group.add_parser(
        "prepare",
        help="make the manifest of a published corpus from its folder",
        description="Make the manifest of a published corpus from its folder. Each clip's file is found and looked into; what is missing "
        "or cannot be used is named, counted and left out. Stopped at any moment and started again, it goes on where it was.",
        epilog=f"corpora:\n{names}",
        formatter_class=Help,
    )
    command.add_argument("corpus", choices=tuple(LAYOUTS), metavar="CORPUS", help="one of those below")
    command.add_argument("--root", type=Path, required=True, metavar="DIR", help="folder of the corpus' tables and audio, however nested")
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="manifest to write (JSONL, or Parquet if it ends so; data.corpus.path names it)",
    )
    command.add_argument("--json", type=Path, metavar="FILE", help="write a report that names everything that was left out")
    command.add_argument("--strict", action="store_true", help="fail if a clip is missing or faulty, or a table is not there")
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: one per processor; 0: none but this one)")
    command.add_argument(
        "--extract", type=Path, metavar="DIR", help="folder for what webdataset tars hold: they are unpacked, as audio is read from files"
    )
    command.add_argument(
        "--mix-down", type=Path, metavar="DIR", help="folder for mono copies of files with more channels; without it they are faults"
    )
    command.set_defaults(command=_prepare)


class Help(argparse.RawDescriptionHelpFormatter):
    """Wraps the description, but leaves the list of corpora as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("corpora:"):
            return text
        return argparse.HelpFormatter._fill_text(self, text, width, indent)


def _prepare(arguments: argparse.Namespace) -> None:
    from elsa_lightning.data.prepare import prepare
    from elsa_lightning.errors import ConfigError

    if arguments.workers is not None and arguments.workers < 0:
        raise ConfigError(f"--workers {arguments.workers}", "give 0 or more")
    started = time.monotonic()
    with progress_bar() as progress:
        found = prepare(
            arguments.corpus,
            arguments.root,
            arguments.out,
            extract=arguments.extract,
            mix_down=arguments.mix_down,
            workers=arguments.workers,
            strict=arguments.strict,
            report=arguments.json,
            progress=progress,
        )
    print("\n".join(found.lines()))
    print(f"written in {time.monotonic() - started:.1f} s")
