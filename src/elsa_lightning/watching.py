"""Shows what the scheduler does: live bars on a terminal, plain lines elsewhere. Imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any


def duration(seconds: float) -> str:
    """`42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def watcher(tell: Callable[[str], None] | None = None) -> Watcher:
    """Bars where standard error is a terminal, else lines; lines through `tell` where it is given."""
    return LiveWatcher() if tell is None and sys.stderr.isatty() else Watcher(tell or _to_stderr)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Watcher:
    """One line when a stage starts and one when it ends.

    Args:
        tell: prints a line.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.line = tell

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *fault: object) -> None:
        return None

    def start(self, name: str, seed: int) -> None:
        """A stage has started."""
        self.line(f"{name} (seed {seed}): started")

    def end(self, name: str, text: str) -> None:
        """A stage has ended."""
        self.line(f"{name}: {text}")

    def update(self, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        """The running stages' status.json."""


class LiveWatcher(Watcher):
    """A bar for each running stage, with its share done and its own words (loss terms, clips/s)."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(20),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[text]}"),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._tasks: dict[str, Any] = {}
        super().__init__(lambda text: self._progress.console.print(text, markup=False, highlight=False))

    def __enter__(self) -> LiveWatcher:
        self._progress.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._progress.stop()

    def start(self, name: str, seed: int) -> None:
        """Add the stage's bar."""
        self._tasks[name] = self._progress.add_task(f"{name[:-10]} (seed {seed})", total=None, text="")

    def end(self, name: str, text: str) -> None:
        """Take the stage's bar away and leave a line."""
        self._progress.remove_task(self._tasks.pop(name))
        super().end(name, text)

    def update(self, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        """Move the bars."""
        for name, status in statuses.items():
            fraction = status.get("fraction")
            self._progress.update(
                self._tasks[name], total=None if fraction is None else 1.0, completed=fraction or 0.0, text=status.get("text", "")
            )
