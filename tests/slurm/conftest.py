"""A cluster of two nodes on this machine, with real daemons: scripts/slurm_cluster.py."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import slurm_cluster  # noqa: E402


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The cluster, idle; skipped, with the reason, where there can be none. Commands of SLURM's in this process talk to it."""
    if reason := slurm_cluster.lacking():
        pytest.skip(f"no SLURM cluster: {reason}")
    found = slurm_cluster.Cluster(tmp_path_factory.mktemp("cluster"), nodes=2, cpus=2)
    before = dict(os.environ)
    try:
        found.start()
        os.environ["SLURM_CONF"] = str(found.conf)
        yield found
    finally:
        found.stop()
        os.environ.clear()
        os.environ.update(before)
