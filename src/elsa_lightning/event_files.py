"""TensorBoard's event files of one run: what they hold, and how a resumed run's curve stays one curve. Imports no torch.

A run that was killed has written events past its last checkpoint, and possibly half of one. The steps come again when it goes on; so these
events are taken out of the files, as the lines are out of metrics.jsonl. TensorBoard by itself would only hide them (`purge_step`), and
every other reader of the files would see each of those steps twice.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import keep_damaged, write_bytes

log = logging.getLogger(__name__)

PATTERN = "events.out.tfevents.*"
_HEADER, _CHECK = 12, 4
"""Bytes of a record: length (8) and its checksum (4), the content, the content's checksum (4)."""

CHECKED_BYTES = 2**16
"""Contents up to this size are compared with their checksum; a sound's takes seconds in Python."""


def records(path: Path) -> Iterator[tuple[bytes, Any]]:
    """Whole records of a file, each as its bytes and as the event that it holds; what cannot be read is left out."""
    return ((piece, event) for piece, event in _pieces(path.read_bytes()) if event is not None)


def _pieces(content: bytes) -> Iterator[tuple[bytes, Any | None]]:
    """A file's records, each with its event; None: damaged bytes. A record that a kill cut off at the end is left out."""
    start = 0
    while len(content) - start >= _HEADER:
        end = _end(content, start)
        if end > len(content):
            return
        if end:
            yield content[start:end], _event(content[start:end])
        else:  # where it ends is not known: go on at the next header that is whole
            later = (place for place in range(start + 1, len(content) - _HEADER - _CHECK + 1) if _begins(content, place))
            end = next(later, len(content))
            yield content[start:end], None
        start = end


def _length(content: bytes, start: int) -> int:
    return struct.unpack_from("<Q", content, start)[0]


def _end(content: bytes, start: int) -> int:
    """End of the record that begins somewhere, which may lie past the content; 0 where the length's checksum is wrong."""
    if _checksum(content[start : start + 8]) != struct.unpack_from("<I", content, start + 8)[0]:
        return 0
    return start + _HEADER + _length(content, start) + _CHECK


def _begins(content: bytes, start: int) -> bool:
    """Whether a record begins here and ends in the content. (The checksum last: it is slow.)"""
    return start + _HEADER + _length(content, start) + _CHECK <= len(content) and _end(content, start) > 0


def _event(record: bytes) -> Any | None:
    """A record's event; None where it is damaged."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    content = record[_HEADER:-_CHECK]
    if len(content) <= CHECKED_BYTES and _checksum(content) != struct.unpack("<I", record[-_CHECK:])[0]:
        return None
    try:
        return Event.FromString(content)
    except DecodeError:
        return None


def _checksum(content: bytes) -> int:
    """Masked CRC-32C, as TensorBoard writes it."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    return int(masked_crc32c(content))


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
    take out stays as it is: a TensorBoard that reads it does not notice. Damage elsewhere is taken out too (TensorBoard would stop reading
    there), and the file's content kept beside it.

    Args:
        folder: of the run's event files.
        step: that will be the first to be written again.
    """
    for path in list(folder.glob(PATTERN)):
        content = path.read_bytes()
        pieces = list(_pieces(content))
        kept = b"".join(piece for piece, event in pieces if event is not None and (event.step < step or not event.summary.value))
        damaged = [len(piece) for piece, event in pieces if event is None]
        if damaged:  # without TensorBoard's mark in its name, or it would be read as one more file
            place = keep_damaged(path.with_name(path.name.replace("tfevents.", "")), content)
            log.warning("%s: %d bytes cannot be read and are left out; the file as it was is kept as %s", path, sum(damaged), place.name)
        if kept != content:
            write_bytes(path, kept)
