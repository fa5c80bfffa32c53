"""Stages to job arrays: one array for each stage, with dependencies task by task. Imports no torch.

A stage whose parent has no other child of its kind follows it alone: both have the same number in their arrays, and the child's array waits
by `aftercorr`. What several stages share (rooms, features) is waited for by `afterok` of that one task; so a failed task holds up only
what needs it. Stages of a kind that wait for different shared tasks are therefore in different arrays, and so are those with other nodes,
and those beyond the largest array that the cluster takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from elsa_lightning.stages_plan import PRODUCERS, STAGES

ORDER = (*STAGES, *PRODUCERS)
"""Names of stages, each after those that it may need."""


@dataclass(frozen=True)
class Task:
    """A stage to be submitted.

    Attributes:
        run: its folder below runs/.
        stage: its name.
        parents: runs of its parents that are to be submitted too.
        queued: jobs, as `123_4`, of its parents that wait or run already.
        layout: nodes and processes per node.
    """

    run: str
    stage: str
    parents: tuple[str, ...] = ()
    queued: tuple[str, ...] = ()
    layout: tuple[int, int] = (1, 1)


@dataclass
class Array:
    """A job array.

    Attributes:
        name: the stage's, with a number where there are several.
        stage: the stage's.
        layout: nodes and processes per node of each task.
        tasks: number in the array → run.
        after_own: arrays whose task of the same number each task waits for.
        after: (array, number) of tasks that all wait for.
        queued: jobs of former submissions that all wait for.
    """

    name: str
    stage: str
    layout: tuple[int, int]
    tasks: dict[int, str] = field(default_factory=dict)
    after_own: tuple[str, ...] = ()
    after: tuple[tuple[str, int], ...] = ()
    queued: tuple[str, ...] = ()

    def dependency(self, jobs: Mapping[str, str]) -> str:
        """What `sbatch --dependency` is given; empty where nothing is waited for.

        Args:
            jobs: array → its job's id.
        """
        words = [f"aftercorr:{jobs[name]}" for name in self.after_own]
        shared = [f"{jobs[name]}_{number}" for name, number in self.after] + list(self.queued)
        return ",".join(words + ([":".join(["afterok", *shared])] if shared else []))

    def numbers(self) -> str:
        """What `sbatch --array` is given: `0-3,7`."""
        ordered, spans = sorted(self.tasks), []
        for number in ordered:
            if spans and number == spans[-1][1] + 1:
                spans[-1][1] = number
            else:
                spans.append([number, number])
        return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def make_arrays(tasks: Sequence[Task], max_array: int) -> list[Array]:
    """The arrays of a submission, each after those that it waits for.

    Args:
        tasks: parents before children.
        max_array: tasks in an array at most; numbers are smaller than it, too.
    """
    children = Counter((parent, task.stage) for task in tasks for parent in task.parents)
    line: dict[str, int] = {}  # run → number, that of the parent which it follows alone
    place: dict[str, str] = {}  # run → its array
    groups: dict[tuple, Array] = {}
    counts: Counter[str] = Counter()
    fresh = 0
    for task in sorted(tasks, key=lambda task: ORDER.index(task.stage)):
        alone = [p for p in task.parents if children[p, task.stage] == 1]
        followed = [p for p in alone if line[p] == line[alone[-1]]]
        if followed:
            line[task.run] = line[followed[-1]]
        else:
            line[task.run], fresh = fresh, fresh + 1
        own = tuple(dict.fromkeys(place[p] for p in followed))
        shared = tuple((place[p], line[p] % max_array) for p in task.parents if p not in followed)
        block, number = divmod(line[task.run], max_array)  # two of one number follow others: they are in different arrays
        key = (task.stage, task.layout, block, own, frozenset(shared), frozenset(task.queued))
        if key not in groups:
            counts[task.stage] += 1
            name = task.stage if counts[task.stage] == 1 else f"{task.stage}-{counts[task.stage]}"
            groups[key] = Array(name, task.stage, task.layout, {}, own, shared, task.queued)
        groups[key].tasks[number] = task.run
        place[task.run] = groups[key].name
    return list(groups.values())
