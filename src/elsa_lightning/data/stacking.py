"""Memory for the large arrays of batches, used again once nobody holds the batch that lay in it.

Fresh memory costs more than what is written into it: the system clears each page, and a worker process makes and maps shared memory for
every batch. So a process keeps some pieces. In a worker process they are shared with the training's process, which gets the piece's handle.

Whether a piece is free stands in the piece itself, where both processes see it: 0, or the number of the batch that lies in it. A batch's
tensor is made of a numpy array that any view of it, in torch or numpy, keeps alive; when that array goes, the number is cleared, unless
another batch's has taken its place.

    worker     take → n      …filled…      pack → −n, sent                              take → n + 1 …
    training                                             unpack    …used, dropped → 0
"""

from __future__ import annotations

import itertools
import math
import os
import weakref
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch

from elsa_lightning.features import Features

HEADER = 64
"""Bytes before the array: the first eight are the number."""
KEPT = 3
"""Free pieces that a process keeps,"""
KEPT_BYTES = 1 << 30
"""of so many bytes in all."""
_NUMBERS = itertools.count(1)


class BatchMemory:
    """This process' pieces."""

    def __init__(self) -> None:
        self._pieces: list[torch.Tensor] = []  # (bytes,) uint8
        self._process = os.getpid()

    def take(self, shape: Sequence[int]) -> torch.Tensor:
        """A float32 tensor of any content, whose memory is nobody else's until it and all its views are gone."""
        if self._process != os.getpid():  # a fork: these pieces are another's
            self._pieces, self._process = [], os.getpid()
        size = 4 * math.prod(shape)
        free = sorted((piece for piece in self._pieces if not _number(piece)[0]), key=len)
        piece = next((one for one in free if len(one) >= HEADER + size), None)
        if piece is None:
            piece = _new(HEADER + size)
            _number(piece)[0] = 0
            self._pieces.append(piece)
        else:
            free = [one for one in free if one is not piece]
        while free and (len(free) > KEPT or sum(map(len, free)) > KEPT_BYTES):
            smallest = free.pop(0)
            self._pieces = [one for one in self._pieces if one is not smallest]
        number = next(_NUMBERS)
        _number(piece)[0] = number
        return _lent(piece, shape, number)

    def piece_of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """The piece that a tensor of `take` lies in; None for other tensors."""
        return next((piece for piece in self._pieces if piece.data_ptr() + HEADER == tensor.data_ptr()), None)

    def __len__(self) -> int:
        return len(self._pieces)


MEMORY = BatchMemory()


def stacked(arrays: Sequence[np.ndarray]) -> torch.Tensor:
    """float32 copies of arrays, as one tensor."""
    whole = MEMORY.take((len(arrays), *arrays[0].shape))
    np.stack(arrays, out=whole.numpy(), casting="same_kind")
    return whole


class Packed:
    """A batch on its way out of a worker process; unpickled, it is the batch.

    Large tensors go by their piece's handle, all others with the rest of the message: a tensor of torch's own would be shared memory, too,
    whatever its size.

    Args:
        batch: a dataclass with tensors, dicts of tensors and `Features` among its fields.
    """

    def __init__(self, batch: Any) -> None:
        self._kind, self._fields = type(batch), {field.name: _packed(getattr(batch, field.name)) for field in fields(batch)}

    def __reduce__(self):
        return _unpacked, (self._kind, self._fields)


def is_worker() -> bool:
    """Whether this is a DataLoader's worker process."""
    return torch.utils.data.get_worker_info() is not None


def _new(size: int) -> torch.Tensor:
    if is_worker():
        return torch.empty(0, dtype=torch.uint8).set_(torch.UntypedStorage._new_shared(size))  # as torch's default_collate does
    return torch.from_numpy(np.empty(size, np.uint8))  # numpy asks for large pages, which are quicker to get


def _number(piece: torch.Tensor) -> np.ndarray:
    """(1,) int64, in the piece."""
    return piece.numpy()[:8].view(np.int64)


def _lent(piece: torch.Tensor, shape: Sequence[int], number: int) -> torch.Tensor:
    """The tensor in a piece, until whose end the piece keeps its number."""
    array = piece.numpy()[HEADER : HEADER + 4 * math.prod(shape)].view(np.float32).reshape(shape)
    weakref.finalize(array, _clear, _number(piece), number).atexit = False
    return torch.from_numpy(array)  # keeps `array` itself as long as its storage is in use


def _clear(place: np.ndarray, number: int) -> None:
    if place[0] == number:
        place[0] = 0


def _packed(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        piece = MEMORY.piece_of(value) if value.numel() else None
        if piece is None:
            return _Small(value.numpy())
        _number(piece)[0] = -_number(piece)[0]
        return _Large(piece, tuple(value.shape))
    if isinstance(value, dict):
        return {name: _packed(one) for name, one in value.items()}
    return Packed(value) if isinstance(value, Features) else value


class _Small:
    """A tensor that travels with the message."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def tensor(self) -> torch.Tensor:
        return torch.from_numpy(self.array)


class _Large:
    """A tensor whose piece is shared."""

    def __init__(self, piece: torch.Tensor, shape: tuple[int, ...]) -> None:
        self.piece, self.shape = piece, shape

    def tensor(self) -> torch.Tensor:
        return _lent(self.piece, self.shape, int(_number(self.piece)[0]))


def _unpacked(kind: type, values: dict[str, Any]) -> Any:
    return kind(**{name: _tensors(value) for name, value in values.items()})


def _tensors(value: Any) -> Any:
    if isinstance(value, _Small | _Large):
        return value.tensor()
    return {name: _tensors(one) for name, one in value.items()} if isinstance(value, dict) else value
