"""Token states of a frozen text encoder, computed once per caption and looked up by it.

<folder>/states.npy (tokens, H) float16, mapped into memory   captions.npz (N,) each: key, start, tokens   manifest.json  written last
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from elsa_lightning.atomic import disk_space_check, write_json
from elsa_lightning.data.cache_files import file_hash
from elsa_lightning.errors import DataError

STATES, CAPTIONS, MANIFEST = "states.npy", "captions.npz", "manifest.json"
REMEDY = "delete the folder: the captions are encoded again"
FORMAT = 1


def caption_key(caption: str) -> int:
    """64 bits that stand for a caption."""
    return int.from_bytes(hashlib.blake2b(caption.encode(), digest_size=8).digest(), "little")


class TextStates:
    """Looks captions' token states up; stands where a tokenizer would.

    Args:
        folder: written by `TextStatesWriter`.

    Raises:
        DataError: a file is missing, cut short, or not the one that the manifest describes.
    """

    def __init__(self, folder: str | pathlib.Path) -> None:
        self.folder = pathlib.Path(folder)
        try:
            manifest = json.loads((self.folder / MANIFEST).read_text())
            self.states = np.load(self.folder / STATES, mmap_mode="r", allow_pickle=False)  # (tokens, H)
        except (OSError, ValueError, EOFError) as error:
            raise DataError(f"{self.folder} cannot be read ({error})", REMEDY) from error
        if manifest.get("format") != FORMAT or file_hash(self.folder / CAPTIONS) != manifest.get("captions_hash"):
            raise DataError(f"{self.folder / CAPTIONS} is not the file that the manifest describes", REMEDY)
        if list(self.states.shape) != manifest["shape"] or self.states.dtype != np.float16:
            raise DataError(f"{self.folder / STATES} has shape {self.states.shape}, not {tuple(manifest['shape'])} float16", REMEDY)
        with np.load(self.folder / CAPTIONS, allow_pickle=False) as file:
            spans = zip(file["start"].tolist(), file["tokens"].tolist(), strict=True)
            self._spans = dict(zip(file["key"].tolist(), spans, strict=True))

    def __len__(self) -> int:
        return len(self._spans)

    def __call__(self, captions: Sequence[str]) -> dict[str, Tensor]:
        """`states (B, L, H)` float16, zero at padding, and `attention_mask (B, L)` int64; L is the longest caption's number of tokens.

        Raises:
            DataError: a caption that was not encoded.
        """
        spans = [self._span(caption) for caption in captions]
        longest = max(count for _, count in spans)
        states = torch.zeros(len(spans), longest, self.states.shape[1], dtype=torch.float16)
        mask = torch.zeros(len(spans), longest, dtype=torch.int64)
        for row, (start, count) in enumerate(spans):
            states[row, :count] = torch.from_numpy(np.array(self.states[start : start + count]))
            mask[row, :count] = 1
        return {"states": states, "attention_mask": mask}

    def _span(self, caption: str) -> tuple[int, int]:
        try:
            return self._spans[caption_key(caption)]
        except KeyError:
            raise DataError(f"the caption “{caption}” is not among the {len(self)} of {self.folder}", REMEDY) from None


class TextStatesWriter:
    """Writes a folder that `TextStates` reads; the manifest, written by `close`, makes it whole.

    Args:
        folder: to write to.
        tokens: number of tokens of all captions together.
        width: H.

    Raises:
        RunError: the disk is too small.
    """

    def __init__(self, folder: str | pathlib.Path, tokens: int, width: int) -> None:
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / MANIFEST).unlink(missing_ok=True)
        disk_space_check(self.folder, 2 * tokens * width / 0.95)
        self._states = np.lib.format.open_memmap(self.folder / STATES, mode="w+", dtype=np.float16, shape=(tokens, width))
        self._rows: list[tuple[int, int, int]] = []
        self._end = 0

    def add(self, captions: Sequence[str], states: Tensor, mask: Tensor) -> None:
        """Append captions.

        Args:
            captions: B, none of them added before.
            states: `(B, L, H)`.
            mask: `(B, L)`, ones first.
        """
        for caption, state, count in zip(captions, states.to("cpu", torch.float16).numpy(), mask.sum(1).tolist(), strict=True):
            self._states[self._end : self._end + count] = state[:count]
            self._rows.append((caption_key(caption), self._end, count))
            self._end += count

    def close(self) -> None:
        """Finish the folder."""
        if self._end != len(self._states):
            raise ValueError(f"{self._end} tokens were added, {len(self._states)} were announced")
        self._states.flush()
        key, start, tokens = zip(*self._rows, strict=True)
        columns = {"key": np.array(key, np.uint64), "start": np.array(start, np.int64), "tokens": np.array(tokens, np.int64)}
        np.savez(self.folder / CAPTIONS, **columns)
        about = {
            "format": FORMAT,
            "shape": list(self._states.shape),
            "captions": len(key),
            "captions_hash": file_hash(self.folder / CAPTIONS),
        }
        write_json(self.folder / MANIFEST, about)
