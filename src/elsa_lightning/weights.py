"""Files of pretrained weights: where a name leads, what identifies them, and what to do where they are missing. Imports no torch.

A checkpoint is named by a local folder (config.json beside `*.safetensors`, or pytorch_model.bin), by a local file (`.safetensors`, or
`.pt`, `.pth`, `.bin` as LAION-CLAP writes), or by a hub name (owner/name, or roberta-base), which is looked up in the local cache and, if
the hub can be reached, downloaded there. Its identity is the SHA-256 of those files, not the name: a moved folder is the same checkpoint.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from elsa_lightning.errors import DataError

SUFFIXES = (".safetensors", ".pt", ".pth", ".bin")
"""Files of weights."""

SPATIAL_BRANCH = "spatial_branch.safetensors"
"""File of a pre-trained spatial branch in its folder."""

_SAFE = ["config.json", "model*.safetensors"]
_PICKLED = ["config.json", "pytorch_model*.bin"]
_TOKENIZER = ("*token*.json", "vocab*", "merges.txt")
_PROBE_S = 3.0
"""Patience with the hub, s."""
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")


@dataclass(frozen=True)
class Checkpoint:
    """The files of a checkpoint.

    Attributes:
        name: as the configuration names it.
        weights: files of tensors, one unless they are sharded.
        config: config.json beside them; None for a lone file.
    """

    name: str
    weights: tuple[Path, ...]
    config: Path | None


def find_checkpoint(name: str, key: str) -> Checkpoint:
    """The files behind a name; a hub name that is not cached is downloaded.

    Args:
        name: local folder, local file or hub name.
        key: config key that holds it, for messages.

    Raises:
        DataError: there is none; the remedy says what to download and where to.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_folder(path, name, key)
    if path.is_file():
        if path.suffix not in SUFFIXES:
            raise DataError(f"{key}: {name} is no file of weights", f"name a folder, or a file that ends in {', '.join(SUFFIXES)}")
        config = path.with_name("config.json")
        return Checkpoint(name, (path,), config if path.suffix == ".safetensors" and config.is_file() else None)
    if looks_local(name):
        raise DataError(
            f"{key}: there is no folder or file {name}", f"correct the path, or name a checkpoint of the hub; {remedy('', key)}"
        )
    return _in_folder(_from_hub(name, key), name, key)


def looks_local(name: str) -> bool:
    """Whether a name can only be a path: `/…`, `./…`, `~/…`, more than one slash, or an ending of a file of weights."""
    return name.startswith(("/", ".", "~")) or name.count("/") > 1 or name.endswith(SUFFIXES)


def checkpoint_hash(name: str, key: str) -> str:
    """`sha256:` and 32 hex digits that depend on the checkpoint's files alone: on no name, place or date.

    Raises:
        DataError: see `find_checkpoint`.
    """
    found = find_checkpoint(name, key)
    return _hash_of([*found.weights, *([found.config] if found.config else [])])


def branch_hash(name: str, key: str = "model.spatial.checkpoint") -> str:
    """The same for a spatial branch's file or folder.

    Raises:
        DataError: no such file.
    """
    return _hash_of([branch_file(name, key)])


def tokenizer_hash(name: str, key: str = "model.text.tokenizer") -> str:
    """The same for a tokenizer's folder. A hub name stays a name: a tokenizer is no part of what training starts from that may differ
    under one name, and plans are made on machines that have none."""
    folder = Path(name).expanduser()
    if not folder.is_dir():
        return name
    return _hash_of(sorted(path for pattern in _TOKENIZER for path in folder.glob(pattern) if path.is_file()))


def language_hash(name: str, key: str) -> str:
    """The same for a folder with a language model and its tokenizer. A hub name stays a name, as a tokenizer's does: tables are planned on
    machines that have no such model.

    Raises:
        DataError: what can only be a folder is none, or lacks its files.
    """
    folder = Path(name).expanduser()
    if not folder.is_dir() and not looks_local(name):
        return name
    found = find_checkpoint(name, key)
    tokenizer = {path for pattern in _TOKENIZER for path in folder.glob(pattern) if path.is_file()}
    return _hash_of([*found.weights, *([found.config] if found.config else []), *sorted(tokenizer)])


def branch_file(name: str, key: str = "model.spatial.checkpoint") -> Path:
    """The file of a pre-trained spatial branch.

    Raises:
        DataError: no such file.
    """
    path = Path(name).expanduser()
    path = path / SPATIAL_BRANCH if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{key}: no pre-trained spatial branch at {path}", f"correct {key}, or leave it empty")
    return path


def why_unreachable(name: str) -> str:
    """An empty string if the hub has the checkpoint, else the reason in words, within seconds."""
    if any(os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"} for variable in _OFFLINE):
        return "HF_HUB_OFFLINE forbids downloads"
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    request = urllib.request.Request(f"{endpoint}/api/models/{name}", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_S):
            return ""
    except urllib.error.HTTPError as error:
        return f"{endpoint} answers {error.code} for it"
    except (OSError, ValueError) as error:
        return f"{endpoint} cannot be reached ({first_line(error)})"


def remedy(name: str, key: str) -> str:
    """How a machine without a network gets the weights."""
    name = name or "OWNER/NAME"
    folder = f"weights/{Path(name).name}"
    return (
        f"on a machine with a network: `hf download {name} --local-dir {folder}`; copy that folder here, set {key}={folder}, "
        "and HF_HUB_OFFLINE=1 so that no hub is asked"
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's text, cut."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _in_folder(folder: Path, name: str, key: str) -> Checkpoint:
    """safetensors before pickles: a published folder may hold the same weights in both."""
    for pattern in ("model*.safetensors", "pytorch_model*.bin"):
        if files := sorted(path for path in folder.glob(pattern) if path.is_file()):
            break
    else:
        raise DataError(f"{key}: the folder {name} holds no model*.safetensors (nor pytorch_model*.bin)", remedy("", key))
    config = folder / "config.json"
    if not config.is_file():
        raise DataError(f"{key}: the folder {name} holds no config.json", "copy it from where the weights came from")
    return Checkpoint(name, tuple(files), config)


def _from_hub(name: str, key: str) -> Path:
    """The cached folder of a hub name, downloaded if need be."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
        if any(folder.glob("model*.safetensors")) or any(folder.glob("pytorch_model*.bin")):
            return folder
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        pass
    if reason := why_unreachable(name):
        raise DataError(f"{key}: {name} is neither a folder nor in the local cache, and {reason}", remedy(name, key))
    try:
        for patterns in (_SAFE, _PICKLED):
            folder = Path(snapshot_download(name, allow_patterns=patterns))
            if any(folder.glob(patterns[1])):
                return folder
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise DataError(f"{key}: {name} could not be loaded from the hub: {first_line(error)}", remedy(name, key)) from error
    raise DataError(f"{key}: the hub's {name} holds no weights", remedy("", key))


def _hash_of(files: list[Path]) -> str:
    """Hash of the files' own hashes. Their names in the folder do not count: `model.safetensors` is as good as `clap.safetensors`."""
    marks = []
    for path in files:
        stat = path.stat()
        marks.append(_file_hash(str(path.resolve()), stat.st_size, stat.st_mtime_ns))
    return "sha256:" + hashlib.sha256("\n".join(marks).encode()).hexdigest()[:32]


@lru_cache
def _file_hash(path: str, size: int, changed_ns: int) -> str:
    """SHA-256 of a file; read once per process as long as its size and date stay."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def _digest(file) -> str:
    """`hashlib.file_digest`, which Python 3.10 lacks."""
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
