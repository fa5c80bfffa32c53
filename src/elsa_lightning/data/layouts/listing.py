"""What a layout tells of a corpus: the clips that its tables promise, and where their files may lie. Imports neither torch nor numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from elsa_lightning.data.layouts.tree import Tree


@dataclass(frozen=True)
class Entry:
    """One clip that the corpus' tables promise; its file may be missing.

    Args:
        clip_id: unique within the corpus.
        split: train, val or test.
        captions: at least one.
        names: of its file without extension, most likely first; one that begins with a slash is its whole place below the corpus' folder.
        folders: one of these is among the file's folders, where the corpus' audio lies in such folders at all (see `Tree.audio`).
        label: sound class; empty if the corpus has none.
        source: the recording it was cut from, with whose id it is: freesound:1234, youtube:…; empty if unknown.
        licence: of the recording; empty if unknown.
    """

    clip_id: str
    split: str
    captions: tuple[str, ...]
    names: tuple[str, ...]
    folders: tuple[str, ...] = ()
    label: str = ""
    source: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Fault:
    """A clip that cannot be used, why, and what to do about it."""

    clip_id: str
    message: str
    remedy: str

    def to_dict(self) -> dict[str, str]:
        """For the report."""
        return asdict(self)


@dataclass
class Listing:
    """What a corpus' tables say.

    Attributes:
        entries: clips, in the tables' order.
        faults: rows and text files that make no clip.
        missing_tables: tables of the layout that are not there, by name.
        notes: rules that were applied, for people to read.
    """

    entries: list[Entry] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    missing_tables: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Layout:
    """A corpus' layout on disk.

    Args:
        name: on the command line.
        about: one line for help.
        read: lists the clips of an indexed folder; raises DataError where its tables are missing or lack a column.
        tars: the corpus also comes as webdataset tars, which are extracted first.
    """

    name: str
    about: str
    read: Callable[[Tree], Listing]
    tars: bool = False


def clean(captions: list[str]) -> tuple[str, ...]:
    """Captions with single spaces, without those that say nothing."""
    return tuple(text for caption in captions if (text := " ".join(caption.split())).strip(" ."))
