"""Whatever happens to a machine: the same results, nothing lost that was finished, and a message that says what to do."""

import json
import os
import random
import shutil
import subprocess
import time

import pytest

from elsa_lightning.event_files import scalars
from elsa_lightning.locks import STALE_S, Holder


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own, with a way to make it read-only and back."""
    if os.geteuid():
        pytest.skip("a file system of its own takes root")
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", folder], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")

    def writable(yes):
        subprocess.run(["mount", "-o", f"remount,{'rw' if yes else 'ro'}", folder], check=True)

    yield folder, writable
    subprocess.run(["umount", "-l", folder], check=True)


def stage_of(runs, stage):
    return next((runs / stage).iterdir())


def copy(alone, runs, without):
    """The finished runs, but for some stages."""
    shutil.copytree(alone[0], runs, ignore=lambda folder, names: [n for n in names if n in without and folder == str(alone[0])])


def test_an_attempt_that_hangs_is_killed_and_told(attempt, runs):
    with pytest.raises(pytest.fail.Exception, match="did not end and was killed"):
        attempt(runs, fault="hang", limit=0.5)
    with pytest.raises(pytest.fail.Exception, match=r"said nothing for 0\.1 s"):
        type(attempt)(["sleep", "20"], 0.1)


def test_kills_at_random_moments(attempt, alone, goes_on, runs):
    draw, killed = random.Random(7), 0
    for _ in range(3):
        code, text = attempt(runs, kill_after=draw.uniform(0.1, 0.6) * alone[2])
        assert code in (0, -9), text
        killed += code == -9
    assert killed >= 2
    goes_on(runs)


@pytest.mark.parametrize("fault", ["full-at-checkpoint", "full-at-done train"])
def test_a_full_disk(attempt, goes_on, disk, fault):
    runs = disk[0] / "runs"
    code, text = attempt(runs, fault=fault)
    assert code == 3 and "free)" in text and "→ make room" in text and "Traceback" not in text
    (disk[0] / "ballast").unlink()
    assert not list(runs.glob("**/*.tmp"))
    goes_on(runs)


def test_a_checkpoint_beyond_the_quota(attempt, alone, goes_on, runs):
    """The limit of a file's size stands for a quota where nothing can be mounted."""
    copy(alone, runs, ("train", "embed", "evaluate"))
    code, text = attempt(runs, fault="limited-checkpoint 20000")
    assert code == 3 and "could not write checkpoint" in text and "make room" in text
    text = goes_on(runs)
    assert "continuing from step 2 " in text and "cannot be read" not in text, text
    assert len(json.loads((stage_of(runs, "train") / "meta.json").read_text())["attempts"]) == 2


def test_a_read_only_folder(attempt, alone, goes_on, disk):
    runs, writable = disk[0] / "runs", disk[1]
    copy(alone, runs, ("embed", "evaluate"))
    writable(False)
    code, text = attempt(runs)
    assert code == 3 and "cannot be written to: Read-only file system" in text and "--runs FOLDER" in text
    writable(True)
    goes_on(runs)


def test_a_signal_to_every_process_of_a_job(attempt, runs):
    """Reading workers and the server that starts them get it too, and go on until the step is saved."""
    streamed = ["data.rendering=stream", "data.workers=1", "trainer.checkpoint_every=100"]
    code, text = attempt(runs, fault="told 2", set=streamed)
    assert code == 85 and "SIGUSR1 asked to stop; saved at step 3" in text and "Traceback" not in text, text
    code, text = attempt(runs, set=streamed)
    assert code == 0 and "continuing from step 3" in text, text
    curves = scalars(stage_of(runs, "train") / "tb" / "curves")
    assert [step for step, _ in curves["loss/total"]] == [1, 2, 3, 4, 5, 6] == [step for step, _ in curves["perf/clips_per_s"]]
    assert [step for step, _ in curves["val/retrieval/map10"]] == [4]


def test_a_file_where_the_folder_should_be(attempt, goes_on, runs):
    runs.write_text("notes")
    code, text = attempt(runs)
    assert code == 3 and "is a file" in text and "--runs FOLDER" in text
    runs.unlink()


def test_a_truncated_checkpoint(attempt, alone, goes_on, runs):
    copy(alone, runs, ("embed", "evaluate"))
    folder = stage_of(runs, "train")
    (folder / "done.json").unlink()  # it was killed before
    last = max((folder / "checkpoints").glob("step=*"))
    last.write_bytes(last.read_bytes()[:-100])
    text = goes_on(runs)
    assert f"{last.name} cannot be read" in text and "continuing from step 4" in text


DAMAGED = [
    ("features_train/*/train/intensity.npy", "cut"),
    ("rooms/*/train/bank.safetensors", "changed"),
    ("embed/*/embeddings.safetensors", "changed"),
]


@pytest.mark.parametrize(("where", "how"), DAMAGED)
def test_a_damaged_file_of_an_earlier_stage(attempt, alone, goes_on, runs, where, how):
    """It is named, with the folder to delete; then only that folder is computed again."""
    copy(alone, runs, ("evaluate",) if where.startswith("embed") else ("train", "embed", "evaluate"))
    (path,) = runs.glob(where)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content[:-7] if how == "cut" else content)
    code, text = attempt(runs)
    assert code == 3 and path.name in text and "Traceback" not in text
    folder = runs / path.relative_to(runs).parts[0] / path.relative_to(runs).parts[1]
    assert f"delete the folder {folder}" in text
    shutil.rmtree(folder)
    goes_on(runs)


def lock(folder, holder, age):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "lock").write_text(json.dumps(vars(holder)))
    os.utime(folder / "lock", (time.time() - age,) * 2)


def test_the_lock_of_a_dead_host(alone, goes_on, runs):
    copy(alone, runs, ("evaluate",))
    lock(runs / stage_of(alone[0], "evaluate").relative_to(alone[0]), Holder("elsewhere/1", 1, 1), STALE_S + 5)
    assert "a former attempt was killed" in goes_on(runs)


def test_two_runners(attempt, alone, runs):
    codes, text = attempt(runs, at_once=2)
    assert codes == [0, 0], text
    assert {p: next(runs.glob(p)).read_bytes() for p in alone[1]} == alone[1]
    assert all(len(json.loads(path.read_text())["attempts"]) == 1 for path in runs.glob("*/*/meta.json"))


def test_a_clock_that_is_hours_off(attempt, alone, goes_on, runs):
    """Of the runner that trains; the next one's is right again. What was done is done, though its date may be to come."""
    copy(alone, runs, ("train", "embed", "evaluate"))
    code, text = attempt(runs, fault="clock 7200")
    assert code == 0, text
    before = {path: path.read_text() for path in runs.glob("*/*/meta.json")}
    goes_on(runs)
    assert len(before) > 3 and {path: path.read_text() for path in runs.glob("*/*/meta.json")} == before, "nothing is attempted again"
    assert json.loads((stage_of(runs, "train") / "done.json").read_text())["seconds"] >= 0
