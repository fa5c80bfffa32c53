"""Writes clips to a folder, for listening and for other programs."""

from __future__ import annotations

import json
from pathlib import Path

from elsa_lightning.errors import DataError
from elsa_lightning.foley.clip import draw


def export(folder: str | Path, count: int, seed: int = 0, split: str = "train", sample_rate: int = 16000) -> Path:
    """Writes `count` clips as WAV files with a captions.jsonl, each line of which says that the sound is synthetic.

    Args:
        folder: where to write; created if it is missing.
        count: number of clips, the classes in turn.
        seed: seed of the corpus.
        split: train, val or test.
        sample_rate: in Hz.

    Returns:
        Path of captions.jsonl.

    Raises:
        DataError: if the folder cannot be written.
    """
    import soundfile

    folder = Path(folder)
    lines = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            clip = draw(seed, index, split, sample_rate=sample_rate)
            name = f"{split}_{index:06d}_{clip.label.replace(' ', '_')}.wav"
            soundfile.write(folder / name, clip.audio, sample_rate, subtype="PCM_16")
            record = {"file": name, "label": clip.label, "split": split, "captions": clip.captions, "parameters": clip.parameters}
            lines.append(json.dumps(record | {"synthetic": True}, ensure_ascii=False))
        path = folder / "captions.jsonl"
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    except (OSError, soundfile.SoundFileError) as error:
        raise DataError(f"cannot write foley clips to {folder}: {error}", "choose a writable folder with free space") from error
    return path
