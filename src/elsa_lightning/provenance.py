"""What produced a result: commit, versions, machine. Imports no torch."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "lightning", "transformers", "torchmetrics", "torchaudio", "omegaconf", "numpy")
"""Packages whose versions stand in every result."""

COMMIT_FILE = "COMMIT"
"""In a snapshot of the package (`sweep.snapshot`): the commit that it was taken of."""


@lru_cache
def commit() -> str:
    """The commit of the package's code, with `+` where files differ from it; empty outside a checkout. A snapshot knows its own."""
    folder = Path(__file__).resolve().parent
    if (folder / COMMIT_FILE).is_file():
        return (folder / COMMIT_FILE).read_text().strip()
    head = _output(["git", "-C", str(folder), "rev-parse", "--short=10", "HEAD"])
    changed = _output(["git", "-C", str(folder), "status", "--porcelain", "--untracked-files=no", "--", str(folder)])
    return head + ("+" if head and changed else "")


def versions() -> dict[str, str]:
    """Package → version of what is installed, read without importing it."""
    from elsa_lightning.version import __version__

    found = {"elsa-lightning": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


JOBS_AT_MOST = 4
JOB_BYTES = 3 * 2**30


def default_jobs() -> int:
    """Stages at a time on this machine: one beside a GPU; on a CPU several with fewer threads each, as far as the memory goes.

    Many threads in one job waste more: two jobs of one thread did 1.4 × the steps of one job of two threads."""
    if shutil.which("nvidia-smi"):
        return 1
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else JOB_BYTES
    return max(1, min(JOBS_AT_MOST, cores(), memory // JOB_BYTES))


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@lru_cache
def hardware() -> str:
    """The machine in a few words: processor, cores, graphics cards."""
    cards = _output(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]).splitlines()
    counted = [f"{cards.count(card)} × {card}" for card in dict.fromkeys(cards)]
    return ", ".join([f"{cores()} × {_processor()}", *counted])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    known = [name for name in names if name and name != "unknown"]
    return known[0] if known else platform.processor() or platform.machine()


def summary() -> dict[str, Any]:
    """Everything above, for meta.json."""
    return {"commit": commit(), "hardware": hardware(), "versions": versions()}


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
