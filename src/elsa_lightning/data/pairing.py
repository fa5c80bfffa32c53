"""Which room, which crop and which rendering an item gets: a function of (data.seed, split, epoch, version, clip), streamed or cached.

Item i of a split is version i mod V of clip i div V. A cache renders epoch 0; a stream draws anew each epoch of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elsa_lightning.data.elsewhere import Elsewhere
from elsa_lightning.data.manifest import ClipRecord
from elsa_lightning.errors import ConfigError
from elsa_lightning.schema import DataConfig, Experiment
from elsa_lightning.seeding import rng_of, seed_of

BALANCED_ELEVATION_DEG = 40.0
"""Rooms whose source lies higher or lower than this are drawn `rooms.elevation_balance` times as often."""
HARD = "hard_spatial"
"""`data.negatives`: versions in pairs that are never at the same place."""
NEAR_M = 1.0
"""Rooms whose source is nearer than this are drawn `rooms.near_balance` times as often: the bound of the word "near"."""


@dataclass(frozen=True)
class Item:
    """One spatial version of one clip."""

    clip: int
    """Row in the split's records."""
    version: int
    room: int
    """What the room source draws by: a bank's row, or a key."""
    is_spatial: bool
    render_key: int
    crop: np.random.Generator | None
    """Places the crop; None: the centre."""


class Pairing:
    """The items of one split.

    Args:
        cfg: the experiment.
        records: the split's clips.
        split: train, val or test.
        elevation: `(N,)` radians, of the bank's rooms; None when rooms are drawn by key (pool, fresh).
        simulated: how many of the bank's rooms are simulated, the first ones; None: all.
        distance: `(N,)` metres, of the bank's rooms; needed where `rooms.near_balance` is not 1.
        azimuth: `(N,)` radians, of the bank's rooms; needed where `data.negatives` is `hard_spatial`.

    Raises:
        ValueError: distances or azimuths are needed and not given.
        ConfigError: versions in pairs are wanted, and the rooms are all on one side.
    """

    def __init__(
        self,
        cfg: Experiment,
        records: Sequence[ClipRecord],
        split: str,
        elevation: np.ndarray | None,
        simulated: int | None = None,
        distance: np.ndarray | None = None,
        azimuth: np.ndarray | None = None,
    ) -> None:
        self.split, self.seed = split, cfg.data.seed
        self.records = records
        self.train = split == "train"
        originals = split == "test" and cfg.data.eval_mono
        self.mono_share = cfg.data.mono_share if self.train else float(originals)
        as_recorded = not self.train and bool(records) and all(record.recorded for record in records)
        self.versions = 1 if as_recorded or originals else versions_of(cfg, len(records), split)  # no room to vary: one version says it all
        self.cumulative: tuple[np.ndarray, ...] | None = None
        if elevation is not None:
            balances = (cfg.rooms.elevation_balance, cfg.rooms.near_balance) if self.train else (1.0, 1.0)
            weight = _weights(elevation, distance, *balances)
            measured = np.arange(len(elevation)) >= (len(elevation) if simulated is None else simulated)
            if self.train and cfg.rooms.measured.share > 0 and not measured.any():
                remedy = "simulate it again (stage rooms)"
                raise ConfigError("rooms.measured.share is above 0, but the training bank has no measured room", remedy)
            shares = (cfg.rooms.measured.share,) if self.train else (0.0, 1.0)  # outside training every other version is measured
            self.cumulative = tuple(_cumulative(weight, measured, share) for share in shares)
        self.elsewhere = self._pairs(azimuth) if self.train and cfg.data.negatives == HARD else None

    def _pairs(self, azimuth: np.ndarray | None) -> Elsewhere:
        """Where the second version of each pair may be."""
        if azimuth is None or self.cumulative is None:
            raise ValueError("data.negatives: hard_spatial needs the azimuths of a bank's rooms")
        return Elsewhere(azimuth, self.cumulative[0])

    def __len__(self) -> int:
        return len(self.records) * self.versions

    def item(self, index: int, epoch: int = 0) -> Item:
        """Item `index`; outside training every epoch is the same."""
        clip, version = divmod(index, self.versions)
        key = seed_of("item", self.seed, self.split, epoch if self.train else 0, version, self.records[clip].clip_id)
        rng = np.random.default_rng(key)
        mono, where = rng.random(2)
        if self.elsewhere is not None and version % 2:
            room = self.elsewhere.draw(self.item(index - 1, epoch).room, where)
        else:
            room = key if self.cumulative is None else self._room(version, where)
        return Item(clip, version, room, bool(mono >= self.mono_share), key, rng if self.train else None)

    def _room(self, version: int, where: float) -> int:
        """Row of the bank at `where` in [0, 1) of the chances."""
        return int(np.searchsorted(self.cumulative[version % len(self.cumulative)], where, side="right"))


def versions_of(cfg: Experiment, clips: int, split: str) -> int:
    """Spatial versions of each clip: as configured, raised until the split holds its least number of examples, and are whole pairs where
    pairs are wanted."""
    data = cfg.data
    versions, least = (
        (data.versions, data.min_examples) if split == "train" else (data.eval_versions, data.eval_min_examples * (split == "test"))
    )
    versions = max(1, versions, -(-least // max(1, clips)))
    return versions + versions % 2 if split == "train" and data.negatives == HARD else versions


def example_key(seed: int, split: str, epoch: int, index: int) -> int:
    """Key of what training draws about an example (caption, yaw, masks)."""
    return seed_of("example", seed, split, epoch, index)


def turn_key(negatives: str, seed: int, split: str, epoch: int, index: int) -> int:
    """Key of what turns an example: its own, or its pair's where `data.negatives` is `hard_spatial`."""
    return example_key(seed, split, epoch, index - index % 2 if negatives == HARD and split == "train" else index)


def run_length(data: DataConfig) -> int:
    """How many neighbouring items share a training batch: `data.group`, and a pair at least where there are pairs."""
    return max(data.group, 2) if data.negatives == HARD else data.group


def _weights(elevation: np.ndarray, distance: np.ndarray | None, elevation_balance: float, near_balance: float) -> np.ndarray:
    """How often each room `(N,)` is drawn, relative to the others."""
    weight = np.where(np.abs(np.rad2deg(elevation)) > BALANCED_ELEVATION_DEG, elevation_balance, 1.0)
    if near_balance == 1:
        return weight
    if distance is None:
        raise ValueError("rooms.near_balance needs the distances of the rooms")
    return weight * np.where(distance < NEAR_M, near_balance, 1.0)


def _cumulative(weight: np.ndarray, measured: np.ndarray, share: float) -> np.ndarray:
    """Cumulative chance `(N,)` of each room; ends at exactly 1.

    Args:
        weight: `(N,)`, of simulated rooms; measured ones are drawn equally often.
        measured: `(N,)` bool.
        share: of draws from measured rooms, where there are both kinds.
    """
    if measured.any() and not measured.all():
        weight = np.where(measured, share / measured.sum(), (1 - share) * weight / weight[~measured].sum())
    elif measured.any():
        weight = np.ones_like(weight)
    total = np.cumsum(weight)
    return total / total[-1]


def rng_for_captions(cfg: Experiment, split: str, version: int, clip_id: str) -> np.random.Generator:
    """Generator of an evaluation item's captions: the same whatever the training seed."""
    return rng_of("evaluation captions", cfg.data.seed, split, version, clip_id)
