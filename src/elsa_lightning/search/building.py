"""Build an index: every recording of a folder embedded once, each noted as soon as it is done."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elsa_lightning.api.config_file import identity
from elsa_lightning.api.elsa import Elsa
from elsa_lightning.api.hub import model_folder
from elsa_lightning.atomic import write_json
from elsa_lightning.data.journal import Journal
from elsa_lightning.errors import DataError, ElsaError
from elsa_lightning.search.index_folder import ABOUT, FORMAT, JOURNAL, VECTORS, VectorFile, check_about, write_lists, writing

SUFFIXES = (
    *(".wav", ".wave", ".bwf", ".amb", ".flac", ".ogg", ".oga", ".opus", ".mp3"),
    *(".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64"),
)
"""Endings of files that libsndfile may open."""


@dataclass(frozen=True)
class Built:
    """What a build did.

    Attributes:
        files: in the index now.
        new: embedded by this call.
        faults: file → what is wrong with it; they are not in the index.
    """

    files: int
    new: int
    faults: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"files": self.files, "new": self.new, "faults": self.faults}


def recordings(folder: Path, out: Path) -> list[str]:
    """Audio files below a folder by name, relative to it, sorted; hidden ones and the index itself left out.

    Raises:
        DataError: no such folder, or none in it.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}", "name the folder of the recordings")
    found = []
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and Path(place, name).resolve() != out.resolve())
        for name in names:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                found.append(os.path.relpath(os.path.join(place, name), folder))
    if not found:
        raise DataError(f"there are no audio files in {folder}", f"names that end in {' '.join(SUFFIXES)} are looked for")
    return sorted(found)


def build(
    folder: Path,
    model: str,
    out: Path,
    layout: str | None = None,
    progress: Callable[[str, int, int], None] = lambda what, done, total: None,
    batch_size: int = 16,
) -> Built:
    """Embed what is not in the index yet; a killed build goes on, a later one adds new and changed files and drops those that are gone.

    Args:
        folder: of the recordings.
        model: folder or hub name.
        out: folder of the index.
        layout: of all files; None: mono of one channel, `foa_acn_sn3d` of four.
        progress: told (what, files done, files in all).
        batch_size: windows computed at a time.

    Raises:
        DataError: no recordings, or no model.
        ConfigError: the index is another model's.
        RunError: it cannot be written, or another process builds it.
    """
    names = recordings(folder, out)
    place = model_folder(model)
    about = {"format": FORMAT, "identity": identity(place), "layout": layout, "folder": shown(os.path.abspath(folder))}
    with writing(out):
        check_about(out, {name: about[name] for name in ("format", "identity", "layout")})
        out.mkdir(parents=True, exist_ok=True)
    elsa = Elsa.from_pretrained(place, batch_size=batch_size)
    about |= {"model": _kept_name(model), "width": elsa.width}
    write_json(out / ABOUT, about | {"whole": False})
    with Journal(out / JOURNAL) as journal, writing(out):
        vectors = VectorFile(out / VECTORS, elsa.width)
        try:
            new = _embed(elsa, folder, names, layout, journal, vectors, progress)
        finally:
            vectors.close()
        rows, faults = _noted(folder, names, journal)
        write_lists(out, about, rows, faults)
    return Built(len(rows), new, faults)


def _kept_name(model: str) -> str:
    """A folder's whole path, so that queries work from anywhere; a hub's name as it is."""
    return shown(os.path.abspath(os.path.expanduser(model))) if Path(model).expanduser().is_dir() else model


def shown(name: str) -> str:
    """A file's name as text: bytes that are none are escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _embed(
    elsa: Elsa,
    folder: Path,
    names: list[str],
    layout: str | None,
    journal: Journal,
    vectors: VectorFile,
    progress: Callable[[str, int, int], None],
) -> int:
    """Embed the files that the journal does not know as they are now."""
    keys = {name: _key(folder, name) for name in names}
    todo = [name for name in names if not _is_whole(journal.get(keys[name]), vectors.rows)]
    done = len(names) - len(todo)
    progress("recordings", done, len(names))
    found = elsa.embed_each((folder / name for name in todo), layout=layout)
    for number, (name, result) in enumerate(zip(todo, found, strict=True), done + 1):
        if isinstance(result, ElsaError):
            journal.add(keys[name], {"fault": shown(result.message)})
        else:
            journal.add(keys[name], {"row": vectors.append(result)})
        progress("recordings", number, len(names))
    return len(todo)


def _noted(folder: Path, names: list[str], journal: Journal) -> tuple[dict[str, int], dict[str, str]]:
    """Rows and faults of the files; one that changed while the index was built is a fault until the next build."""
    rows, faults = {}, {}
    for name in names:
        entry = journal.get(_key(folder, name)) or {"fault": "it changed while the index was built"}
        if "row" in entry:
            rows[shown(name)] = entry["row"]
        else:
            faults[shown(name)] = entry["fault"]
    return rows, faults


def _is_whole(entry: Any, rows: int) -> bool:
    """Whether what the journal says can be relied upon; faulty files are tried again, as their cause may be gone."""
    return isinstance(entry, dict) and "row" in entry and entry["row"] < rows


def _key(folder: Path, name: str) -> list[Any]:
    """A file as it is now."""
    try:
        status = (folder / name).stat()
    except OSError:
        return [shown(name), -1, -1]
    return [shown(name), status.st_size, status.st_mtime_ns]
