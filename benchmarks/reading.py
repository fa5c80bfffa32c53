"""Clips per second and core of the reading path, against decoding and resampling alone; from files, and from the PCM cache.

    OMP_NUM_THREADS=1 python benchmarks/reading.py [--clips 96] [--repeats 5]        (a minute or two; prints JSON)

Noise of 5 to 15 s at 44.1 kHz, written as FLAC and as WAV (16 bit), becomes training clips of 10 s at 48 kHz with the sound before them
(`audio.preroll`). "Decoding alone" is soundfile and soxr, HQ. The reading path is the batches of the datamodule's loader: decoding, checks,
stripping, crop, level, lead, collating; in this process, and by worker processes with what the transfer costs both sides. Time is processor
time, so that other work on the machine matters little; the measurements take turns, and medians are shown.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np
import soundfile
import soxr
import torch

from elsa_lightning.data.datamodule import SpatialAudioText
from elsa_lightning.data.manifest import ClipRecord, write_manifest
from elsa_lightning.data.pcm import Recipe, build_cache
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.provenance import summary
from elsa_lightning.schema import Experiment, ManifestConfig

RATE, SOURCE_RATE = 48000, 44100
BATCH = 16
BAR = 0.8
FORMATS = {"flac": "PCM_16", "wav": "PCM_16"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.clips < 4 * BATCH:
        parser.error(f"--clips {arguments.clips}: each of two workers must make several batches, so give {4 * BATCH} or more")
    torch.set_num_threads(1)
    about = summary() | {"load": round(os.getloadavg()[0], 1)}  # as the measurement begins
    with tempfile.TemporaryDirectory() as folder:
        formats = {suffix: measured(pathlib.Path(folder) / suffix, suffix, arguments) for suffix in FORMATS}
    bars = {f"{suffix} from files": found["ratio"]["files"] for suffix, found in formats.items()}
    bars |= {f"{suffix} from the cache": found["ratio"]["cache_float32"] for suffix, found in formats.items()}
    result = about | {"clips": arguments.clips, "repeats": arguments.repeats, "formats": formats}
    result["bars"] = {name: {"measured": ratio, "bar": BAR, "holds": ratio >= BAR} for name, ratio in bars.items()}
    print(json.dumps(result, indent=1))


def measured(folder: pathlib.Path, suffix: str, arguments: argparse.Namespace) -> dict:
    """Clips per second and core of one format's ways, and their ratios to decoding alone."""
    files = write(folder, suffix, arguments.clips)
    cfg = experiment(folder)
    caches = {}
    for precision in ("float32", "int16"):
        caches[precision] = folder / precision
        build_cache(open_corpus(cfg.data.corpus), caches[precision], Recipe.of(cfg.audio, precision), workers=0)
    ways: dict[str, Callable[[], float]] = {"decoding": lambda: decoding(files)}
    for workers, name in ((0, ""), (2, "_by_workers")):
        ways["files" + name] = lambda workers=workers: reading(experiment(folder), workers)
        for precision, cache in list(caches.items())[: 1 if workers else 2]:
            ways[f"cache_{precision}{name}"] = lambda workers=workers, p=precision, c=cache: reading(experiment(folder, c, p), workers)
    turns = [{name: way() for name, way in ways.items()} for _ in range(arguments.repeats)]
    speed = {name: round(statistics.median(turn[name] for turn in turns), 1) for name in ways}
    ratio = {name: round(statistics.median(turn[name] / turn["decoding"] for turn in turns), 2) for name in ways if name != "decoding"}
    return {"clips_per_s_and_core": speed, "ratio": ratio}


def write(folder: pathlib.Path, suffix: str, clips: int) -> list[pathlib.Path]:
    """Files and their manifest."""
    folder.mkdir()
    rng, records = np.random.default_rng(0), []
    for i in range(clips):
        sound = rng.standard_normal(int(rng.uniform(5, 15) * SOURCE_RATE))
        sound = 0.1 * np.convolve(sound, np.ones(8) / 8, "same") * (1 + np.sin(np.arange(len(sound)) / 9000))  # compresses as recordings do
        soundfile.write(folder / f"{i}.{suffix}", sound, SOURCE_RATE, subtype=FORMATS[suffix])
        records.append(ClipRecord(f"c{i}", "train", "", ("noise",), audio=f"{i}.{suffix}"))
    write_manifest(folder / "m.jsonl", records)
    return [folder / record.audio for record in records]


def experiment(folder: pathlib.Path, cache: pathlib.Path | str = "", precision: str = "float32") -> Experiment:
    """The paper's sound, streamed; rooms drawn by key, so that none need be simulated."""
    cfg = Experiment()
    cfg.data.corpus = ManifestConfig(path=str(folder / "m.jsonl"))
    cfg.data.pcm_cache, cfg.data.pcm_precision, cfg.data.versions = str(cache), precision, 1
    cfg.rooms.mode, cfg.trainer.batch_size = "pool", BATCH
    return cfg


def decoding(files: list[pathlib.Path]) -> float:
    """Clips per second of processor time: soundfile and soxr."""
    start = time.process_time()
    for file in files:
        samples, rate = soundfile.read(file, dtype="float32")
        soxr.resample(samples, rate, RATE, quality="HQ")
    return len(files) / (time.process_time() - start)


class Stamped:
    """A collate function that adds the process and its processor time so far."""

    def __init__(self, collate: Callable) -> None:
        self.collate = collate

    def __call__(self, examples: list) -> tuple:
        return self.collate(examples), os.getpid(), time.process_time()


def reading(cfg: Experiment, workers: int) -> float:
    """Clips per second of processor time: the loader's second epoch; worker processes from their first batch to their last."""
    corpus = open_corpus(cfg.data.corpus)
    cfg.data.workers = workers
    per_epoch = len(corpus.records("train")) // BATCH
    cfg.trainer.steps = 2 * per_epoch
    loader = SpatialAudioText(cfg, corpus, {}, None).train_dataloader()
    loader.collate_fn = Stamped(loader.collate_fn)
    stamps: dict[int, list[float]] = {}
    clips, start = 0, time.process_time()
    for step, (batch, process, stamp) in enumerate(loader):
        clips += len(batch.mono)
        stamps.setdefault(process, []).append(stamp)
        if step == per_epoch - 1:  # the first epoch warms up: a cache compares checksums then, and memory is taken from the system
            stamps, clips, start = {}, 0, time.process_time()
    if not workers:
        return clips / (time.process_time() - start)
    here = (time.process_time() - start) / clips  # receiving
    counted = sum(len(each) - 1 for each in stamps.values()) * BATCH
    return 1 / (here + sum(each[-1] - each[0] for each in stamps.values()) / counted)


if __name__ == "__main__":
    main()
