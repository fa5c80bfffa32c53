"""A language model for tests: it answers by its seed, well or with one of the usual faults. Run as a program it rewrites a task.

python stub_writer.py INPUT OUTPUT CACHE KILL_AFTER_S: kills itself with SIGKILL so long after work begins (0: never).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from elsa_lightning.captions.rewrite import rewrite_all
from elsa_lightning.captions.rewrite_cache import AnswerCache
from elsa_lightning.captions.rewrite_request import read_requests
from elsa_lightning.captions.verify import verify
from elsa_lightning.cli_rewrite import write_outcomes


class StubWriter:
    """Puts the prompt's facts into a sentence; seed % 5 decides what becomes of them."""

    identity = "stub temperature=0.9"

    def __init__(self, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.asked: list[tuple[str, int]] = []
        self.calls: list[tuple[int, ...]] = []

    def __call__(self, prompts, seeds):
        time.sleep(self.delay_s)
        self.asked += zip(prompts, seeds, strict=True)
        self.calls.append(tuple(seeds))
        return [self.answer(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]

    @staticmethod
    def answer(prompt: str, seed: int) -> str:
        """One answer."""
        facts = dict(line.split(": ", 1) for line in prompt.split("\n\n")[1].split("\n"))
        sound = facts.pop("Sound")
        places = {"the front": "in front", "the back": "behind", "the left": "on the left", "the right": "on the right"}
        said = [places.get(fact, fact if fact.split()[0] not in ("a", "an") else f"in {fact}") for fact in facts.values()]
        if seed % 5 == 0:
            said = said[:-1]
        if seed % 5 == 1:
            said.append("in the distance, nearby")
        if seed % 5 == 2:
            return f"Sure! {sound}, {', '.join(said)}. ü\n"
        return f"{sound}, {', '.join(said)}."


def main(source: str, output: str, cache: str, kill_after_s: str) -> None:
    """Rewrite a task."""
    verify("a dog barks", {}, "a dog barks")  # compiles its patterns, so that the kill falls into the work
    if float(kill_after_s):
        timer = threading.Timer(float(kill_after_s), os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    requests = read_requests(Path(source))
    outcomes, _ = rewrite_all(requests, StubWriter(0.004), AnswerCache(Path(cache)), batch=4)
    write_outcomes(Path(output), requests, outcomes)


if __name__ == "__main__":
    main(*sys.argv[1:])
