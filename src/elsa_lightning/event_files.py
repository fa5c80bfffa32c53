"""TensorBoard's event files of one run: what they hold, and how a resumed run's curve stays one curve. Imports no torch.

A run that was killed has written events past its last checkpoint, and possibly half of one. The steps come again when it goes on; so these
events are taken out of the files, as the lines are out of metrics.jsonl. TensorBoard by itself would only hide them (`purge_step`), and
every other reader of the files would see each of those steps twice.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATTERN = "events.out.tfevents.*"
_HEADER, _CHECK = 12, 4
"""Bytes of a record: length (8) and its checksum (4), the content, the content's checksum (4)."""


def records(path: Path) -> Iterator[tuple[bytes, Any]]:
    """Whole records of a file, each as its bytes and as the event that it holds; what a kill cut off at the end is left out."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    content = path.read_bytes()
    start = 0
    while start + _HEADER <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        end = start + _HEADER + length + _CHECK
        if end > len(content):
            return
        try:
            event = Event.FromString(content[start + _HEADER : end - _CHECK])
        except DecodeError:
            return
        yield content[start:end], event
        start = end


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag → (step, value) of every scalar in a run's files, in the order in which they were written."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob(PATTERN)):
        for _, event in records(path):
            for value in event.summary.value:
                if value.WhichOneof("value") == "simple_value":
                    found.setdefault(value.tag, []).append((event.step, value.simple_value))
                elif value.metadata.plugin_data.plugin_name == "scalars" and value.tensor.float_val:
                    found.setdefault(value.tag, []).append((event.step, value.tensor.float_val[0]))
    return found


def drop_events(folder: Path, step: int) -> None:
    """Take out of a run's files what was written at `step` and after it, and what a kill left half written. A file without anything to
    take out stays as it is: a TensorBoard that reads it does not notice.

    Args:
        folder: of the run's event files.
        step: that will be the first to be written again.
    """
    for path in folder.glob(PATTERN):
        kept = [record for record, event in records(path) if event.step < step or not event.summary.value]
        if sum(map(len, kept)) == path.stat().st_size:
            continue
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_bytes(b"".join(kept))
        os.replace(temporary, path)
