"""Real gloo processes for tests: `run_ranks` starts this file as a script, which imports torch once and forks one process per rank.

A fresh interpreter, because autograd cannot be forked once it has run (on machines with a GPU); forks of it, because importing torch in
every rank costs seconds.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import traceback
from datetime import timedelta
from pathlib import Path

import torch


def run_ranks(file: str, function: str, world: int, folder: Path) -> list[dict]:
    """Call `function(rank, world)` of a Python file in `world` processes of one gloo group; the dictionary that each returned."""
    command = [sys.executable, __file__, file, function, str(world), str(folder)]
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(world)]


def _run_one(function, rank: int, world: int, folder: Path) -> int:
    try:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=world, timeout=timedelta(seconds=300)
        )
        torch.save(function(rank, world), folder / f"rank{rank}.pt")
        torch.distributed.destroy_process_group()
        return 0
    except BaseException:
        traceback.print_exc()
        return 1


def main(file: str, function: str, world: int, folder: Path) -> int:
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("rank_cases", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            code = _run_one(getattr(module, function), rank, world, folder)
            sys.stderr.flush()
            os._exit(code)
        children.append(child)
    return max([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])))
