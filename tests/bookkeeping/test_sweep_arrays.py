"""Stages to arrays: every task waits for its parents and for nothing else, whatever the shape of the plan."""

import random

import pytest

from elsa_lightning.sweep.arrays import ORDER, Array, Task, make_arrays


def waited_for(arrays):
    """Run → the runs that SLURM would wait for, read from the dependencies alone."""
    jobs = {array.name: str(100 + i) for i, array in enumerate(arrays)}
    run_of = {f"{jobs[array.name]}_{number}": run for array in arrays for number, run in array.tasks.items()}
    seen, found = set(), {}
    for array in arrays:
        for number, run in array.tasks.items():
            names = []
            for word in filter(None, array.dependency(jobs).split(",")):
                kind, *ids = word.split(":")
                names += [f"{one}_{number}" if kind == "aftercorr" else one for one in ids]
            assert run not in found, "submitted twice"
            found[run] = {run_of.get(name, name) for name in names}
            assert all(name not in run_of or name.partition("_")[0] in seen for name in names), "waits for what is not submitted yet"
        seen.add(jobs[array.name])
    return found


def random_tasks(rng):
    """Some rows with stages that they share by chance."""
    layers = [stage for stage in ORDER if rng.random() < 0.6] or ["train"]
    tasks = []
    for depth, stage in enumerate(layers):
        for number in range(rng.randint(1, 6)):
            before = [task.run for task in tasks if task.stage in layers[:depth]]
            parents = tuple(rng.sample(before, min(len(before), rng.randint(0, 3))))
            queued = ("7_3",) if rng.random() < 0.1 else ()
            tasks.append(Task(f"{stage}/{number}", stage, parents, queued, (rng.choice([1, 1, 2]), 1)))
    return tasks


@pytest.mark.parametrize("seed", range(100))
def test_tasks_wait_for_their_parents_exactly(seed):
    rng = random.Random(seed)
    tasks, most = random_tasks(rng), rng.choice([1, 2, 3, 1000])
    arrays = make_arrays(tasks, most)
    assert waited_for(arrays) == {task.run: {*task.parents, *task.queued} for task in tasks}
    assert len({array.name for array in arrays}) == len(arrays)
    by_run = {task.run: task for task in tasks}
    for array in arrays:
        assert all(0 <= number < most for number in array.tasks)
        assert all((by_run[run].stage, by_run[run].layout) == (array.stage, array.layout) for run in array.tasks.values())


def chains(count):
    rows = range(count)
    return [
        Task("rooms/0", "rooms"),
        *(Task(f"train/{i}", "train", ("rooms/0",)) for i in rows),
        *(Task(f"embed/{i}", "embed", (f"train/{i}",)) for i in rows),
        *(Task(f"evaluate/{i}", "evaluate", (f"embed/{i}",)) for i in rows),
    ]


def test_rows_follow_their_own_training_in_one_array_a_stage():
    arrays = make_arrays(chains(5), 1000)
    jobs = {name: f"<{name}>" for name in ("rooms", "train", "embed", "evaluate")}
    assert [(a.name, a.numbers(), a.dependency(jobs)) for a in arrays] == [
        ("rooms", "0", ""),
        ("train", "1-5", "afterok:<rooms>_0"),
        ("embed", "1-5", "aftercorr:<train>"),
        ("evaluate", "1-5", "aftercorr:<embed>"),
    ]


def test_stages_that_would_have_one_number_are_not_laid_over_each_other():
    """Each training follows another of two stages that have their rooms' number."""
    tasks = [
        Task("rooms/0", "rooms"),
        Task("features_train/0", "features_train", ("rooms/0",)),
        Task("features_eval/0", "features_eval", ("rooms/0",)),
        Task("train/0", "train", ("features_train/0",)),
        Task("train/1", "train", ("features_eval/0",)),
    ]
    assert waited_for(make_arrays(tasks, 1000)) == {task.run: set(task.parents) for task in tasks}


def test_arrays_come_in_the_order_of_stages_whatever_rows_have_which():
    tasks = [*chains(2), Task("captioner/2", "captioner", ("embed/1",)), Task("train/2", "train", ("rooms/0",))]
    stages = [array.stage for array in make_arrays(tasks, 1000)]
    assert stages == sorted(stages, key=ORDER.index) and len(set(stages)) == 5


def test_a_large_plan_is_cut_where_the_cluster_says():
    arrays = make_arrays(chains(2500), 1000)
    assert [len(a.tasks) for a in arrays if a.stage == "train"] == [999, 1000, 501]
    assert len(arrays) == 1 + 3 * 3
    assert [a.after_own for a in arrays if a.stage == "embed"] == [("train",), ("train-2",), ("train-3",)]


def test_numbers_are_spans():
    assert Array("a", "train", (1, 1), dict.fromkeys([7, 0, 1, 3, 2, 9, 10], "")).numbers() == "0-3,7,9-10"
