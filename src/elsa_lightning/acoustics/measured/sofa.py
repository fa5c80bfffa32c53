"""SOFA files (AES69) of rooms measured with ambisonic microphones, read through h5py.

Read are the conventions SingleRoomSRIR, SingleRoomDRIR, SingleRoomMIMOSRIR with one emitter, and AmbisonicsDRIR (Pérez-López and De Muynke,
AES Convention 144, 2018). Source directions are those that the listener sees: its view is x (front), its up vector spans z, y is left.

A file of SingleRoom… does not say in which normalisation its channels are, so the caller must; files whose receivers stand at different
places hold the capsules of an array, not ambisonics, and are refused.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from elsa_lightning.acoustics.measured.faults import Faults
from elsa_lightning.acoustics.measured.response import UNKNOWN, Response, to_acn_sn3d
from elsa_lightning.acoustics.measured.table import Stated, room_of
from elsa_lightning.errors import ConfigError, DataError

CONVENTIONS = ("SingleRoomSRIR", "SingleRoomDRIR", "SingleRoomMIMOSRIR", "AmbisonicsDRIR")
_SAME_PLACE_M = 1e-3
_AXES = {"FIR": "MRN", "FIR-E": "MRNE", "FIRE": "MREN"}  # data type → dimensions of Data.IR (FIRE: SOFA 1.0)
_ROOM_NAMES = ("RoomShortName", "RoomDescription")
_REMEDY = "AES69 asks for it: write the file again with its owner's tool"


def sofa_files(root: pathlib.Path) -> list[pathlib.Path]:
    """All SOFA files below a folder."""
    return sorted(path for path in root.rglob("*") if path.suffix.lower() == ".sofa" and not path.name.startswith("."))


def responses_of_sofa(root: pathlib.Path, stated: Stated, faults: Faults) -> Iterator[Response]:
    """The responses of all SOFA files below a folder; faulty files go to `faults`.

    Raises:
        ConfigError: the reader is not installed.
    """
    for path in sofa_files(root):
        try:
            yield from _responses(path, root, stated)
        except DataError as fault:
            faults.add(fault)


def _responses(path: pathlib.Path, root: pathlib.Path, stated: Stated) -> Iterator[Response]:
    try:
        import h5py
    except ImportError as error:
        raise ConfigError("SOFA files need h5py", "pip install 'elsa-lightning[sofa]'") from error
    name = path.relative_to(root).as_posix()
    try:
        with h5py.File(path, "r") as file:
            opened = Sofa(file, name)
            found = opened.responses(opened.room() or room_of(path, root), stated.layout)
    except OSError as error:
        raise DataError(f"{name}: it is no SOFA file that HDF5 can open ({error})", "copy it again from its source") from error
    yield from found


class Sofa:
    """An open file.

    Args:
        file: h5py's.
        name: for messages.

    Raises:
        DataError: not a SOFA file, or not one of a room's responses.
    """

    def __init__(self, file: Any, name: str) -> None:
        self.file, self.name = file, name
        convention = self.text("SOFAConventions")
        if self.text("Conventions") != "SOFA" or not convention:
            raise DataError(f"{name}: it does not say that it is a SOFA file", _REMEDY)
        if convention not in CONVENTIONS:
            why = "it holds no room: responses of a free field" if "FreeField" in convention else "it does not say what was measured where"
            raise DataError(f"{name}: its convention is {convention}; {why}", f"give files of {', '.join(CONVENTIONS)}")
        self.convention = convention

    def text(self, attribute: str, variable: str = "") -> str:
        """A global attribute, or a variable's."""
        node = self.file if not variable else self.file.get(variable)
        value = "" if node is None else node.attrs.get(attribute, "")
        value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
        return (value.decode() if isinstance(value, bytes) else str(value)).strip("\0 ")

    def array(self, variable: str) -> np.ndarray:
        """A variable's values, float64.

        Raises:
            DataError: it is not there.
        """
        if variable not in self.file:
            raise DataError(f"{self.name}: it has no {variable}", _REMEDY)
        return np.asarray(self.file[variable], dtype=np.float64)

    def responses(self, room: str, layout: str) -> list[Response]:
        """Every measurement.

        Raises:
            DataError: something is missing, or cannot be read as first-order ambisonics of a room.
        """
        rate = self._rate()
        data = self._data()  # (M, R, N)
        self._check_receivers(data.shape[1])
        layout = self._layout() or layout
        direction, distance = self._directions(len(data))
        area, volume = self._room_size()
        found = []
        for m, channels in enumerate(data):
            name = f"{self.name}[{m}]"
            if not np.isfinite(direction[m]).all() or not distance[m] > 0:
                raise DataError(f"{name}: source and listener are at the same place, or a position is not finite", _REMEDY)
            x, y, z = direction[m]
            azimuth, elevation = float(np.arctan2(y, x)), float(np.arctan2(z, np.hypot(x, y)))
            foa = to_acn_sn3d(channels, layout, name)
            found.append(Response(name, room, foa, rate, azimuth, elevation, float(distance[m]), area, volume))
        return found

    def room(self) -> str:
        """The room's name, if the file has one."""
        return next((name for attribute in _ROOM_NAMES if (name := self.text(attribute))), "")

    def _rate(self) -> int:
        rate = self.array("Data.SamplingRate").reshape(-1)
        if not len(rate) or not rate[0] > 0 or len(set(rate.tolist())) != 1:
            raise DataError(f"{self.name}: its sampling rate is {rate.tolist()}", "one rate above 0 Hz must be stated for all measurements")
        if self.text("Units", "Data.SamplingRate").lower() not in ("", "hertz", "hz"):
            raise DataError(f"{self.name}: its sampling rate is in {self.text('Units', 'Data.SamplingRate')}", "it must be in hertz")
        return round(float(rate[0]))

    def _data(self) -> np.ndarray:
        kind, data = self.text("DataType"), self.array("Data.IR")
        axes = _AXES.get(kind)
        if axes is None or data.ndim != len(axes):
            raise DataError(f"{self.name}: its data are {kind or 'of no stated type'} of shape {data.shape}", "give FIR responses")
        if "E" in axes:
            at = axes.index("E")
            if data.shape[at] != 1:
                raise DataError(f"{self.name}: {data.shape[at]} emitters at once", "give files with one emitter a measurement")
            data = data.squeeze(at)
        delay = np.atleast_2d(self.array("Data.Delay")) if "Data.Delay" in self.file else np.zeros((1, 1))
        if np.ptp(delay.reshape(len(delay), -1), axis=1).max() > 0:
            raise DataError(f"{self.name}: Data.Delay differs between the channels of a response", "write the delays into the responses")
        return data

    def _check_receivers(self, receivers: int) -> None:
        if "ReceiverView" in self.file:
            view = self.array("ReceiverView")  # (R, 3) or (R, 3, I or M)
            view = self._cartesian("ReceiverView", (view if view.ndim == 2 else np.moveaxis(view, 1, -1)).reshape(-1, 3))
            if (view[:, 0] < (1 - 1e-6) * np.linalg.norm(view, axis=1)).any():
                raise DataError(
                    f"{self.name}: its receivers are turned against the listener", "turn the channels to the listener's view first"
                )
        if "spherical harmonics" in self.text("Type", "ReceiverPosition").lower() or self.convention == "AmbisonicsDRIR":
            return
        if "ReceiverPosition" not in self.file or self.array("ReceiverPosition").shape[0] != receivers:
            return
        place = self.array("ReceiverPosition").reshape(receivers, 3, -1)[..., 0]
        place = self._cartesian("ReceiverPosition", place)
        if np.ptp(place, axis=0).max() > _SAME_PLACE_M:
            remedy = "they are a microphone array's capsules: encode them to ambisonics first"
            raise DataError(f"{self.name}: its {receivers} receivers stand at different places", remedy)

    def _layout(self) -> str:
        """The layout that the data's own attributes state; empty where they do not."""
        order, norm = (self.text(name, "Data.IR").lower() for name in ("ChannelOrdering", "Normalization"))
        if not order and not norm:
            return ""
        return {("fuma", "fuma"): "fuma", ("fuma", "maxn"): "fuma"}.get((order, norm), f"{order}_{norm}")

    def _directions(self, measurements: int) -> tuple[np.ndarray, np.ndarray]:
        """(M, 3) unit vectors as the listener sees the source, and (M,) distances, m."""
        points = {}
        for name in ("SourcePosition", "ListenerPosition", "ListenerView", "ListenerUp"):
            values = self.array(name)
            if values.ndim != 2 or values.shape[1] != 3 or len(values) not in (1, measurements):
                raise DataError(f"{self.name}: {name} has the shape {values.shape}, not ({measurements}, 3) or (1, 3)", _REMEDY)
            points[name] = np.broadcast_to(self._cartesian(name, values), (measurements, 3))
        offset = points["SourcePosition"] - points["ListenerPosition"]
        distance = np.linalg.norm(offset, axis=1)
        front, up = points["ListenerView"], points["ListenerUp"]
        left = np.cross(up, front)
        if not (np.linalg.norm(left, axis=1) > 1e-6 * np.linalg.norm(up, axis=1) * np.linalg.norm(front, axis=1)).all():
            raise DataError(f"{self.name}: ListenerView and ListenerUp point the same way, or nowhere", _REMEDY)
        front, left = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (front, left))
        axes = np.stack([front, left, np.cross(front, left)], axis=1)  # (M, 3, 3) rows x, y, z
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.einsum("mij,mj->mi", axes, offset) / distance[:, None], distance

    def _cartesian(self, name: str, values: np.ndarray) -> np.ndarray:
        """Positions (…, 3) in metres; a listener's up vector is in the coordinates of its view."""
        variable = name if self.text("Type", name) else {"ListenerUp": "ListenerView"}.get(name, name)
        kind = self.text("Type", variable).lower()
        units = self.text("Units", variable).lower().replace(" ", "")
        if kind == "cartesian":
            if units not in ("", "metre", "meter", "metre,metre,metre", "meter,meter,meter"):
                raise DataError(f"{self.name}: {name} is in {units}", "it must be in metres")
            return values
        if kind != "spherical":
            raise DataError(f"{self.name}: {name} is in {kind or 'no stated'} coordinates", "they must be cartesian or spherical")
        if not units.startswith("degree,degree,"):
            raise DataError(f"{self.name}: {name} is in {units or 'no stated unit'}", "angles must be in degrees")
        azimuth, elevation, radius = np.deg2rad(values[..., 0]), np.deg2rad(values[..., 1]), values[..., 2]
        flat = radius * np.cos(elevation)
        return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), radius * np.sin(elevation)], axis=-1)

    def _room_size(self) -> tuple[float, float]:
        """Floor area, m², and volume, m³, as far as they are stated and can be true.

        Writers leave corners of 1 × 2 × 3 m in files that know no corners: a box counts only if source and listener stand in it.
        """
        volume = float(self.array("RoomVolume").reshape(-1)[0]) if "RoomVolume" in self.file else 0.0
        volume = volume if volume > 0 else UNKNOWN
        if self.text("RoomType").lower() != "shoebox" or not {"RoomCornerA", "RoomCornerB"} <= set(self.file):
            return UNKNOWN, volume
        corners = np.stack([self.array(name).reshape(-1, 3)[0] for name in ("RoomCornerA", "RoomCornerB")])
        low, high = corners.min(0), corners.max(0)
        places = np.concatenate([self._cartesian(name, self.array(name)) for name in ("SourcePosition", "ListenerPosition")])
        size = high - low
        if not ((places > low) & (places < high)).all() or (volume > 0 and abs(size.prod() / volume - 1) > 0.05):
            return UNKNOWN, volume
        return float(size[0] * size[1]), volume if volume > 0 else float(size.prod())
