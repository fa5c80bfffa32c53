"""What is exported, from what; and `export.json`, which says so in the folder and refuses to let another export in."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from elsa_lightning.acoustics.bank import RoomBank
from elsa_lightning.atomic import read_json
from elsa_lightning.data.export.rooms import keyed, refuse_pool
from elsa_lightning.data.export.sound import FORMATS, MOST_FLAC_HZ, most_bytes
from elsa_lightning.data.export.writing import json_text, write_whole, writing
from elsa_lightning.data.manifest import SPLITS
from elsa_lightning.data.pairing import versions_of
from elsa_lightning.data.readers import Corpus
from elsa_lightning.errors import ConfigError, DataError
from elsa_lightning.provenance import versions
from elsa_lightning.schema import LATER, NOT_IDENTITY, Experiment

ABOUT = "export.json"
FORMAT = 1
CLIPS_PER_FOLDER = 1000

_CONVENTIONS = {
    "channels": ["W", "Y", "Z", "X"],
    "order": "ACN",
    "normalisation": "SN3D",
    "axes": "x front, y left, z up; azimuth counter-clockwise, +90 is left",
    "microphone": "looks along x of its room; then the scene is mirrored left to right, if `mirrored`, and turned by `yaw`, degrees",
    "resampler": "soxr HQ",
}
_HEARD = ("seed", "audio", "data", "captions", "augmentation")
_UNHEARD = (
    "data.rendering",
    "data.text_states",
    "data.group",
    "augmentation.mask_frames",
    "augmentation.mask_bands",
    "augmentation.mel_gain_db",
)
_DRAWS = ("rooms.mode", "rooms.elevation_balance", "rooms.near_balance", "rooms.rir_s")


@dataclass(frozen=True)
class Bank:
    """A stored bank of rooms: its folder and the hash of its content."""

    folder: pathlib.Path
    content_hash: str


@dataclass(frozen=True)
class Job:
    """An export; small enough to be pickled.

    Attributes:
        cfg: the experiment.
        out: folder of the export.
        counts: split → its items, in the order of `SPLITS`. Items are numbered through.
        banks: split → its rooms; a split whose rooms are drawn by key has none.
        file_format: one of `sound.FORMATS`.
    """

    cfg: Experiment
    out: pathlib.Path
    counts: dict[str, int]
    banks: dict[str, Bank]
    file_format: str

    @property
    def total(self) -> int:
        """Items of all splits."""
        return sum(self.counts.values())

    def at(self, number: int) -> tuple[str, int]:
        """Split of item `number`, and its index within the split."""
        for split, count in self.counts.items():
            if number < count:
                return split, number
            number -= count
        raise IndexError(number)

    def audio_of(self, number: int) -> str:
        """An item's file, relative to the folder."""
        split, index = self.at(number)
        return f"audio/{split}/{index // CLIPS_PER_FOLDER:05d}/{index:08d}.{self.file_format}"

    def part_of(self, index: int, count: int) -> range:
        """The items of shard `index` (from 1) of `count`: neighbours, so that a clip's versions stay together."""
        return range(self.total * (index - 1) // count, self.total * index // count)

    @property
    def item_bytes(self) -> int:
        """An item takes no more on disk, but for its lines."""
        return most_bytes(round(self.cfg.audio.clip_s * self.cfg.audio.sample_rate), len(_CONVENTIONS["channels"]), self.file_format)


def plan(
    cfg: Experiment, corpus: Corpus, banks: Mapping[str, str | pathlib.Path], splits: list[str], out: str | pathlib.Path, file_format: str
) -> Job:
    """Check that an export can be made.

    Args:
        cfg: the experiment.
        corpus: sounds.
        banks: split → folder of its rooms; not looked at for a split whose rooms are drawn by key.
        splits: which to export.
        out: folder to write.
        file_format: flac or wav.

    Raises:
        ConfigError: an unknown split or format, rooms without an identity, or a bank of another rate.
        DataError: a split without clips, or a damaged bank.
    """
    if not splits or set(splits) - set(SPLITS) or file_format not in FORMATS:
        raise ConfigError(f"splits {splits}, format {file_format}", f"choose some of {', '.join(SPLITS)}, and one of {', '.join(FORMATS)}")
    rate = cfg.audio.sample_rate
    if file_format == "flac" and rate > MOST_FLAC_HZ:
        raise ConfigError(f"FLAC cannot state a sample rate of {rate} Hz", "export WAV")
    counts, found = {}, {}
    for split in [split for split in SPLITS if split in splits]:
        counts[split] = _items_of(cfg, corpus, split)
        if split == "train":
            refuse_pool(cfg)
        if not keyed(cfg, split):
            found[split] = _bank(pathlib.Path(banks[split]), rate)
    return Job(cfg, pathlib.Path(out), counts, found, file_format)


def _items_of(cfg: Experiment, corpus: Corpus, split: str) -> int:
    """How many items a split has: each clip's versions."""
    records = corpus.records(split)
    if not records:
        raise DataError(f"corpus '{corpus.name}' has no {split} clips", "check its folds or splits, or leave this split out")
    recorded = next((record for record in records if record.recorded), None)
    if recorded:
        raise DataError(
            f"clip '{recorded.clip_id}' is ambisonics already ({recorded.layout})", "export mono clips, which rooms are put around"
        )
    return len(records) * versions_of(cfg, len(records), split)


def _bank(folder: pathlib.Path, rate: int) -> Bank:
    bank = RoomBank.load(folder)
    if bank.sample_rate != rate:
        raise ConfigError(
            f"the bank {folder} was built at {bank.sample_rate} Hz, audio.sample_rate is {rate}", "build a bank for this rate"
        )
    return Bank(folder, read_json(folder / "manifest.json")["content_hash"])


def about(job: Job, corpus: Corpus) -> dict[str, Any]:
    """export.json."""
    banks = {split: bank.content_hash for split, bank in job.banks.items()}
    sources = {split: read_json(bank.folder / "manifest.json")["source"] for split, bank in job.banks.items()}
    facts = {"name": corpus.name, "content_hash": corpus.content_hash, "licence": corpus.licence, "synthetic": corpus.synthetic}
    return {
        "format": FORMAT,
        "simulator": f"elsa-lightning {versions()['elsa-lightning']}",
        **_CONVENTIONS,
        "file_format": job.file_format,
        "counts": job.counts,
        "corpus": facts,
        "banks": {split: {"content_hash": banks[split], "source": sources[split]} for split in banks},
        "experiment": asdict(job.cfg),
    }


def claim(out: pathlib.Path, wanted: dict[str, Any]) -> None:
    """Write export.json, or see that the folder holds this very export.

    Raises:
        ConfigError: it holds another one; the message names what differs.
        DataError: it holds something else.
        RunError: it cannot be written to.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        strangers = sorted(path.name for path in out.iterdir() if not path.name.startswith(f".{ABOUT}"))  # another shard may be claiming
    if (out / ABOUT).exists():
        there, here = (_identity(one) for one in (read_about(out), wanted))
        changed = sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key))
        changed.sort(key=lambda key: key.startswith("bank of") or key in ("items", "corpus"))  # what follows from the others comes last
        if changed:
            shown = ", ".join(f"{key}: {_short(there.get(key))} there, {_short(here.get(key))} here" for key in changed[:3])
            raise ConfigError(f"{out} holds the export of another config ({shown})", "name a new folder with --out, or delete this one")
        return
    if strangers:
        raise DataError(f"{out} holds something else than an export: {', '.join(strangers[:3])}", "name a new folder with --out")
    write_whole(out / ABOUT, (json_text(wanted, indent=1) + "\n").encode())


def read_about(out: pathlib.Path) -> dict[str, Any]:
    """export.json of a folder.

    Raises:
        DataError: it is missing, damaged or of another version.
    """
    found = read_json(out / ABOUT)
    if not isinstance(found, dict) or not {"format", "counts", "file_format", "simulator", "experiment", "corpus", "banks"} <= found.keys():
        raise DataError(f"{out / ABOUT}: no export here, or a damaged one", "correct the path, or render into a new folder")
    if found["format"] != FORMAT:
        raise DataError(f"{out / ABOUT}: format {found['format']}, but this version reads {FORMAT}", "render it again")
    return found


def _identity(found: dict[str, Any]) -> dict[str, Any]:
    """Dotted key → value of all that decides what is heard: what a training's length, model or workers are does not matter."""
    flat = {key: value for key, value in _leaves(found["experiment"]) if key not in LATER or value != LATER[key]}
    skipped = (*NOT_IDENTITY, *_UNHEARD, "data.corpus")  # the corpus enters by its content
    rooms = ("rooms",) if len(found["banks"]) < len(found["counts"]) else _DRAWS  # a bank enters by its content
    heard = {key: value for key, value in flat.items() if _within(key, (*_HEARD, *rooms)) and not _within(key, skipped)}
    banks = {f"bank of {split} rooms": bank["content_hash"] for split, bank in found["banks"].items()}
    facts = {
        "--format": found["file_format"],
        "simulator": found["simulator"],
        "items": found["counts"],
        "corpus": found["corpus"]["content_hash"],
    }
    return heard | banks | facts


def _within(key: str, groups: tuple[str, ...]) -> bool:
    return any(key == group or key.startswith(group + ".") for group in groups)


def _leaves(node: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    pairs = [_leaves(v, f"{before}{k}.") if isinstance(v, dict) else [(f"{before}{k}", v)] for k, v in node.items()]
    return [pair for one in pairs for pair in one]


def _short(value: Any) -> str:
    text = "nothing" if value is None else json_text(value)
    return text if len(text) <= 40 else text[:37] + "…"
