"""How long the package and its command line take to start, and what they import: `python benchmarks/import_time.py`; prints JSON.

Each start is a new process; what the interpreter itself takes (`python -c pass`, in turns with the others) is shown and taken off. Clock
and processor time are the least of the repeats: other work (`load`, jobs at the start) only ever adds, to the clock above all. Bars:
`elsa --help` 0.3 s, `import elsa_lightning` 0.5 s, no torch.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

from elsa_lightning.provenance import commit, hardware, versions

STARTS = {
    "interpreter": "pass",
    "import elsa_lightning": "import elsa_lightning",
    "elsa --help": "import sys; from elsa_lightning.cli import main; sys.argv = ['elsa']\ntry: main(['--help'])\nexcept SystemExit: pass",
    "from elsa_lightning import Audio": "from elsa_lightning import Audio",
    "from elsa_lightning import Elsa": "from elsa_lightning import Elsa",
}
"""What is timed → the code that does it. The last imports torch and has no bar."""

BARS_S = {"elsa --help": 0.3, "import elsa_lightning": 0.5}
HEAVY = ("torch", "lightning", "transformers", "scipy", "numpy", "omegaconf", "rich", "soundfile")


def start(code: str) -> tuple[float, float]:
    """Clock and processor seconds of a new process."""
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - clock, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imported(code: str) -> list[str]:
    """Which heavy packages a start loads."""
    asks = f"{code}\nimport sys; print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", asks], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    return eval(done.stderr.strip().splitlines()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats, load = parser.parse_args().repeats, round(os.getloadavg()[0], 1)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    for _ in range(repeats):
        for name, code in STARTS.items():
            seconds[name].append(start(code))
    least = {name: tuple(min(one[i] for one in values) for i in (0, 1)) for name, values in seconds.items()}
    found = {
        name: {
            "s": round(clock, 3),
            "cpu_s": round(processor, 3),
            "cpu_s_without_interpreter": round(processor - least["interpreter"][1], 3),
            "imports": imported(STARTS[name]),
            **({"bar_s": BARS_S[name], "within": {"s": clock < BARS_S[name], "cpu_s": processor < BARS_S[name]}} if name in BARS_S else {}),
        }
        for name, (clock, processor) in least.items()
    }
    print(
        json.dumps(
            {"repeats": repeats, "load": load, "starts": found, "commit": commit(), "hardware": hardware(), "versions": versions()},
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
