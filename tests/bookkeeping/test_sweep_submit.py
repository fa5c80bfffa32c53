"""Submission against a SLURM in memory: what is left, once, in order, whatever has happened in between."""

import os
import random
import re
import subprocess
import sys

import pytest

from elsa_lightning import provenance
from elsa_lightning.atomic import write_json
from elsa_lightning.errors import ConfigError, RunError
from elsa_lightning.locks import hold
from elsa_lightning.runs import write_status
from elsa_lightning.schema_slurm import JobConfig, SlurmConfig
from elsa_lightning.sweep import queue, snapshot
from elsa_lightning.sweep.arrays import Array
from elsa_lightning.sweep.plan_file import SWEEPS, freeze
from elsa_lightning.sweep.resources import find_resources, layout, load_resources
from elsa_lightning.sweep.script import Place, options, render, task_lines
from elsa_lightning.sweep.shards import Shards
from elsa_lightning.sweep.shards import render as render_shards
from elsa_lightning.sweep.status import lines, status
from elsa_lightning.sweep.submit import dry_run, submit
from elsa_lightning.table_file import load_table
from elsa_lightning.tables import plan as plan_table

from .conftest import ROOT
from .slurm_in_memory import Slurm, many_rows


@pytest.fixture
def sweep(plan):
    return freeze(plan, "tiny")


@pytest.fixture
def cluster(sweep, tmp_path, monkeypatch):
    """Makes the SLURM that submissions meet."""

    def cluster(seed=0, of=sweep):
        parents = {line.run: [of.stages[number].run for number in line.parents] for line in of.stages}
        found = Slurm(tmp_path / "runs", parents, seed)
        monkeypatch.setattr(queue, "slurm", found)
        monkeypatch.setattr(queue, "has_slurm", lambda: True)
        return found

    monkeypatch.setattr(snapshot, "take", lambda target: None)
    return cluster


@pytest.fixture
def send(tmp_path, sweep):
    def send(of=sweep, **options):
        return submit(of, tmp_path / "runs", load_resources(None), uncommitted=True, tell=lambda line: None, **options)

    return send


def test_all_stages_are_submitted_once_and_end_in_order(cluster, send, sweep):
    slurm = cluster()
    assert list(send()) == ["rooms", "train", "embed", "evaluate"]
    assert sorted(task["run"] for task in slurm.tasks.values()) == sorted(line.run for line in sweep.stages)
    assert send() == {}  # all wait
    while slurm.pass_time():
        assert send() == {}
    assert all(slurm.done(line.run) for line in sweep.stages)


@pytest.mark.parametrize("seed", range(8))
def test_whatever_fails_and_is_cancelled_the_same_call_ends_it(cluster, send, sweep, seed):
    """The SLURM in memory refuses a second live task of a run, and a task that starts before its parents are done."""
    slurm, rng = cluster(seed), random.Random(seed)
    for round in range(400):
        failures = 0.3 if round < 40 else 0.0
        if rng.random() < 0.4:
            slurm.refuses = failures > 0 and rng.random() < 0.2
            try:
                send()
            except RunError:
                assert slurm.refuses
        live = [job for job, task in slurm.tasks.items() if task["state"] in ("PENDING", "RUNNING")]
        if live and failures and rng.random() < 0.2:
            slurm.scancel(rng.choice(live))
        slurm.pass_time(failures)
        if all(slurm.done(line.run) for line in sweep.stages):
            break
    assert all(slurm.done(line.run) for line in sweep.stages), f"not done after {round} rounds"
    assert len(slurm.tasks) > len(sweep.stages)  # something was submitted again


def test_what_waits_for_a_cancelled_job_is_submitted_anew_at_once(cluster, send, sweep):
    """Before SLURM itself says that it will never run."""
    slurm = cluster()
    send()
    slurm.random.random = lambda: 0.6
    job, task = next((job, task) for job, task in slurm.tasks.items() if task["run"].startswith("train/"))
    slurm.scancel(job)
    assert list(send()) == ["train", "embed", "evaluate"]
    line = next(line for line in sweep.runs if task["run"] in [sweep.stages[number].run for number in line.stages])
    for number in line.stages[1:]:
        states = [one["state"] for one in slurm.tasks.values() if one["run"] == sweep.stages[number].run]
        assert states == ["CANCELLED", "PENDING"]
    assert len(slurm.tasks) == len(sweep.stages) + 3


def test_two_sweeps_share_what_both_need(cluster, send, plan, sweep):
    slurm = cluster()
    send(of=freeze(plan, "first"))
    assert send(of=freeze(plan, "second")) == {}
    job, task = next((job, task) for job, task in slurm.tasks.items() if task["run"].startswith("train/"))
    slurm.pass_time()
    slurm.scancel(job)
    send(of=freeze(plan, "second"))
    again = [one for one in slurm.tasks.values() if one["run"] == task["run"]]
    assert [one["state"] for one in again] == ["CANCELLED", "PENDING"] and again[1]["name"].startswith("second.")


def test_a_kill_between_journal_and_sbatch_loses_nothing(cluster, send, tmp_path, sweep):
    slurm = cluster()
    slurm.refuses = True
    with pytest.raises(RunError, match="no more jobs"):
        send()
    journal = tmp_path / "runs" / SWEEPS / queue.JOURNAL
    with journal.open("a") as file:
        file.write('{"token":"abc","swe')  # killed while writing
    slurm.refuses = False
    assert list(send()) == ["rooms", "train", "embed", "evaluate"]
    assert [line.submission for line in queue.read_journal(journal.parent)] == ["001", "002", "002", "002", "002"]
    assert send() == {}


def test_one_submission_at_a_time(cluster, send, tmp_path):
    cluster()
    with queue.submitting(tmp_path / "runs" / SWEEPS), pytest.raises(RunError, match="under way"):
        send()


def test_changed_code_is_refused_unless_by_name(cluster, sweep, tmp_path, monkeypatch):
    slurm = cluster()
    package = tmp_path / "checkout" / "elsa_lightning"
    package.mkdir(parents=True)
    (package / "a.py").write_text("1\n")
    git = ["git", "-C", str(package), "-c", "user.name=x", "-c", "user.email=x"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(snapshot, "PACKAGE", package)
    snapshot.require_clean()
    name = snapshot.name()
    (package / "a.py").write_text("2\n")
    with pytest.raises(RunError, match=r"in no commit: a\.py") as caught:
        submit(sweep, tmp_path / "runs", load_resources(None))
    assert "--uncommitted" in caught.value.remedy and not slurm.tasks
    assert snapshot.name() != name


def test_a_git_that_fails_is_no_clean_checkout(tmp_path, monkeypatch):
    package = tmp_path / "checkout" / "elsa_lightning"
    package.mkdir(parents=True)
    monkeypatch.setattr(snapshot, "PACKAGE", package)
    snapshot.require_clean()  # installed: no .git above
    (package.parent / ".git").write_text("gitdir: /nowhere/at/all\n")
    with pytest.raises(RunError, match="not a git repository: /nowhere/at/all") as caught:
        snapshot.require_clean()
    assert "--uncommitted" in caught.value.remedy
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match="No such file or directory: 'git'"):
        snapshot.require_clean()
    monkeypatch.setattr(subprocess, "run", lambda command, timeout, **_: (_ for _ in ()).throw(subprocess.TimeoutExpired(command, timeout)))
    with pytest.raises(RunError, match="timed out after 60 seconds"):
        snapshot.require_clean()


def test_a_snapshot_is_the_package_and_knows_its_commit(tmp_path):
    target = tmp_path / "code" / snapshot.name()
    snapshot.take(target)
    code = "import elsa_lightning, elsa_lightning.provenance as p; print(elsa_lightning.__file__, p.commit())"
    environment = os.environ | {"PYTHONPATH": str(target)}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [str(target / "elsa_lightning" / "__init__.py"), provenance.commit()]
    snapshot.take(target)  # is there already
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_dry_run_shows_the_scripts_and_leaves_nothing(cluster, send, sweep, tmp_path):
    slurm = cluster()
    shown = dry_run(sweep, tmp_path / "runs", load_resources(None))
    assert not (tmp_path / "runs").exists() and not slurm.tasks
    assert "TRAIN=$(sbatch --parsable --dependency=afterok:${ROOMS}_0 --kill-on-invalid-dep=yes" in shown
    send()
    written = sorted((tmp_path / "runs" / SWEEPS / "tiny" / "001").glob("*.sbatch"))
    assert len(written) == 4

    def without_token(text):
        return re.sub(r"\.[0-9a-f]{12}\n", "\n", text)

    for path in written:
        assert without_token(path.read_text()).rstrip() in without_token(shown)
        assert subprocess.run(["bash", "-n", path], check=False).returncode == 0


def test_the_script_asks_for_what_the_resources_say(tmp_path):
    job = JobConfig(
        "1-00:00:00", "gpu", "abc", "high", "a100", gpus=1, cpus=6, memory="64G", extra=["--reservation=x"], setup=["module load x"]
    )
    place = Place(tmp_path, tmp_path / "my runs", tmp_path / "code", tmp_path, "/usr/bin/python3")
    array = Array("train", "train", (12, 8), {0: "train/a", 1: "train/b"})
    found = options(array, "x.train.0", job, place, 2)
    for option in ("array=0-1%2", "time=1-00:00:00", "partition=gpu", "account=abc", "qos=high", "constraint=a100", "nodes=12", "mem=64G"):
        assert f"--{option}" in found
    assert {"--ntasks-per-node=8", "--gpus-per-node=8", "--cpus-per-task=6", "--signal=USR1@120", "--requeue", "--reservation=x"} < set(
        found
    )
    text = render(array, "x.train.0", job, place)
    assert "srun --kill-on-bad-exit=1 --nodes=12 --ntasks-per-node=8 --cpus-per-task=6" in text and "--nodes 12 --devices 8" in text
    assert "\nset -eo pipefail\nmodule load x\nset -u\n" in text and "ELSA_THREADS=48" in text
    other = render(Array("embed", "embed", (1, 1), {0: "embed/a"}), "x", job, place)
    assert "--signal" not in other and "--nodes 1 " not in other and "--gpus-per-node=1" in other


def test_the_setup_is_obeyed_and_ends_the_job_where_it_fails(tmp_path):
    """The scripts as bash runs them, with functions in place of SLURM's commands."""
    place = Place(tmp_path / "001", tmp_path / "runs", tmp_path / "my code", tmp_path, "echo")
    place.folder.mkdir()
    array = Array("train", "train", (1, 1), {3: "train/a"})
    place.tasks_of(array).write_text(task_lines(array))
    shards = Shards("x", 2, ["data", "render"], [])
    setup = ['srun() { echo "path=$PYTHONPATH"; }', 'export PYTHONPATH="/a module"', 'echo "$NEVER_SET"']

    def run(lines, after=""):
        job = JobConfig(setup=[*lines, after] if after else lines)
        cluster = SlurmConfig({shards.stage: job})
        for text in (render(array, "x", job, place), render_shards(shards, array, "x", cluster, place, 0)):
            environment = {"PATH": os.environ["PATH"], "SLURM_ARRAY_TASK_ID": "3"}
            yield subprocess.run(["bash", "-c", text], env=environment, capture_output=True, text=True, check=False)

    for said in run(setup):
        assert said.returncode == 0 and f"path={place.code}:/a module\n" in said.stdout, said.stderr
    for said in run(setup[:1]):
        assert said.returncode == 0 and f"path={place.code}\n" in said.stdout, said.stderr
    for said in run(setup, "false  # a module that is not there"):
        assert said.returncode == 1 and "path=" not in said.stdout


def test_resources_are_files_that_build_on_files_and_words(write):
    base = write("experiments/slurm/gpu.yaml", 'default: {time: "60", cpus: 2}\nstages: {train: {gpus: 1}}\nmax_array: 50\n')
    mine = write("mine.yaml", "base: experiments/slurm/gpu.yaml\ndefault: {account: abc}\nstages.train.time: 1-0\n")
    found = load_resources(mine, ["default.partition=long", "stages.embed.cpus=4"])
    assert (found.max_array, found.stages["train"].time, found.stages["embed"].time) == (50, "1-0", "60")
    assert {(job.account, job.partition) for job in found.stages.values()} == {("abc", "long")}
    assert (found.stages["train"].gpus, found.stages["embed"].gpus, found.stages["embed"].cpus) == (1, 0, 4)
    assert find_resources("gpu", base.parent.parent / "elsa.yaml") == base
    assert find_resources("paper", base.parent.parent / "elsa.yaml") is None


@pytest.mark.parametrize(
    "word, text",
    [
        ("stages.train.time=1:00:00", "1:00:00"),
        ("default.time=30", "30"),
        ("default.time='30'", "30"),
        ("default.memory=64000", "64000"),
        ("default.account=0123", "0123"),
        ("default.partition=on", "on"),
        ("default.constraint=[a|b]", "[a|b]"),
        ("default.qos=", ""),
    ],
)
def test_text_on_the_command_line_is_what_stands_there(word, text):
    name = word.partition("=")[0].rpartition(".")[2]
    assert getattr(load_resources(None, [word]).stages["train"], name) == text


def test_the_remedy_names_the_place_of_the_value(write):
    path = write("mine.yaml", "default: {time: 1:00:00}\n")
    with pytest.raises(ConfigError, match=r"mine\.yaml: `time` is 3600, not text") as caught:
        load_resources(path, ["default.cpus=2"])
    assert "mend the file" in caught.value.remedy and "quotes" in caught.value.remedy
    good = write("good.yaml", "default: {time: '30'}\n")
    for word in ("default.cpus=two", "max_array=many", "default.setup=x"):
        with pytest.raises(ConfigError, match=r"command line \(--slurm\): `\w+` is") as caught:
            load_resources(good, [word])
        assert "file" not in caught.value.remedy


@pytest.mark.parametrize(
    "words, message",
    [
        (["default.cpu=2"], r"no key `default.cpu`; did you mean `default.cpus`"),
        (["stages.training.cpus=2"], "no key `stages.training.cpus`; did you mean `stages."),
        (["default.time=1h"], "`time` of rooms is '1h'"),
        (["default.cpus=two"], "not a whole number"),
        (["default.cpus=0"], "`cpus` of rooms is 0"),
        (["stages.train.nodes=-1"], "`nodes` of train is -1"),
        (["default.extra=[--array=1]"], "`extra` of rooms holds"),
        (["default.partition='a b'"], "'a b'"),
        (["max_array=0"], "`max_array` is 0"),
    ],
)
def test_resources_that_cannot_be_are_messages(words, message):
    with pytest.raises(ConfigError, match=message):
        load_resources(None, words)


def test_a_batch_that_nodes_cannot_share_is_refused_before_it_is_queued(plan):
    experiment = plan.stages[-1].experiment  # batch 4
    assert layout("train", JobConfig(nodes=2, devices=2), experiment) == (2, 2)
    assert layout("embed", JobConfig(nodes=2, devices=2), experiment) == (1, 1)
    with pytest.raises(ConfigError, match=r"3 nodes with 1 processes each cannot share `trainer.batch_size`, 4"):
        layout("train", JobConfig(nodes=3), experiment)


def test_shipped_resources_load(sweep):
    files = sorted((ROOT / "experiments" / "slurm").glob("*.yaml"))
    assert [path.stem for path in files] == ["desk", "gpu", "paper", "smoke"]
    train = {path.stem: load_resources(path).stages["train"] for path in files}
    assert train["paper"].nodes * train["paper"].devices == 96 and train["gpu"].gpus == 1


# what has become of it


def test_the_status_says_what_is_done_runs_waits_and_failed(cluster, send, sweep, tmp_path):
    runs, slurm = tmp_path / "runs", cluster()
    found = status(sweep, runs)
    assert set(found.by_row) == {"missing"} and found.by_stage["train"]["missing"] == 4
    send()
    slurm.random.random = lambda: 0.6  # what can start, starts
    slurm.pass_time()
    slurm.pass_time()
    jobs = queue.queued(queue.read_journal(runs / SWEEPS))
    found = status(sweep, runs, jobs)
    assert found.by_stage["rooms"]["done"] == 1 and found.by_row["queued"] + found.by_row["running"] == len(found.rows)
    one, other = [line for line in sweep.stages if line.run.startswith("train/")][:2]
    (runs / other.run).mkdir(parents=True, exist_ok=True)
    write_json(runs / other.run / "failed.json", {"error": "the loss is not finite", "remedy": ""})
    with hold(runs / one.run):
        write_status(runs / one.run, 0.5, "step 5/10")
        text = "\n".join(lines(sweep, status(sweep, runs)))
    assert re.search(rf"running +\w+/\d  {one.run}  50 %  step 5/10", text)
    assert re.search(rf"failed +\w+/\d  {other.run}  the loss is not finite", text)
    assert "and 3 more: --all" in "\n".join(lines(sweep, status(sweep, runs), 1))


def test_a_finished_row_needs_no_look_at_its_other_stages(sweep, tmp_path):
    runs = tmp_path / "runs"
    line = sweep.runs[0]
    folder = runs / sweep.stages[line.stages[-1]].run
    folder.mkdir(parents=True)
    (folder / "done.json").write_text("{}")
    found = status(sweep, runs)
    assert found.rows[line.row, line.seed].state == "done" and found.by_row["done"] == 1
    (folder / "done.json").write_text("{")  # cut short
    assert status(sweep, runs).by_row["done"] == 0


def test_many_rows_make_few_arrays(write, experiment_file, cluster, send, tmp_path):
    table = load_table(write("ablations/many.yaml", many_rows(12)))
    many = freeze(plan_table(table, None, lambda corpus: "c0ffee"), "many")
    slurm = cluster(of=many)
    assert len(send(of=many)) == 4 and len(slurm.tasks) == 37
