"""Clips per second and core of the reading path, against decoding and resampling alone; from files, and from the PCM cache.

    OMP_NUM_THREADS=1 python benchmarks/reading.py [--clips 96] [--repeats 5] [--ways files cache_int16 …]     (some minutes; prints JSON)

Noise of 5 to 15 s at 44.1 kHz, written as FLAC and as WAV (16 bit), becomes training clips of 10 s at 48 kHz with the sound before them
(`audio.preroll`). "Decoding" is soundfile and soxr, HQ, and nothing else: in this process, or in the worker processes of a DataLoader of
the same settings, which hand over a number a clip. "Files" is the batches of the datamodule's loader: decoding, checks, stripping, crop,
level, lead, collating, and the transfer's cost on both sides. Like is compared with like: the same files in the same order, by as many
workers.
Ratios are of processor time, which other work on the machine changes little, and of the clock's time, which it may change much. The
measurements take turns, and medians over the turns are shown. The bar judges the processor's.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import tempfile
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import soundfile
import soxr
import torch
from torch.utils.data import DataLoader

from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.datasets import ClipDataset
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.pcm import Recipe, build_cache
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.provenance import summary
from elsa_lightning.schema import Experiment, ManifestConfig

RATE, SOURCE_RATE = 48000, 44100
BATCH = 16
BAR = 0.8
WORKERS = (0, 1, 2)
CACHES = {"cache_float32": "float32", "cache_int16": "int16"}
"""Way → precision of the PCM cache that it reads."""
WAYS = ("files", *CACHES)
FORMATS = {"flac": "PCM_16", "wav": "PCM_16"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS), help="which to measure beside decoding; default: all")
    arguments = parser.parse_args()
    if arguments.clips < 4 * BATCH:
        parser.error(f"--clips {arguments.clips}: each of two workers must make several batches, so give {4 * BATCH} or more")
    torch.set_num_threads(1)
    about = summary() | {"load": round(os.getloadavg()[0], 1)}  # as the measurement begins
    with tempfile.TemporaryDirectory() as folder:
        formats = {suffix: measured(pathlib.Path(folder) / suffix, suffix, arguments) for suffix in FORMATS}
    bars = {f"{suffix} {name}": found["ratio"][name]["cpu"] for suffix, found in formats.items() for name in found["ratio"]}
    result = about | {"clips": arguments.clips, "repeats": arguments.repeats, "formats": formats}
    result["bars"] = {name: {"measured": ratio, "bar": BAR, "holds": ratio >= BAR} for name, ratio in bars.items()}
    print(json.dumps(result | {"load_after": round(os.getloadavg()[0], 1)}, indent=1))


def measured(folder: pathlib.Path, suffix: str, arguments: argparse.Namespace) -> dict:
    """Clips per second and core of one format's ways, and their ratios to decoding alone."""
    write(folder, suffix, arguments.clips)
    cfg = experiment(folder)
    caches = {way: CACHES[way] for way in arguments.ways if way in CACHES}
    for way, precision in caches.items():
        build_cache(open_corpus(cfg.data.corpus), folder / way, Recipe.of(cfg.audio, precision), workers=0)
    ways: dict[str, Callable[[], dict[str, float]]] = {}
    for n in WORKERS:
        ways[f"decoding{by(n)}"] = lambda n=n: reading(experiment(folder), n, alone=True)
        if "files" in arguments.ways:
            ways[f"files{by(n)}"] = lambda n=n: reading(experiment(folder), n)
        for way, precision in caches.items():
            ways[f"{way}{by(n)}"] = lambda n=n, p=precision, c=folder / way: reading(experiment(folder, c, p), n)
    turns = [{name: way() for name, way in ways.items()} for _ in range(arguments.repeats)]
    speed = {name: {key: round(median(turn[name][key] for turn in turns), 1) for key in ("cpu", "wall")} for name in ways}
    ratio = {}
    for n in WORKERS:
        for name in (f"{way}{by(n)}" for way in arguments.ways):
            found = [{key: turn[name][key] / turn[f"decoding{by(n)}"][key] for key in ("cpu", "wall")} for turn in turns]
            ratio[name] = {key: round(median(one[key] for one in found), 3) for key in ("cpu", "wall")}
    return {"clips_per_s": speed, "ratio": ratio}


def by(workers: int) -> str:
    """What the ways by so many workers end in."""
    return f"_by_{workers}" if workers else ""


def write(folder: pathlib.Path, suffix: str, clips: int) -> None:
    """Files and their manifest."""
    folder.mkdir()
    rng, records = np.random.default_rng(0), []
    for i in range(clips):
        sound = rng.standard_normal(int(rng.uniform(5, 15) * SOURCE_RATE))
        sound = 0.1 * np.convolve(sound, np.ones(8) / 8, "same") * (1 + np.sin(np.arange(len(sound)) / 9000))  # compresses as recordings do
        soundfile.write(folder / f"{i}.{suffix}", sound, SOURCE_RATE, subtype=FORMATS[suffix])
        records.append(ClipRecord(f"c{i}", "train", "", ("noise",), audio=f"{i}.{suffix}"))
    write_manifest(folder / "m.jsonl", records)


def experiment(folder: pathlib.Path, cache: pathlib.Path | str = "", precision: str = "float32") -> Experiment:
    """The paper's sound, streamed; rooms drawn by key, so that none need be simulated."""
    cfg = Experiment()
    cfg.data.corpus = ManifestConfig(path=str(folder / "m.jsonl"))
    cfg.data.pcm_cache, cfg.data.pcm_precision, cfg.data.versions = str(cache), precision, 1
    cfg.rooms.mode, cfg.trainer.batch_size = "pool", BATCH
    return cfg


class Decoding:
    """The clips of a dataset, decoded and resampled and no more: what a loader's workers can do at most."""

    def __init__(self, dataset: ClipDataset) -> None:
        self.dataset, self.root = dataset, dataset.corpus.root

    def __getitem__(self, at: tuple[int, int]) -> int:
        item = self.dataset.pairing.item(at[1], at[0])
        samples, rate = soundfile.read(self.root / self.dataset.records[item.clip].audio, dtype="float32")
        return len(soxr.resample(samples, rate, RATE, quality="HQ"))


class Stamped:
    """A collate function that adds the process and its processor time so far."""

    def __init__(self, collate: Callable) -> None:
        self.collate = collate

    def __call__(self, examples: list) -> tuple:
        return self.collate(examples), os.getpid(), time.process_time()


def reading(cfg: Experiment, workers: int, alone: bool = False) -> dict[str, float]:
    """Clips per second of processor time (of all processes) and of the clock: the loader's second epoch, worker processes from their first
    batch of it to their last.

    Args:
        cfg: what is read.
        workers: processes.
        alone: only decode.
    """
    corpus = open_corpus(cfg.data.corpus)
    cfg.data.workers = workers
    per_epoch = len(corpus.records("train")) // BATCH
    cfg.trainer.steps = 2 * per_epoch
    data = SpatialAudioText(cfg, corpus, {}, None)
    loader = data.train_dataloader()
    options = {name: getattr(loader, name) for name in ("worker_init_fn", "multiprocessing_context", "num_workers", "batch_sampler")}
    dataset, collate = (Decoding(data.dataset("train")), list) if alone else (loader.dataset, loader.collate_fn)
    stamps: dict[int, list[float]] = {}
    clips, cpu, wall = 0, time.process_time(), time.perf_counter()
    for step, (_, process, stamp) in enumerate(DataLoader(dataset, collate_fn=Stamped(collate), **options)):
        clips += BATCH
        stamps.setdefault(process, []).append(stamp)
        if step == per_epoch - 1:  # the first epoch warms up: a cache compares checksums then, and memory is taken from the system
            stamps, clips, cpu, wall = {}, 0, time.process_time(), time.perf_counter()
    cpu, wall = (time.process_time() - cpu) / clips, (time.perf_counter() - wall) / clips
    if workers:  # here it is receiving
        cpu += sum(each[-1] - each[0] for each in stamps.values()) / (BATCH * sum(len(each) - 1 for each in stamps.values()))
    return {"cpu": 1 / cpu, "wall": 1 / wall}


if __name__ == "__main__":
    main()
