"""The files of Spatial LibriSpeech: its metadata names them, with bytes and SHA-256 (DATASET_SCHEMA.md of apple/ml-spatial-librispeech)."""

from __future__ import annotations

from pathlib import Path

from elsa_lightning.data.download.types import RemoteFile
from elsa_lightning.data.recorded.spatial_librispeech import AUDIO, LITE, METADATA, read_table

SIZE, CHECKSUM = "audio_info/size/ambisonics", "audio_info/checksum/ambisonics"


def samples(metadata: Path, url: str, lite: bool) -> list[RemoteFile]:
    """The speech in first-order ambisonics (not the distractors alone, which nothing here reads).

    Args:
        metadata: the fetched metadata.parquet.
        url: where it came from; the samples lie beside it.
        lite: those of the lite version only.

    Raises:
        DataError: pyarrow is not installed, or the file is damaged or lacks a column.
    """
    table = read_table(metadata, ("sample_id", SIZE, CHECKSUM, *([LITE] if lite else [])))
    base = url.removesuffix(METADATA)
    return [
        RemoteFile(f"{AUDIO}/{number:06}.flac", f"{base}{AUDIO}/{number:06}.flac", int(size), f"sha256:{checksum.lower()}")
        for number, size, checksum, *wanted in zip(*table.values(), strict=True)
        if all(wanted)
    ]
