"""A plan as a file: what comes out is what went in, and a plan that no longer fits is refused."""

import dataclasses
import json
import subprocess
import sys

import pytest

from elsa_lightning import stages_plan
from elsa_lightning.errors import ConfigError, RunError
from elsa_lightning.locks import hold
from elsa_lightning.pending import wanted
from elsa_lightning.runs import Run, prepare, read_config
from elsa_lightning.sweep import task
from elsa_lightning.sweep.plan_file import SWEEPS, check_current, check_name, find_plan, freeze, read_plan, runs_of_rows, write_plan
from elsa_lightning.tables import plan as plan_table

from .slurm_in_memory import many_rows


def frozen(plan, tmp_path, name="tiny"):
    return read_plan(write_plan(freeze(plan, name), tmp_path / "runs" / SWEEPS / name))


def test_a_plan_comes_back_as_it_was(plan, tmp_path):
    back = frozen(plan, tmp_path).open()
    assert back.name == plan.name and back.seeds == plan.seeds and back.table == plan.table
    assert list(back.runs) == list(plan.runs)
    for key, stages in plan.runs.items():
        assert [ref.run_id for ref in back.runs[key]] == [ref.run_id for ref in stages]
    for old, new in zip(plan.stages, back.stages, strict=True):
        assert new.run_id == old.run_id
        assert (new.parents, new.experiment, new.corpus_hash) == (old.parents, old.experiment, old.corpus_hash)


def test_rows_of_other_variants_come_back_with_their_own_keys(plan, tmp_path):
    sweep = frozen(plan, tmp_path)
    static = next(line for line in sweep.runs if line.row == "static")
    learned = next(line for line in sweep.runs if line.row == "learned")
    one, other = (sweep.refs([line.stages[-1]])[0].experiment for line in (static, learned))
    assert type(one.model.spatial) is not type(other.model.spatial)
    assert one.model.spatial.name == "static_iv" and other.model.spatial.name == "coord_cnn"


def test_a_plan_that_this_code_would_not_make_is_refused(plan, tmp_path, monkeypatch):
    sweep = frozen(plan, tmp_path)
    check_current(sweep)
    monkeypatch.setitem(stages_plan.STAGE_VERSIONS, "train", 99)
    with pytest.raises(ConfigError, match=r"train/.* would be another stage now"):
        check_current(sweep)


def test_damaged_and_missing_plans_are_messages(plan, tmp_path):
    sweep, runs = frozen(plan, tmp_path), tmp_path / "runs"
    path = runs / SWEEPS / "tiny" / "plan.json"
    assert find_plan("tiny", runs) == path
    with pytest.raises(ConfigError, match="did you mean `tiny`"):
        find_plan("tyny", runs)
    with pytest.raises(RunError, match="no stage train/0"):
        sweep.number_of("train/0")
    path.write_text(path.read_text()[:-100])
    with pytest.raises(ConfigError, match="is no plan"):
        read_plan(path)
    for name in ("code", "a/b", "", ".hidden"):
        with pytest.raises(ConfigError, match="cannot be called"):
            check_name(name)


def test_values_that_the_schema_does_not_know_are_refused(plan, tmp_path):
    path = write_plan(freeze(plan, "tiny"), tmp_path)
    for old, new, words in (
        ('"optim.lr":', '"optim.learning":', "`optim.learning`"),
        ('"model.spatial.name":"static_iv"', '"model.spatial.name":"magic"', "'magic'"),
    ):
        text = path.read_text()
        assert old in text
        (tmp_path / "other.json").write_text(text.replace(old, new))
        with pytest.raises(ConfigError, match=words):
            read_plan(tmp_path / "other.json").refs()


def test_rows_are_chosen_with_what_only_they_need(plan, tmp_path):
    sweep = frozen(plan, tmp_path)
    whole = {line.run for line in sweep.stages}
    assert runs_of_rows(sweep) == whole
    own = runs_of_rows(sweep, ["static"])
    assert 0 < len(own) < len(whole) and not any(run.startswith("rooms/") for run in own)
    with pytest.raises(ConfigError, match="no row statik; did you mean `static`"):
        runs_of_rows(sweep, ["statik"])


def test_what_is_left_is_what_the_unfinished_need():
    parents = {"a": [], "b": ["a"], "c": ["b"], "d": ["a"], "e": ["d"]}
    left = wanted(parents, {"c", "e"}.__contains__)
    assert left.done == ["c", "e"] and left.wanted == []  # a, b and d are needed by finished ones alone
    assert wanted(parents, {"a", "c"}.__contains__).wanted == ["d", "e"]
    assert wanted(parents, set().__contains__).wanted == list(parents)


def test_a_job_prepares_its_run_with_the_layout_of_its_nodes(plan, tmp_path, monkeypatch):
    sweep, runs = frozen(plan, tmp_path), tmp_path / "runs"
    path = runs / SWEEPS / "tiny" / "plan.json"
    train = next(line for line in sweep.stages if line.run.startswith("train/"))
    with pytest.raises(RunError, match=r"needs rooms/.*not done"):
        task.prepare_task(path, train.run, runs, 2, 2)
    for number in train.parents:
        folder = runs / sweep.stages[number].run
        folder.mkdir(parents=True)
        (folder / "done.json").write_text("{}")
    assert task.prepare_task(path, train.run, runs, 2, 2).name == train.run
    found = read_config(runs / train.run).experiment
    assert (found.trainer.nodes, found.trainer.devices) == (2, 2)
    wanted_one = sweep.refs([sweep.number_of(train.run)])[0].experiment
    assert dataclasses.replace(found, trainer=wanted_one.trainer) == wanted_one
    monkeypatch.setattr(task, "STALE_S", 0.0)
    monkeypatch.setattr(task, "POLL_S", 0.01)
    with hold(runs / train.run), pytest.raises(RunError, match="is being worked on"):
        task.prepare_task(path, train.run, runs)


def test_a_layout_is_the_runs_not_the_experiments(plan, tmp_path):
    ref = plan.stages[0]
    prepare(ref, tmp_path)
    assert read_config(tmp_path / ref.run_id).experiment == ref.experiment
    assert prepare(ref, tmp_path, (3, 4)) == Run(tmp_path / ref.run_id)
    assert read_config(tmp_path / ref.run_id).experiment.trainer.nodes == 3


def test_no_command_that_plans_or_watches_imports_torch(write, experiment_file, tmp_path):
    table = write("ablations/many.yaml", many_rows(3))
    code = """
import sys
from elsa_lightning.cli import main
table, runs = sys.argv[1:]
for words in (["plan", table, "--name", "many"], ["submit", "many", "--dry-run"], ["status", "many"], ["status", "many", "--json"]):
    assert main(["sweep", *words, "--runs", runs]) == 0
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, table, tmp_path / "runs"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "aftercorr:${TRAIN}" in done.stdout and "3 rows and seeds: 3 missing" in done.stdout
    assert json.loads(done.stdout[done.stdout.rindex('\n{\n "name"') :])["stages"]["train"] == {"missing": 3}


def test_rows_of_one_table_share_their_plan(table, tmp_path):
    made = plan_table(table, None, lambda corpus: "c0ffee", seeds=[0, 1])
    sweep = freeze(made, "two")
    assert len({line.run for line in sweep.stages}) == len(sweep.stages) == len(made.stages)
    assert len(sweep.differences()) == 4  # two rows, two seeds
