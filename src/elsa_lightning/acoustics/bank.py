"""A bank: a fixed set of rooms with their responses and measured labels, in memory or on disk.

On disk a bank is a folder of `bank.safetensors` and `manifest.json`; the manifest names the conventions (ACN, SN3D, axes) and carries the
hash of the content, which is what a run's fingerprint refers to.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.measure import LABELS, OCTAVE_T30, render_measured
from elsa_lightning.acoustics.sampling import split_rooms
from elsa_lightning.atomic import disk_space_check, partial_folder
from elsa_lightning.errors import DataError
from elsa_lightning.schema import RoomsConfig

_TENSORS, _MANIFEST = "bank.safetensors", "manifest.json"
_FORMAT = 2
_REBUILD = "delete the folder and build the bank again"
BATCH = 64
MEASURED = "measured"
"""Key of a bank's source: its measured rows, which follow the simulated ones from row `first` on (0: all are measured)."""

_CONVENTIONS = {"order": "ACN", "normalisation": "SN3D", "axes": "x front, y left, z up; azimuth counter-clockwise"}


@dataclass
class RoomBank:
    """N rooms.

    Attributes:
        scene: N scenes.
        samples: (N, 4, R) float16 responses, each divided by its own scale.
        scale: (N,) float32, largest magnitude of each response.
        labels: (N,) float32 each, see `measure.LABELS`.
        octave_t30_s: (N, bands) float32, see `measure.OCTAVE_T30`.
        sample_rate: Hz.
        source: what the bank was built from (configuration, split), for the manifest.
    """

    scene: Scene
    samples: Tensor
    scale: Tensor
    labels: dict[str, Tensor]
    octave_t30_s: Tensor
    sample_rate: int
    source: dict

    @classmethod
    def of(cls, scene: Scene, rir: Tensor, labels: dict[str, Tensor], sample_rate: int, source: dict) -> RoomBank:
        """A bank of float32 responses (N, 4, R), whose labels hold `measure.OCTAVE_T30`."""
        scale = rir.abs().amax(dim=(1, 2)).clamp_min(1e-12)
        plain = {name: labels[name] for name in LABELS}
        return cls(scene, (rir / scale[:, None, None]).half(), scale, plain, labels[OCTAVE_T30], sample_rate, source)

    def __len__(self) -> int:
        return self.samples.shape[0]

    @property
    def simulated(self) -> int:
        """How many of the rooms are simulated: the first ones; the others were measured, and their unknown labels are NaN."""
        return self.source[MEASURED]["first"] if MEASURED in self.source else len(self)

    def measured_rooms(self) -> RoomBank:
        """The measured rooms alone."""
        rows = slice(self.simulated, None)
        labels = {name: values[rows] for name, values in self.labels.items()}
        source = {**self.source, MEASURED: {**self.source[MEASURED], "first": 0}}
        tensors = (self.samples[rows], self.scale[rows], labels, self.octave_t30_s[rows])
        return RoomBank(self.scene.select(rows), *tensors, self.sample_rate, source)

    def rir(self, index: Tensor) -> Tensor:
        """Responses (B, 4, R) float32 of the rooms at `index` (B,) int64."""
        return self.samples[index].float() * self.scale[index, None, None]

    def label(self, index: Tensor) -> dict[str, Tensor]:
        """Labels (B,) of the rooms at `index` (B,) int64."""
        return {name: values[index] for name, values in self.labels.items()}

    def to(self, device: torch.device | str) -> RoomBank:
        """The bank on another device."""
        labels = {name: values.to(device) for name, values in self.labels.items()}
        tensors = (self.samples.to(device), self.scale.to(device), labels, self.octave_t30_s.to(device))
        return RoomBank(self.scene.to(device), *tensors, self.sample_rate, self.source)

    def tensors(self) -> dict[str, Tensor]:
        """Everything by the name it has on disk."""
        named = {"rir": self.samples, "scale": self.scale}
        named |= {f"scene.{name}": value for name, value in self.scene.tensors().items()}
        named |= {f"label.{name}": value for name, value in (*self.labels.items(), (OCTAVE_T30, self.octave_t30_s))}
        return {name: value.detach().cpu().contiguous() for name, value in named.items()}

    @property
    def content_hash(self) -> str:
        """Hexadecimal hash of every tensor and of the sample rate."""
        return _hash(self.tensors(), self.sample_rate)

    def save(self, folder: str | Path) -> None:
        """Write the bank; the folder appears complete or not at all, and replaces an older one.

        Args:
            folder: to create.

        Raises:
            DataError: something else than a bank is there; it is left alone.
            RunError: the disk is too small.
        """
        folder = Path(folder)
        check_replaceable(folder)
        tensors = self.tensors()
        disk_space_check(folder.parent, sum(tensor.nbytes for tensor in tensors.values()))
        partial = partial_folder(folder)
        try:
            save_file(tensors, partial / _TENSORS)
            manifest = {
                "format": _FORMAT,
                "rooms": len(self),
                "sample_rate": self.sample_rate,
                **_CONVENTIONS,
                "source": self.source,
                "content_hash": _hash(tensors, self.sample_rate),
            }
            (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
            if folder.exists():
                shutil.rmtree(folder)
            os.replace(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | Path, mmap: bool = True, verify: bool = True) -> RoomBank:
        """Read a bank.

        Args:
            folder: written by `save`.
            mmap: leave the responses on disk and let the system page them in; false: read them now.
            verify: compare the content with the manifest's hash (reads everything once).

        Raises:
            DataError: a file is missing, unreadable, or not what the manifest says.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        try:
            with safe_open(folder / _TENSORS, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        except (OSError, SafetensorError) as fault:
            raise DataError(f"{folder / _TENSORS}: {fault}", _REBUILD) from fault
        if not mmap:
            tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        expected = {"rir", "scale", *(f"scene.{f.name}" for f in fields(Scene)), *(f"label.{name}" for name in (*LABELS, OCTAVE_T30))}
        if set(tensors) != expected:
            raise DataError(f"{folder / _TENSORS}: holds {sorted(tensors)}, not {sorted(expected)}", _REBUILD)
        if verify and _hash(tensors, manifest["sample_rate"]) != manifest["content_hash"]:
            raise DataError(f"{folder}: the content does not have the hash in {_MANIFEST}", _REBUILD)
        if manifest.get("rooms") != len(tensors["rir"]):
            raise DataError(f"{folder}: {len(tensors['rir'])} rooms, but the manifest says {manifest.get('rooms')}", _REBUILD)
        scene = Scene(**{f.name: tensors[f"scene.{f.name}"] for f in fields(Scene)})
        labels = {name: tensors[f"label.{name}"] for name in LABELS}
        octaves = tensors[f"label.{OCTAVE_T30}"]
        return cls(scene, tensors["rir"], tensors["scale"], labels, octaves, manifest["sample_rate"], manifest["source"])


def check_replaceable(folder: Path) -> None:
    """Refuse a folder that holds anything but a bank: saving replaces it whole.

    Raises:
        DataError: there is a file, or a folder with something else in it.
    """
    if not folder.exists():
        return
    try:
        strangers = {path.name for path in folder.iterdir()} - {_TENSORS, _MANIFEST}
        if any(folder.iterdir()):
            read_manifest(folder)
    except (OSError, DataError) as fault:
        raise DataError(f"{folder} exists and is no room bank ({fault})", "name a new folder: a bank replaces what is there") from fault
    if strangers:
        raise DataError(f"{folder} holds more than a bank: {', '.join(sorted(strangers)[:3])}", "move these away, or name a new folder")


def saved_hash(folder: str | Path) -> str:
    """Content hash of the bank in a folder, as its manifest has it (`RoomBank.load` compares).

    Raises:
        DataError: no bank is there.
    """
    return read_manifest(folder)["content_hash"]


def read_manifest(folder: str | Path) -> dict:
    """The manifest of the bank in a folder; DataError: no bank is there, or one of another version."""
    path = Path(folder) / _MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except OSError as fault:
        raise DataError(f"{path}: no room bank here ({fault.strerror})", "build it first, or correct the path") from fault
    except ValueError as fault:
        raise DataError(f"{path}: not JSON ({fault})", _REBUILD) from fault
    if not isinstance(manifest, dict) or not {"format", "sample_rate", "source", "content_hash"} <= set(manifest):
        raise DataError(f"{path}: not a room bank's manifest", _REBUILD)
    if manifest["format"] != _FORMAT:
        raise DataError(f"{path}: format {manifest['format']}, but this version reads {_FORMAT}", _REBUILD)
    wrong = [f"{name} {manifest.get(name)!r}, not {value!r}" for name, value in _CONVENTIONS.items() if manifest.get(name) != value]
    if wrong or not isinstance(manifest["source"], dict):
        raise DataError(f"{path}: {'; '.join(wrong) or 'its source is not a mapping'}", _REBUILD)
    return manifest


def _hash(tensors: dict[str, Tensor], sample_rate: int) -> str:
    digest = hashlib.blake2b(f"{_FORMAT} {sample_rate}".encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(memoryview(tensor.numpy()).cast("B"))
    return digest.hexdigest()


def build_bank(
    rooms: RoomsConfig, sample_rate: int, split: str, progress: Callable[[int, int], None] | None = None, rows: range | None = None
) -> RoomBank:
    """Draw, render and measure one split's rooms.

    The labels are those of the rendered responses: a T30 may leave the drawn range a little, and says so.

    Args:
        rooms: how many, from which ranges, with which engine.
        sample_rate: Hz.
        split: train, val or test.
        progress: called with (rooms done, rooms in all) after each batch.
        rows: numbers of the rooms; None: all (`bank_parts`).

    Returns:
        The bank, on the CPU.

    Raises:
        DataError: a label of a room is not finite: no T30 can be read off a response that does not decay.
    """
    rows = range(getattr(rooms, split)) if rows is None else rows
    total = len(rows)
    scene = split_rooms(rooms, split, rows, sample_rate)
    render = engine_of(rooms)
    if rooms.engine == "pyroomacoustics_images":
        from elsa_lightning.acoustics.engine_pyroomacoustics import check_images

        check_images(scene, rooms.rir_s)
    rir = torch.empty(total, 4, round(rooms.rir_s * sample_rate), dtype=torch.float16)
    scale, labels = torch.empty(total), {name: torch.empty(total) for name in LABELS}
    octaves = torch.empty(total, len(usable_bands(rooms.bands_hz, sample_rate)))
    for start in range(0, total, BATCH):
        part = slice(start, min(start + BATCH, total))
        response, measured = render(scene.select(part), rooms, sample_rate, octaves=True)
        _check_finite(measured, split, rows[start])
        piece = RoomBank.of(scene.select(part), response, measured, sample_rate, {})
        rir[part], scale[part], octaves[part] = piece.samples, piece.scale, piece.octave_t30_s
        for name in LABELS:
            labels[name][part] = measured[name]
        if progress is not None:
            progress(part.stop, total)
    return RoomBank(scene, rir, scale, labels, octaves, sample_rate, source_of(rooms, split))


def source_of(rooms: RoomsConfig, split: str) -> dict:
    """What the simulated rooms of a split follow from, beside the sample rate: a bank's source."""
    return {"split": split, "rooms": {name: value for name, value in asdict(rooms).items() if name != MEASURED}}


def _check_finite(labels: dict[str, Tensor], split: str, start: int) -> None:
    """Raise on the first label of a batch, whose first room is number `start`, that is not finite."""
    for name in LABELS:
        faulty = (~labels[name].isfinite()).nonzero()
        if len(faulty):
            raise DataError(
                f"{split} room {start + int(faulty[0, 0])}: its {name} is {labels[name][faulty[0, 0]].item()}",
                "its response must fall by 35 dB: raise rooms.rir_s, absorption or diffuseness, or lower rooms.ranges.t30_s (test_ranges)",
            )


def engine_of(rooms: RoomsConfig) -> Callable[..., tuple[Tensor, dict[str, Tensor]]]:
    """What renders and measures scenes, with the arguments of `measure.render_measured`: `rooms.engine`."""
    if rooms.engine != "shoebox":
        from elsa_lightning.acoustics.engine_pyroomacoustics import render_measured_pyroomacoustics

        return render_measured_pyroomacoustics
    return render_measured
