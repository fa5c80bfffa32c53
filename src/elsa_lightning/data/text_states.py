"""Token states of a frozen text encoder, computed once per caption and looked up by it.

<folder>/part-<k>.safetensors   states (tokens, H) float16, mapped into memory; key (N,), tokens (N,) int64      manifest.json  written last

A part appears complete or not at all, so that an interrupted encoding goes on with the next one.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
from collections.abc import Sequence

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from elsa_lightning.atomic import read_json, write_json
from elsa_lightning.errors import DataError

MANIFEST = "manifest.json"
REMEDY = "delete the folder: the captions are encoded again"
FORMAT = 1


def caption_key(caption: str) -> int:
    """63 bits that stand for a caption."""
    return int.from_bytes(hashlib.blake2b(caption.encode(), digest_size=8).digest(), "little") >> 1


def part_path(folder: pathlib.Path, number: int) -> pathlib.Path:
    """File of one part."""
    return folder / f"part-{number:04d}.safetensors"


def write_part(folder: pathlib.Path, number: int, captions: Sequence[str], states: Sequence[Tensor]) -> None:
    """Write one part.

    Args:
        folder: of all parts.
        number: of this one.
        captions: N of them.
        states: one `(tokens, H)` for each.
    """
    path = part_path(folder, number)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    named = {
        "states": torch.cat([state.to("cpu", torch.float16) for state in states]),
        "key": torch.tensor([caption_key(caption) for caption in captions]),
        "tokens": torch.tensor([len(state) for state in states]),
    }
    try:
        save_file(named, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def has_part(folder: pathlib.Path, number: int, captions: Sequence[str]) -> bool:
    """Whether a part is there and holds these captions."""
    with contextlib.suppress(OSError, SafetensorError), safe_open(part_path(folder, number), framework="pt") as file:
        return file.get_tensor("key").tolist() == [caption_key(caption) for caption in captions]
    return False


def write_manifest(folder: pathlib.Path, parts: int, captions: int) -> None:
    """Declare a folder whole."""
    write_json(folder / MANIFEST, {"format": FORMAT, "parts": parts, "captions": captions})


class TextStates:
    """Looks captions' token states up; stands where a tokenizer would.

    Args:
        folder: with all parts and the manifest.

    Raises:
        DataError: a file is missing, cut short, or not what the manifest says.
    """

    def __init__(self, folder: str | pathlib.Path) -> None:
        self.folder = pathlib.Path(folder)
        manifest = read_json(self.folder / MANIFEST)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise DataError(f"{self.folder / MANIFEST} is missing or not a manifest of format {FORMAT}", REMEDY)
        self._parts: list[Tensor] = []
        self._spans: dict[int, tuple[int, int, int]] = {}
        for number in range(manifest.get("parts", 0)):
            self._open(part_path(self.folder, number))
        if len(self._spans) != manifest.get("captions") or not self._parts:
            raise DataError(f"{self.folder} holds {len(self._spans)} captions, its manifest says {manifest.get('captions')}", REMEDY)

    def _open(self, path: pathlib.Path) -> None:
        try:
            with safe_open(path, framework="pt") as file:
                states, key, tokens = (file.get_tensor(name) for name in ("states", "key", "tokens"))
        except (OSError, SafetensorError) as error:
            raise DataError(f"{path} cannot be read ({error})", REMEDY) from error
        starts = (tokens.cumsum(0) - tokens).tolist()
        self._spans |= {k: (len(self._parts), start, n) for k, start, n in zip(key.tolist(), starts, tokens.tolist(), strict=True)}
        self._parts.append(states)

    def __len__(self) -> int:
        return len(self._spans)

    def __call__(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """`states (B, L, H)` float16, zero at padding, and `attention_mask (B, L)` int64; L is the longest caption's number of tokens.

        Raises:
            DataError: a caption that was not encoded.
        """
        found = [self._states_of(caption) for caption in captions]
        longest = max(map(len, found))
        states = torch.zeros(len(found), longest, found[0].shape[1], dtype=torch.float16)
        mask = torch.zeros(len(found), longest, dtype=torch.int64)
        for row, state in enumerate(found):
            states[row, : len(state)] = state
            mask[row, : len(state)] = 1
        return {"states": states, "attention_mask": mask}

    def _states_of(self, caption: str) -> Tensor:
        try:
            part, start, count = self._spans[caption_key(caption)]
        except KeyError:
            raise DataError(f"the caption “{caption}” is not among the {len(self)} of {self.folder}", REMEDY) from None
        return self._parts[part][start : start + count]
