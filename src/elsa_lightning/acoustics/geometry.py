"""Scenes: shoebox rooms with one source and one microphone each, as tensors over a batch."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from elsa_lightning.acoustics.ambisonics import angles_from_direction
from elsa_lightning.errors import DataError

SPEED_OF_SOUND = 343.0
"""m/s, at 20 °C."""

WALLS = ("x0", "x1", "y0", "y1", "z0", "z1")
"""Order of the walls: x = 0, x = length, y = 0, …, floor, ceiling."""

_NEAREST_M = 1e-3  # a source closer than this to the microphone counts as being at it


@dataclass
class Scene:
    """B rooms. A corner of each is the origin; the microphone looks along x, y is its left, z up.

    Attributes:
        size: (B, 3) length, width, height, m.
        source: (B, 3) m.
        microphone: (B, 3) m.
        absorption: (B, 6, bands) energy absorption coefficients in [0, 1] of the walls in the order of `WALLS`; bands may be 1.
        diffuseness: (B,) of the late field: 0 specular shoebox decay, 1 fully mixing.
        noise_seed: (B,) int64, seed of the late field's noise.
    """

    size: Tensor
    source: Tensor
    microphone: Tensor
    absorption: Tensor
    diffuseness: Tensor
    noise_seed: Tensor

    def __len__(self) -> int:
        return self.size.shape[0]

    @property
    def offset(self) -> Tensor:
        """(B, 3) m, from the microphone to the source."""
        return self.source - self.microphone

    @property
    def direction(self) -> Tensor:
        """(B, 3) unit vectors from the microphone towards the source."""
        return torch.nn.functional.normalize(self.offset, dim=-1)

    @property
    def azimuth(self) -> Tensor:
        """(B,) rad."""
        return angles_from_direction(self.offset)[0]

    @property
    def elevation(self) -> Tensor:
        """(B,) rad."""
        return angles_from_direction(self.offset)[1]

    @property
    def distance_m(self) -> Tensor:
        """(B,) m."""
        return self.offset.norm(dim=-1)

    @property
    def floor_area_m2(self) -> Tensor:
        """(B,) m²."""
        return self.size[:, 0] * self.size[:, 1]

    @property
    def volume_m3(self) -> Tensor:
        """(B,) m³."""
        return self.size.prod(dim=-1)

    def labels(self) -> dict[str, Tensor]:
        """What geometry alone knows, (B,) float32 each."""
        names = ("azimuth", "elevation", "distance_m", "floor_area_m2", "volume_m3")
        return {name: getattr(self, name).float() for name in names}

    def tensors(self) -> dict[str, Tensor]:
        """The fields by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def select(self, index: Tensor | slice) -> Scene:
        """The scenes at `index` (integers, a bool mask or a slice)."""
        return Scene(**{name: tensor[index] for name, tensor in self.tensors().items()})

    def to(self, device: torch.device | str) -> Scene:
        """The same scenes on another device."""
        return Scene(**{name: tensor.to(device) for name, tensor in self.tensors().items()})

    @staticmethod
    def cat(scenes: list[Scene]) -> Scene:
        """Several batches as one."""
        return Scene(**{f.name: torch.cat([getattr(s, f.name) for s in scenes]) for f in fields(Scene)})

    def check(self) -> Scene:
        """Return self if every room can exist.

        Raises:
            DataError: a size is not positive and finite, a source or microphone is outside its room, a source is at the microphone, a
                coefficient or a diffuseness is outside [0, 1], or shapes disagree. The message names the first such room.
        """
        batch = len(self)
        shapes = {
            "size": (3,),
            "source": (3,),
            "microphone": (3,),
            "absorption": (6, self.absorption.shape[-1]),
            "diffuseness": (),
            "noise_seed": (),
        }
        for name, tail in shapes.items():
            if tuple(getattr(self, name).shape) != (batch, *tail):
                raise DataError(
                    f"scene.{name} has shape {tuple(getattr(self, name).shape)}, not {(batch, *tail)}", "give one entry per room"
                )
        self._refuse(~(self.size > 0).all(-1), "size", "has a side that is not positive", "give lengths in metres")
        self._refuse(~self.size.isfinite().all(-1), "size", "has a side without end", "give lengths in metres")
        self._refuse(~self._inside(self.source), "source", "is outside the room", "place it between 0 and the room's size")
        self._refuse(~self._inside(self.microphone), "microphone", "is outside the room", "place it between 0 and the room's size")
        self._refuse(~(self.distance_m > _NEAREST_M), "source", "is at the microphone", "keep at least a millimetre between them")
        coefficients = ((self.absorption >= 0) & (self.absorption <= 1)).flatten(1).all(-1)
        self._refuse(~coefficients, "absorption", "is outside 0 to 1", "give energy absorption coefficients")
        mixing = (self.diffuseness >= 0) & (self.diffuseness <= 1)
        self._refuse(~mixing, "diffuseness", "is outside 0 to 1", "0 is specular, 1 fully mixing")
        return self

    def _inside(self, point: Tensor) -> Tensor:
        return ((point > 0) & (point < self.size)).all(-1)

    def _refuse(self, faulty: Tensor, name: str, what: str, remedy: str) -> None:
        if faulty.any():
            room = int(faulty.nonzero()[0, 0])
            value = [round(v, 3) for v in getattr(self, name)[room].flatten().tolist()[:6]]
            raise DataError(f"room {room}: {name} {value} {what} (size {self.size[room].tolist()})", remedy)
