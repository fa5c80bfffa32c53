"""A language model for tests: it answers by its seed, well or with one of the usual faults. Run as a program it rewrites a task.

python stub_writer.py INPUT OUTPUT CACHE KILL_AT: kills itself with SIGKILL at that call of a function, Python's or C's (0: never), and
prints how many calls there were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from elsa_lightning.captions.rewrite import rewrite_all
from elsa_lightning.captions.rewrite_cache import AnswerCache
from elsa_lightning.captions.rewrite_request import read_requests
from elsa_lightning.captions.verify import verify
from elsa_lightning.cli_rewrite import write_outcomes


class StubWriter:
    """Puts the prompt's facts into a sentence; seed % 5 decides what becomes of them."""

    identity = "stub temperature=0.9"

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.calls: list[tuple[int, ...]] = []

    def __call__(self, prompts, seeds):
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


def main(source: str, output: str, cache: str, kill_at: str) -> None:
    """Rewrite a task."""
    verify("a dog barks", {}, "a dog barks")  # imports and compiles, so that the kill falls into the work
    at, calls = int(kill_at), 0

    def count(frame, event, argument) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1
            if calls == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(count)
    requests = read_requests(Path(source))
    outcomes, _ = rewrite_all(requests, StubWriter(), AnswerCache(Path(cache)), batch=4)
    write_outcomes(Path(output), requests, outcomes)
    sys.setprofile(None)
    print(calls)


if __name__ == "__main__":
    main(*sys.argv[1:])
