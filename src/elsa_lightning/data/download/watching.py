"""Who is told what a download does."""

from __future__ import annotations


class Watching:
    """Told what goes on; this one says nothing."""

    def expect(self, size: int | None) -> None:
        """So many bytes are to come; None: unknown."""

    def came(self, path: str, size: int, total: int | None) -> None:
        """A file has so many bytes of so many."""

    def done(self, path: str) -> None:
        """A file is whole."""

    def unpacking(self, path: str, done: int, total: int) -> None:
        """Of an archive so many bytes of so many are written."""

    def note(self, text: str) -> None:
        """Something that people should read."""
