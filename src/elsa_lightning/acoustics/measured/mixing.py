"""A split's simulated rooms and its measured ones in one bank: simulated first, so that a row's number says what it is."""

from __future__ import annotations

import torch

from elsa_lightning.acoustics.bands import usable_bands
from elsa_lightning.acoustics.bank import MEASURED, RoomBank
from elsa_lightning.acoustics.geometry import Scene
from elsa_lightning.acoustics.measured.importing import scene_of
from elsa_lightning.errors import DataError
from elsa_lightning.schema import RoomsConfig


def fitted(measured: RoomBank, rooms: RoomsConfig, sample_rate: int) -> RoomBank:
    """A measured bank with the response length and the octaves of an experiment's simulated ones.

    Args:
        measured: of an import.
        rooms: of the experiment.
        sample_rate: of the experiment, Hz.

    Raises:
        DataError: it is not of an import, or was imported at another rate.
    """
    if measured.simulated:
        raise DataError("rooms.measured.path holds a bank of simulated rooms", "name a folder that `elsa rooms import` wrote")
    if measured.sample_rate != sample_rate:
        raise DataError(
            f"the measured rooms were imported at {measured.sample_rate} Hz, audio.sample_rate is {sample_rate}",
            "import them again for this experiment: elsa rooms import … --profile …",
        )
    length, bands = round(rooms.rir_s * sample_rate), usable_bands(rooms.bands_hz, sample_rate)
    samples = torch.nn.functional.pad(measured.samples, (0, max(0, length - measured.samples.shape[-1])))[..., :length].contiguous()
    octaves = torch.full((len(measured), len(bands)), torch.nan)
    place = {hz: i for i, hz in enumerate(measured.source[MEASURED]["bands_hz"])}
    for column, hz in enumerate(bands):
        if hz in place:
            octaves[:, column] = measured.octave_t30_s[:, place[hz]]
    facts = {**measured.source[MEASURED], "bands_hz": list(bands)}
    scene, source = scene_of(measured.labels, len(bands)), {**measured.source, MEASURED: facts}
    return RoomBank(scene, samples, measured.scale, measured.labels, octaves, sample_rate, source)


def joined(simulated: RoomBank, measured: RoomBank) -> RoomBank:
    """Both, the simulated rooms first; `measured` as `fitted` makes it for the same experiment."""
    labels = {name: torch.cat([values, measured.labels[name]]) for name, values in simulated.labels.items()}
    scene = scene_of(measured.labels, simulated.scene.absorption.shape[-1])
    return RoomBank(
        Scene.cat([simulated.scene, scene]),
        torch.cat([simulated.samples, measured.samples]),
        torch.cat([simulated.scale, measured.scale]),
        labels,
        torch.cat([simulated.octave_t30_s, measured.octave_t30_s]),
        simulated.sample_rate,
        {**simulated.source, MEASURED: {**measured.source[MEASURED], "first": len(simulated)}},
    )
