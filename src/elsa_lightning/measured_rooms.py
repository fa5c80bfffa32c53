"""What a fingerprint says of measured rooms: the content of their banks, read from the manifests. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from elsa_lightning.errors import ConfigError

REMEDY = "name a folder that `elsa rooms import` wrote, with rooms in this split"


def measured_content(folder: str, splits: Iterable[str]) -> dict[str, str]:
    """Split → content hash of the bank in `folder`/<split>.

    Raises:
        ConfigError: there is no such bank.
    """
    found = {}
    for split in splits:
        path = Path(folder) / split / "manifest.json"
        try:
            found[split] = json.loads(path.read_text())["content_hash"]
        except OSError as fault:
            raise ConfigError(
                f"rooms.measured.path: no bank of measured {split} rooms at {path.parent} ({fault.strerror})", REMEDY
            ) from fault
        except (ValueError, KeyError, TypeError) as fault:
            raise ConfigError(f"rooms.measured.path: {path} is no bank's manifest", REMEDY) from fault
    return found
