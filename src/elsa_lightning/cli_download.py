"""`elsa data download`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elsa_lightning.cli_prepare import Help
from elsa_lightning.cli_progress import EVERY_S
from elsa_lightning.data.download.manual import MANUAL
from elsa_lightning.data.download.table import SOURCES
from elsa_lightning.data.download.watching import Watching

if TYPE_CHECKING:
    from elsa_lightning.data.download.get import Standing


def add(group: Any) -> None:
    """Add the command to those of `elsa data`."""
    names = "\n".join(f"  {source.name:21s}{source.about}" for source in SOURCES.values())
    command = group.add_parser(
        "download",
        help="fetch a corpus that may be fetched openly, checked and unpacked; or say how to get one that may not",
        description="Fetch a published corpus: resumed after a cut or a kill, checked, unpacked; what is there already is left.",
        epilog=f"corpora:\n{names}\n  {', '.join(MANUAL)}: how to get them, and what their licences ask (exit code 2)",
        formatter_class=Help,
    )
    command.add_argument("corpus", choices=(*SOURCES, *MANUAL), metavar="CORPUS", help="one of those below")
    command.add_argument("--root", type=Path, metavar="DIR", help="folder of the corpus")
    command.add_argument("--only", nargs="+", default=[], metavar="PATTERN", help="files whose path matches one, such as '*eval*'")
    command.add_argument("--dry-run", action="store_true", help="list the files, their sizes and what is there, fetch none")
    command.add_argument("--accept-licence", action="store_true", help="you have read the licence that is printed, and accept it")
    command.add_argument("--no-unpack", action="store_true", help="leave archives as they are")
    command.add_argument("--jobs", type=int, default=3, metavar="N", help="files at a time (default: 3)")
    command.add_argument("--lite", action="store_true", help="spatial-librispeech: the lite version only")
    command.add_argument("--mirror", default="", metavar="URL", help="another server with the same paths, in the place of the corpus' own")
    command.set_defaults(command=_download)


def _download(arguments: argparse.Namespace) -> int:
    from elsa_lightning.data.download.get import Download, Wishes
    from elsa_lightning.errors import ConfigError

    if arguments.corpus in MANUAL:
        print(MANUAL[arguments.corpus])
        return 2
    source = SOURCES[arguments.corpus]
    if arguments.root is None or arguments.jobs < 1:
        raise ConfigError("--root is missing" if arguments.root is None else f"--jobs {arguments.jobs}", "name a folder; 1 job or more")
    print(f"{source.name}: {source.about}\nlicence: {source.licence}")
    if source.restricted and not (arguments.accept_licence or arguments.dry_run):
        raise ConfigError(f"the licence of {source.name} restricts its use", "read it, then add --accept-licence")
    wishes = Wishes(arguments.only, arguments.lite, arguments.mirror, arguments.jobs, not arguments.no_unpack)
    with _watching() as watching, Download(source, arguments.root, wishes, watching) as download:
        standing = download.standing()
        if arguments.dry_run:
            print("\n".join(_listed(standing)))
            return 0
        download.bring(standing)
    print(f"{source.name} is in {arguments.root}")
    print("then:\n" + "\n".join(f"  {line.format(root=arguments.root)}" for line in source.then))
    return 0


def _listed(standing: list[Standing]) -> list[str]:
    lines = [
        f"{_size(one.file.size):>10s}  {one.state + (f' {_size(one.have)}' if one.state == 'part' else ''):14s}"
        f"  {'checksum' if one.file.checksum else 'no checksum'}  {one.file.path}  {one.file.url}"
        for one in standing
    ]
    left = sum((one.file.size or 0) - min(one.have, one.file.size or 0) for one in standing if one.state in ("part", "missing", "wrong"))
    unknown = sum(one.file.size is None for one in standing)
    return [*lines, f"{len(standing)} files, {_size(left)} to come" + (f" and {unknown} of unknown size" if unknown else "")]


def _size(size: int | None) -> str:
    if size is None:
        return "?"
    return f"{size} B" if size < 10_000 else f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"


@contextmanager
def _watching() -> Iterator[Watching]:
    """Bars on the terminal, or a line now and then where there is none."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(30), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield _bars(bars)


def _lines() -> Watching:
    class Lines(Watching):
        files, last = 0, time.monotonic()

        def done(self, path: str) -> None:
            self.files += 1
            self.tell(f"{self.files} files have come, the last {path}")

        def came(self, path: str, size: int, total: int | None) -> None:
            self.tell(f"{path}: {_size(size)} of {_size(total)}")

        def unpacking(self, path: str, done: int, total: int) -> None:
            self.tell(f"unpacking {path}: {_size(done)} of {_size(total)}")

        def tell(self, text: str) -> None:
            if time.monotonic() - self.last >= EVERY_S:
                self.last = time.monotonic()
                self.note(text)

        def note(self, text: str) -> None:
            print(text, file=sys.stderr, flush=True)

    return Lines()


def _bars(bars: Any) -> Watching:
    class Bars(Watching):
        def __init__(self) -> None:
            self.tasks: dict[str, Any] = {}
            self.sizes: dict[str, int] = {}
            self.all: Any = None

        def expect(self, size: int | None) -> None:
            self.all = bars.add_task("all", total=size)

        def came(self, path: str, size: int, total: int | None) -> None:
            self.move(path, size, total)
            if self.all is not None:
                bars.advance(self.all, size - self.sizes.get(path, size))
            self.sizes[path] = size

        def done(self, path: str) -> None:
            bars.remove_task(self.tasks.pop(path))

        def unpacking(self, path: str, done: int, total: int) -> None:
            self.move(f"unpacking {path}", done, total)

        def move(self, name: str, done: int, total: int | None) -> None:
            if name not in self.tasks:
                self.tasks[name] = bars.add_task(name, total=total)
            bars.update(self.tasks[name], completed=done)

        def note(self, text: str) -> None:
            bars.console.print(text)

    return Bars()
