"""A manifest of the paper's size: seconds to open it, and the memory of a process and of its worker processes.

    OMP_NUM_THREADS=1 python benchmarks/manifest_scale.py [--rows 890038] [--repeats 3]        (some minutes; prints JSON)

As JSONL and as Parquet. Rows look like AudioCaps' and Freesound's, but name no real file: the workers read records by the package's batch
sampler and start method, and no sound. "First" is the first opening ever, which checks every row; later ones find its index. Seconds of the
processor are given too, as other work on the machine lengthens the clock's. The two formats' openings take turns; medians are shown.

PSS shares each page among the processes that map it; private memory is what a process has written and shares with none (pages of a mapped
file that it has only read are the system's to take back, even if no other process looks at them). PSS counts anonymous memory and the
manifest's mapped files, not those of libraries, which all processes of the machine share. "Grown" is a process' memory with the large
manifest less that with one of 1,000 rows: what the manifest costs there.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

ROWS = 890_038
SMALL = 1000
WORKERS = (0, 1, 2, 4)
READ = 64
"""Batches read, of `BATCH` records each, at random places of the manifest."""
BATCH = 64
FORMATS = ("jsonl", "parquet")
BARS = {
    "open_s": 5.0,
    "first_open_s": 5.0,
    "open_cpu_s": 5.0,
    "first_open_cpu_s": 5.0,
    "process_gb": 1.0,
    "mb_per_worker": 20.0,
    "private_mb_of_a_worker": 20.0,
}
"""Seconds by the clock, and of the processor, for a later open and for the first; peak RSS of a process;
what the manifest costs all processes together, per
additional worker, and a worker alone in private memory: a copy of the records would be a hundred times the last two."""
WORDS = "a dog barks while rain falls on the roof of an old car and people talk far away in the background".split()  # noqa: SIM905


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--repeats", type=int, default=3, help="of the openings")
    parser.add_argument("--open", type=pathlib.Path, metavar="MANIFEST", help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=2, metavar=("MANIFEST", "WORKERS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.open:
        print(json.dumps(opening(arguments.open)[1]))
        return
    if arguments.measure:
        print(json.dumps(measured(pathlib.Path(arguments.measure[0]), int(arguments.measure[1]))))
        return
    from elsa_lightning.provenance import summary

    result = summary() | {"rows": arguments.rows, "load": round(os.getloadavg()[0], 1)}  # of the machine before this began
    with tempfile.TemporaryDirectory() as folder:
        paths = {
            suffix: [write(pathlib.Path(folder) / f"{name}.{suffix}", rows) for name, rows in (("large", arguments.rows), ("small", SMALL))]
            for suffix in FORMATS
        }
        opened: dict[str, list[tuple[dict, dict]]] = {suffix: [] for suffix in FORMATS}
        for _ in range(arguments.repeats):
            for suffix, (large, _) in paths.items():
                forget(large)
                opened[suffix].append((alone("--open", large), alone("--open", large)))
        for suffix, (large, small) in paths.items():
            result[suffix] = compared(large, small, *zip(*opened[suffix], strict=True))
    print(json.dumps(result | {"load_after": round(os.getloadavg()[0], 1)}, indent=1))


def forget(manifest: pathlib.Path) -> None:
    """Delete the index."""
    for left in manifest.parent.glob(f"{manifest.name}.*"):
        left.unlink()


def compared(large: pathlib.Path, small: pathlib.Path, first: Sequence[dict], later: Sequence[dict]) -> dict:
    """One format, each measurement in a process of its own.

    Args:
        large, small: manifests.
        first, later: openings of the large one.
    """
    forget(large)
    begun = alone("--measure", large, 0)  # the first opening in a training's process: its peak
    loaded, base = ({count: alone("--measure", path, count) for count in WORKERS} for path in (large, small))
    workers = {count: grown(loaded[count], base[count]) for count in WORKERS}
    costs = {count: round(one["pss_grown_mb"] + sum(one["worker_pss_grown_mb"]), 1) for count, one in workers.items()}
    most = max(WORKERS)
    figures = {
        "open_s": median(later, "open_s"),
        "first_open_s": median(first, "open_s"),
        "open_cpu_s": median(later, "open_cpu_s"),
        "first_open_cpu_s": median(first, "open_cpu_s"),
        "process_gb": max(one["peak_mb"] for one in (begun, *loaded.values())) / 1e3,
        "mb_per_worker": (costs[most] - costs[0]) / most,
        "private_mb_of_a_worker": max(mb for one in workers.values() for mb in one["worker_private_grown_mb"]),
    }
    shown = ("open_s", "open_cpu_s")
    return {
        "manifest_mb": round(large.stat().st_size / 1e6, 1),
        "first_open": {key: median(first, key) for key in shown} | {"peak_rss_mb": begun["peak_mb"]},
        "later_open": {key: median(later, key) for key in shown} | {"peak_rss_mb": loaded[0]["peak_mb"]},
        "workers": workers,
        "manifest_pss_mb_all_processes": costs,
        "bars": {name: {"measured": round(figures[name], 3), "bar": bar, "holds": figures[name] < bar} for name, bar in BARS.items()},
    }


def median(found: Sequence[dict], key: str) -> float:
    """Of one figure."""
    return statistics.median(one[key] for one in found)


def grown(large: dict, small: dict) -> dict:
    """Memory with the large manifest, and how much more than with the small one."""
    shown = ("rss_mb", "pss_mb", "peak_mb", "worker_rss_mb", "worker_pss_mb", "worker_private_mb")
    more = {"pss_grown_mb": round(large["pss_mb"] - small["pss_mb"], 1)}
    for name in ("worker_pss", "worker_private"):
        more[f"{name}_grown_mb"] = [round(one - statistics.mean(small[f"{name}_mb"]), 1) for one in large[f"{name}_mb"]]
    return {name: large[name] for name in shown} | more


def write(path: pathlib.Path, count: int) -> pathlib.Path:
    """A manifest of so many clips."""
    from elsa_lightning.data.manifest import ClipRecord, write_manifest

    rng = np.random.default_rng(0)
    lengths, picks = rng.integers(6, 14, count), rng.integers(0, len(WORDS), (count, 14))

    def records():
        for i in range(count):
            split = "val" if i % 100 == 98 else "test" if i % 100 == 99 else "train"
            caption = " ".join(WORDS[word] for word in picks[i, : lengths[i]])
            audio = f"freesound/{i // 1000:04d}/{i:08d}.flac"
            yield ClipRecord(f"freesound-{i}", split, "", (caption,), f"freesound:{i}", "CC BY 4.0", audio, 17.9, 48000)

    write_manifest(path, records())
    return path


def alone(*arguments: object) -> dict:
    """What this script prints when it is called so: `opening` or `measured` in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


class Measuring:
    """Records as a dataset; some tell the memory of the process that reads them."""

    def __init__(self, records, folder: pathlib.Path) -> None:
        self.records, self.folder = records, folder

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, at: tuple[int, int]):
        record = self.records[at[1]]
        return os.getpid(), memory_mb(self.folder) if at[1] % 64 == 0 else None, record.clip_id


def opening(path: pathlib.Path) -> tuple[Sequence, dict[str, float]]:
    """The training clips of a manifest, and the seconds until the first record."""
    from elsa_lightning.data.readers import open_corpus
    from elsa_lightning.schema import ManifestConfig

    wall, cpu = time.perf_counter(), time.process_time()
    records = open_corpus(ManifestConfig(path=str(path))).records("train")
    records[len(records) // 2]
    return records, {"open_s": round(time.perf_counter() - wall, 3), "open_cpu_s": round(time.process_time() - cpu, 3)}


def measured(path: pathlib.Path, workers: int) -> dict:
    """One process: open, read batches with so many workers, look at the memory."""
    import torch
    from torch.utils.data import DataLoader

    from elsa_lightning.data import datamodule  # noqa: F401 — what a training has loaded
    from elsa_lightning.data.processes import single_thread, worker_context
    from elsa_lightning.data.sampling import KeyedBatchSampler

    torch.set_num_threads(1)
    records, _ = opening(path)
    sampler = KeyedBatchSampler(len(records), BATCH, 0, total_steps=READ)
    context = worker_context() if workers else None
    loader = DataLoader(
        Measuring(records, path.parent),
        batch_sampler=sampler,
        collate_fn=list,
        num_workers=workers,
        multiprocessing_context=context,
        worker_init_fn=single_thread if workers else None,
    )
    seen: dict[int, tuple[float, ...]] = {}
    for batch in loader:
        seen |= {pid: found for pid, found, _ in batch if found and pid != os.getpid()}
    rss, pss, _ = memory_mb(path.parent)
    names = ("worker_rss_mb", "worker_pss_mb", "worker_private_mb")
    return {"peak_mb": peak_mb(), "rss_mb": rss, "pss_mb": pss} | {
        name: [each[i] for each in seen.values()] for i, name in enumerate(names)
    }


def memory_mb(folder: pathlib.Path) -> tuple[float, ...]:
    """RSS of this process, its share (PSS) of the memory that the manifest can be in, and what it alone has written, MB."""
    fields = smaps(pathlib.Path("/proc/self/smaps_rollup").read_text())
    kb = {"rss": fields["Rss"], "pss": fields["Pss_Anon"] + fields["Pss_Shmem"], "private": fields["Private_Dirty"]}
    for mapping in re.split(r"\n(?=[0-9a-f]+-)", pathlib.Path("/proc/self/smaps").read_text()):
        if str(folder) in mapping.partition("\n")[0]:
            kb["pss"] += smaps(mapping)["Pss"]
    return tuple(round(kb[name] * 1024 / 1e6, 1) for name in ("rss", "pss", "private"))


def smaps(text: str) -> dict[str, int]:
    """Name → kB."""
    return {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}


def peak_mb() -> float:
    """Largest RSS so far, MB."""
    import resource

    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1)


if __name__ == "__main__":
    main()
