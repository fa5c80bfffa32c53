"""Make a cache whole, and again in forked processes that SIGKILL themselves at the n-th call of a function.

python killed_builds.py MANIFEST FOLDER RATE N…        (N: which calls, as shares of all of them; prints the numbers)
"""

import os
import signal
import sys

from elsa_lightning.data.pcm import Recipe, build, build_cache
from elsa_lightning.data.readers import open_corpus
from elsa_lightning.schema import AudioConfig, ManifestConfig


class Counter:
    """Counts calls of Python functions of the cache and of `atomic`, and of built-in functions from there; ends the process at one."""

    def __init__(self, fatal: int) -> None:
        self.fatal, self.calls = fatal, 0

    def __call__(self, frame, event, argument) -> None:
        name = frame.f_code.co_filename
        if event in ("call", "c_call") and ("/pcm/" in name or name.endswith("atomic.py")):
            self.calls += 1
            if self.calls == self.fatal:
                os.kill(os.getpid(), signal.SIGKILL)


def built(corpus, folder, recipe, fatal=0) -> int:
    """Make a cache; returns the number of calls."""
    counter = Counter(fatal)
    sys.setprofile(counter)
    build_cache(corpus, folder, recipe, workers=0)
    sys.setprofile(None)
    return counter.calls


if __name__ == "__main__":
    manifest, folder, rate, *shares = sys.argv[1:]
    build.CLIPS_PER_SHARD = 3
    corpus, recipe = open_corpus(ManifestConfig(path=manifest)), Recipe.of(AudioConfig(sample_rate=int(rate)), "float32")
    calls = built(corpus, f"{folder}/whole", recipe)
    for number, share in enumerate(shares):
        child = os.fork()
        if child == 0:
            built(corpus, f"{folder}/killed-{number}", recipe, 1 + int(float(share) * calls))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
