"""A cluster of two nodes on this machine, with real daemons: scripts/slurm_cluster.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import slurm_cluster  # noqa: E402


def start(found):
    """Start a cluster; skip, with what its daemons said last, where they do not come up: that is the machine's fault."""
    try:
        found.start()
    except (RuntimeError, TimeoutError, subprocess.SubprocessError) as fault:
        said = [f"{path.name}: {line}" for path in sorted(found.folder.glob("*.log")) for line in last_lines(path)]
        pytest.skip("\n".join([f"no SLURM cluster: {fault}", *said]))


def last_lines(path, count=5):
    return path.read_text(errors="replace").splitlines()[-count:]


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The cluster, idle; skipped, with the reason, where there can be none. Commands of SLURM's in this process talk to it."""
    if reason := slurm_cluster.lacking():
        pytest.skip(f"no SLURM cluster: {reason}")
    found = slurm_cluster.Cluster(tmp_path_factory.mktemp("cluster"), nodes=2, cpus=2)
    before = dict(os.environ)
    try:
        start(found)
        os.environ["SLURM_CONF"] = str(found.conf)
        yield found
    finally:
        found.stop()
        os.environ.clear()
        os.environ.update(before)
