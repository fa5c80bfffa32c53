"""Models on a hub, through huggingface_hub: the local cache first, one short request before anything long, one message for every fault."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elsa_lightning.api import folder as folders
from elsa_lightning.api.config_file import CAPTIONER, CARD, CONFIG, TOKENIZER, WEIGHTS
from elsa_lightning.errors import DataError, RunError
from elsa_lightning.weights import first_line, looks_local, why_unreachable

_FILES = [CONFIG, WEIGHTS, CARD, f"{TOKENIZER}/*", f"{CAPTIONER}/*"]
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*", re.ASCII)


def model_folder(name: str | os.PathLike, revision: str | None = None) -> Path:
    """The folder behind a path or a hub name; what is not in the cache is downloaded.

    Args:
        name: folder, or owner/name on the hub.
        revision: branch, tag or commit on the hub.

    Raises:
        DataError: neither; the remedy says what to do without a network.
    """
    path = Path(name).expanduser()
    try:
        there, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError):  # a name too long for a path, or with a NUL
        there = is_folder = False
    if is_folder:
        return path
    if there:
        raise DataError(f"{name} is a file", "name the folder that it lies in")
    name = str(name)
    if looks_local(name) or not _NAME.fullmatch(name):
        raise DataError(
            f"there is no folder {name[:200]}", "train one: make model, or elsa model export; or name one of the hub (OWNER/NAME)"
        )
    return _from_hub(name, revision)


def _from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        found = Path(snapshot_download(name, revision=revision, local_files_only=True))
        if (found / WEIGHTS).is_file():
            return found
    except _faults():
        pass
    remedy = f"on a machine with a network: `hf download {name} --local-dir DIR`; copy DIR here and name it; `make model` trains your own"
    if reason := why_unreachable(name):
        raise DataError(f"{name} is neither a folder nor in the local cache, and {reason}", remedy)
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_FILES))
    except _faults() as error:
        raise DataError(f"{name} could not be loaded from the hub: {first_line(error)}", remedy) from error


def push(parts: folders.Parts, name: str, private: bool, token: str | None, message: str) -> str:
    """Write the folder's files and upload them as one commit, into a repository that is made if it is not there.

    Args:
        parts: the model.
        name: owner/name.
        private: whether a new repository is private.
        token: of the hub; None: the one that `hf auth login` left.
        message: of the commit.

    Returns:
        The commit's address.

    Raises:
        DataError: no such name.
        RunError: the hub cannot be reached or refuses.
    """
    if not _NAME.fullmatch(name):
        raise DataError(f"{name!r} is no name on a hub", "write OWNER/NAME")
    from huggingface_hub import HfApi

    with tempfile.TemporaryDirectory() as place, _uploading(name):
        folders.write_into(parts, Path(place))
        api = HfApi(token=token)
        api.create_repo(name, private=private, exist_ok=True)
        return str(api.upload_folder(repo_id=name, folder_path=place, commit_message=message).commit_url)


@contextmanager
def _uploading(name: str) -> Iterator[None]:
    try:
        yield
    except _faults() as error:
        raise RunError(
            f"{name} could not be pushed to the hub: {first_line(error)}",
            "is there a network, and a token that may write (hf auth login)? save_pretrained writes the same files to a folder",
        ) from error


def _faults() -> tuple[type[Exception], ...]:
    """What huggingface_hub raises where there is no network, no such repository or no permission."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    # a refused connection is an error of its HTTP client, which is another package from version to version
    clients = [kind for kind in HfHubHTTPError.__mro__ if kind.__name__ == "HTTPError"]
    return (*clients, HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError, ValueError)
