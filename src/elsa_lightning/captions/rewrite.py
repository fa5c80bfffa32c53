"""Spatial captions by a language model, each of them verified (arXiv 2409.11369: LLaMA-13B at temperature 0.9, unverified).

Work goes in rounds: every request is tried once, those that fail the check once more with other seeds, and so on; what fails every round
gets its template. Batches are cut from a round in the task's order whether or not answers are kept already, and every row has a seed of
its own, so that a killed and restarted run asks the model for the same batches and ends with the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from elsa_lightning.captions.rewrite_cache import AnswerCache
from elsa_lightning.captions.rewrite_figures import Figures, count_faults
from elsa_lightning.captions.rewrite_request import Request
from elsa_lightning.captions.verify import Verdict, verify
from elsa_lightning.errors import ConfigError
from elsa_lightning.seeding import seed_of

Progress = Callable[[int, int, int], None]
"""Called with the round (from 0), the requests of it that are done, and how many it has."""


class TextGenerator(Protocol):
    """A language model."""

    identity: str
    """Names the model and every setting that decides its answers."""

    def __call__(self, prompts: Sequence[str], seeds: Sequence[int]) -> list[str]:
        """One answer to each prompt; a row's answer follows from its prompt and its seed."""


@dataclass(frozen=True)
class Outcome:
    """What became of one request.

    Args:
        text: the accepted rewrite, or the template.
        tries: how many it took.
        accepted: a rewrite passed; else `text` is the template.
    """

    text: str
    tries: int
    accepted: bool


def rewrite_all(
    requests: Sequence[Request],
    generator: TextGenerator,
    cache: AnswerCache,
    seed: int = 0,
    batch: int = 16,
    retries: int = 3,
    progress: Progress = lambda number, done, total: None,
) -> tuple[list[Outcome], Figures]:
    """Rewrite a task's captions; kept answers are not asked for again.

    Args:
        requests: the task.
        generator: called only for batches of which an answer is missing.
        cache: of answers; they are verified anew in each run.
        seed: of the task.
        batch: requests a call of the generator.
        retries: further tries of a request whose answer fails the check.
        progress: told after every batch.

    Returns:
        The outcome of each request, in order, and the figures.

    Raises:
        ConfigError: no requests, a batch below 1, or retries below 0.
    """
    if not requests or batch < 1 or retries < 0:
        raise ConfigError(f"{len(requests)} requests, batch {batch}, retries {retries}", "give one or more, 1 or more, 0 or more")
    keys = [request.key(generator.identity, seed) for request in requests]
    different = dict(zip(keys, requests, strict=True))
    first: dict[str, Verdict] = {}
    accepted: dict[str, Outcome] = {}
    with cache.writing():
        for number in range(retries + 1):
            pending = [key for key in different if key not in accepted]
            for start in range(0, len(pending), batch):
                part = pending[start : start + batch]
                for key, text in _answers(part, number, different, generator, cache, seed):
                    verdict = verify(different[key].caption, dict(different[key].words), text)
                    first.setdefault(key, verdict)
                    if verdict.ok:
                        accepted[key] = Outcome(text, number + 1, True)
                progress(number, start + len(part), len(pending))
    outcomes = [accepted.get(key) or Outcome(request.template, retries + 1, False) for key, request in zip(keys, requests, strict=True)]
    return outcomes, _figures(len(requests), different, accepted, first)


def shard_of(requests: Sequence[Request], identity: str, seed: int, index: int, count: int) -> list[Request]:
    """The requests of one of several processes: a function of their keys alone, so that equal ones meet in one process.

    Args:
        requests: the whole task.
        identity: of the generator; part of the keys.
        seed: of the task.
        index: which process, from 1 to `count`.
        count: how many there are.
    """
    return [request for request in requests if int(request.key(identity, seed), 16) % count == index - 1]


def _answers(
    part: list[str], number: int, different: dict[str, Request], generator: TextGenerator, cache: AnswerCache, seed: int
) -> Iterator[tuple[str, str]]:
    missing = [key for key in part if (key, number) not in cache]
    if missing:
        texts = generator([different[key].prompt for key in part], [seed_of("rewrite", seed, key, number) for key in part])
        made = dict(zip(part, texts, strict=True))
        cache.add({(key, number): made[key].strip() for key in missing})
    yield from ((key, cache[key, number]) for key in part)


def _figures(lines: int, different: dict[str, Request], accepted: dict[str, Outcome], first: dict[str, Verdict]) -> Figures:
    fallen = [request for key, request in different.items() if key not in accepted]
    return Figures(
        lines=lines,
        requests=len(different),
        first_try=sum(outcome.tries == 1 for outcome in accepted.values()),
        retried=sum(outcome.tries > 1 for outcome in accepted.values()),
        fell_back=len(fallen),
        faulty_templates=sum(not verify(request.caption, dict(request.words), request.template).ok for request in fallen),
        first_faults=count_faults(list(first.values())),
    )
