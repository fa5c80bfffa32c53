"""Embeddings for TensorBoard's projector, with what each sound is and where it comes from. Imports no torch."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from elsa_lightning.atomic import disk_faults
from elsa_lightning.captions.attributes import words_of_all

POINTS = 500
"""Most embeddings of one row: they are kept as text, about 2 MB."""

LABELS = ("azimuth", "elevation", "distance_m", "floor_area_m2", "t30_s")
BETWEEN = "between"
"""Word of a value that lies between two words, or that nobody knows."""


def write_projector(folder: Path, embed: Path) -> None:
    """Write the embeddings of the spatial test clips, evenly drawn, and their words.

    Args:
        folder: of a TensorBoard run.
        embed: of the finished stage that embedded the clips.
    """
    from safetensors.numpy import load_file

    if not (embed / "embeddings.safetensors").exists():  # a report needs the metrics alone, whoever has made room
        return
    tensors = load_file(embed / "embeddings.safetensors")
    spatial = np.flatnonzero(tensors["test/is_spatial"])
    rows = spatial[np.linspace(0, len(spatial) - 1, min(POINTS, len(spatial))).round().astype(int)]
    if not len(rows):
        return
    names = json.loads((embed / "texts.json").read_text(encoding="utf-8"))["classes"]
    labels = {name: tensors[f"test/{name}"][rows] for name in LABELS}
    with disk_faults(folder):
        np.savetxt(folder / "tensors.tsv", tensors["test/audio"][rows], fmt="%.4g", delimiter="\t")
        (folder / "metadata.tsv").write_text(_metadata(tensors["test/label"][rows], names, labels), encoding="utf-8")
        config = 'embeddings {\n  tensor_name: "test sounds"\n  tensor_path: "tensors.tsv"\n  metadata_path: "metadata.tsv"\n}\n'
        (folder / "projector_config.pbtxt").write_text(config)


def _metadata(label: np.ndarray, names: list[str], labels: dict[str, np.ndarray]) -> str:
    """One line per embedding, after the columns' names."""
    lines = ["direction\televation\tdistance\tclass\tazimuth_deg\televation_deg\tdistance_m"]
    for row, words in enumerate(words_of_all(labels)):
        said = [words.direction, words.elevation, words.distance]
        degrees = [math.degrees(labels[name][row]) for name in ("azimuth", "elevation")]
        sound = names[label[row]] if label[row] >= 0 else BETWEEN
        numbers = [*(f"{value:.0f}" for value in degrees), f"{labels['distance_m'][row]:.2f}"]
        lines.append("\t".join([*(word or BETWEEN for word in said), sound, *numbers]))
    return "\n".join(lines) + "\n"
