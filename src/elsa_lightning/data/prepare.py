"""A corpus on disk → a manifest that trains: every clip's file is found and looked into, and what is left out is named.

    tables → entries        the corpus' layout (`data.layouts`)
    files below the root    an index, so that nesting and file names may differ
    look into each file     in worker processes; each result goes to a journal beside the manifest at once
    manifest                sorted; the same bytes however often the work was killed and started again

The journal is keyed by path, size and time of each file: a second run looks only at what is new or changed. Imports no torch.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from elsa_lightning.data.journal import Journal
from elsa_lightning.data.journalled_facts import journalled_facts
from elsa_lightning.data.layouts import Entry, Fault, Layout, Listing, Tree, layout_of
from elsa_lightning.data.layouts.sharing import shared_recordings
from elsa_lightning.data.layouts.tars import extract_task, find_tars
from elsa_lightning.data.manifest import SPLITS, ClipRecord, write_manifest
from elsa_lightning.data.parallel import default_workers, each
from elsa_lightning.data.prepare_report import SHOWN, Report
from elsa_lightning.errors import ConfigError, DataError, RunError

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


def prepare(
    corpus: str,
    root: str | Path,
    manifest: str | Path,
    *,
    extract: str | Path | None = None,
    mix_down: str | Path | None = None,
    workers: int | None = None,
    strict: bool = False,
    report: str | Path | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Write a corpus' manifest. Killed at any moment and called again, it ends with the same file.

    Where official splits share a recording, test keeps it before val, and val before train.

    Args:
        corpus: name of its layout.
        root: folder that holds its tables and audio.
        manifest: JSONL file to write; beside it appears <manifest>.journal, which may be deleted once all is done.
        extract: folder for the content of webdataset tars, if the corpus comes as such.
        mix_down: folder for mono copies of files with more channels; None: these are faults.
        workers: processes; None: as many as processors, 0: this one.
        strict: a missing or faulty clip or a missing table is an error, and nothing is written but the report.
        report: JSON file for the report.
        progress: told of progress.

    Raises:
        ConfigError: an unknown corpus, or tars without a folder to extract to.
        DataError: the folder or its tables are missing, no clip is left, or `strict` and something is missing or faulty.
        RunError: another process prepares the same manifest, a worker died, or a folder cannot be written to.
    """
    layout, root, manifest = layout_of(corpus), Path(root), Path(manifest)
    workers = default_workers() if workers is None else workers
    if not root.is_dir():
        raise DataError(f"{root} is no folder", f"give the folder of {layout.name}: {layout.about}")
    found = Report(corpus, str(root), str(manifest))
    with Journal(manifest.with_name(manifest.name + ".journal")) as journal:
        roots = [root, *_extracted(layout, root, extract, workers, found, progress)]
        progress("reading tables", 0, 1)
        tree = Tree(roots, [Path(mix_down)] if mix_down else [])
        listing = layout.read(tree)
        progress("reading tables", 1, 1)
        clips = _with_files(listing, tree, found)
        copies = [_copy(path, tree.roots, mix_down) for _, path in clips]
        files = [(path, copy) for (_, path), copy in zip(clips, copies, strict=True)]
        facts = journalled_facts(files, journal, workers, lambda done, total: progress("looking into files", done, total))
        _sort_out(clips, facts, manifest, found)
        if report:
            _write(Path(report), json.dumps(found.to_dict(), indent=2, ensure_ascii=False) + "\n")
        _refuse(found, strict)
        with _writing(manifest):
            write_manifest(manifest, found.records)
    return found


def _extracted(layout: Layout, root: Path, folder: str | Path | None, workers: int, found: Report, progress: Progress) -> list[Path]:
    """The folder that tars were extracted to, if there are any."""
    tars = find_tars(root) if layout.tars else []
    if not tars:
        return []
    if not folder:
        raise ConfigError(f"{root} holds {len(tars)} tars, and audio is read from files", "name a folder for their content with --extract")
    tasks = [(str(tar), str(Path(folder) / tar.relative_to(root).with_suffix(""))) for tar in tars]
    faults: dict[int, Fault] = {}
    for done, (index, fault) in enumerate(each(extract_task, tasks, workers, chunk=1, few=1), 1):
        progress("extracting tars", done, len(tars))
        if fault:
            faults[index] = Fault(tars[index].relative_to(root).as_posix(), *fault)
    found.faults += [faults[index] for index in sorted(faults)]
    return [Path(folder)]


def _with_files(listing: Listing, tree: Tree, found: Report) -> list[tuple[Entry, Path]]:
    """Entries whose file is there and whose recording belongs to their split; the report names the others."""
    found.expected = len(listing.entries) + len(listing.faults)
    found.faults += listing.faults
    found.faults += [Fault(name, "its name is not UTF-8", "rename it here and in the corpus' table") for name in sorted(tree.nameless)]
    found.missing_tables, found.notes = listing.missing_tables, listing.notes
    needed = tree.has(sorted({folder for entry in listing.entries for folder in entry.folders}))
    files: list[str] = []
    for entry in listing.entries:
        paths = tree.audio(entry.names, entry.folders, needed)
        files.append(str(paths[0]) if paths else "")
        if not paths:
            found.missing.append(entry.clip_id)
        elif len(paths) > 1:
            found.several.append({"clip_id": entry.clip_id, "taken": str(paths[0]), "others": [str(path) for path in paths[1:]]})
    found.present, found.unlisted = len(files) - len(found.missing), tree.unclaimed
    found.shared = shared_recordings(listing.entries, files)
    left_out = {(one["clip_id"], one["split"]) for one in found.shared}
    pairs = zip(listing.entries, files, strict=True)
    return [(entry, Path(file)) for entry, file in pairs if file and (entry.clip_id, entry.split) not in left_out]


def _copy(path: Path, roots: Sequence[Path], folder: str | Path | None) -> str:
    """Where a file's mono copy goes."""
    if not folder:
        return ""
    return str(Path(folder) / next(path.relative_to(root).as_posix() + ".flac" for root in roots if path.is_relative_to(root)))


def _sort_out(clips: Sequence[tuple[Entry, Path]], facts: Sequence[dict[str, Any]], manifest: Path, found: Report) -> None:
    """Clips become records or faults."""
    seen: set[str] = set()
    for (entry, path), fact in zip(clips, facts, strict=True):
        if entry.clip_id in seen:
            found.faults.append(Fault(entry.clip_id, "the tables hold this clip twice", "the first is used; take the other out"))
        elif "fault" in fact:
            found.faults.append(Fault(entry.clip_id, *fact["fault"]))
        else:
            found.records.append(_record(entry, path, fact, manifest))
        seen.add(entry.clip_id)
    found.records.sort(key=lambda record: (SPLITS.index(record.split), record.clip_id))


def _record(entry: Entry, path: Path, fact: dict[str, Any], manifest: Path) -> ClipRecord:
    file, folder = Path(os.path.abspath(fact.get("mono", path))), Path(os.path.abspath(manifest)).parent
    audio = file.relative_to(folder).as_posix() if file.is_relative_to(folder) else str(file)
    duration_s = round(fact["frames"] / fact["rate"], 6)
    return ClipRecord(entry.clip_id, entry.split, entry.label, entry.captions, entry.source, entry.licence, audio, duration_s, fact["rate"])


def _refuse(found: Report, strict: bool) -> None:
    if strict and not found.whole:
        first = [*found.missing_tables, *found.missing, *(f"{fault.clip_id} ({fault.message})" for fault in found.faults)][:SHOWN]
        raise DataError(
            f"{found.corpus}: {len(found.missing)} clips are missing, {len(found.faults)} faulty, {len(found.missing_tables)} tables are "
            f"not there: {', '.join(first)}",
            "complete the corpus, or leave --strict away: then they are left out and named",
        )
    if not found.records:
        why = found.faults[0].message if found.faults else f"missing: {', '.join(found.missing[:3])} …"
        raise DataError(f"none of the {found.expected} clips of {found.corpus} in {found.root} can be used ({why})", "check the folder")


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror})", "make room, or choose another place: work so far is kept") from error
