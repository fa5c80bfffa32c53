"""Attempts at a small experiment, each in a fork of one process that has imported everything: started as a script, asked by lines of JSON.

A fork, because importing torch costs seconds; of a script, because a test session has threads.
"""

import errno
import json
import os
import pathlib
import resource
import signal
import sys
import time
import traceback

ROOT = pathlib.Path(__file__).parents[2]
SMALL = [
    "rooms.train=8",
    "rooms.val=3",
    "rooms.test=4",
    "data.corpus.train_clips=16",
    "data.corpus.val_clips=6",
    "data.corpus.test_clips=8",
]
SMALL += ["trainer.steps=6", "trainer.val_every=4", "trainer.batch_size=8", "trainer.checkpoint_every=2", "trainer.log_every=1"]
SMALL += ["evaluation.probe_steps=5", "trainer.accelerator=cpu", "data.rendering=cached"]
LIMIT_S = 300
"""After which an attempt is killed."""
PACE_S = 0.05
"""Added to every step, so that a kill can come between two of them."""


def plan(overrides):
    from elsa_lightning.config import load_experiment
    from elsa_lightning.corpora import content_hash
    from elsa_lightning.stages_plan import plan_run

    experiment = load_experiment(ROOT / "experiments/elsa.yaml", profile="smoke", overrides=[*SMALL, *overrides]).experiment
    return plan_run(experiment, content_hash(experiment.data.corpus))


def fill(folder):
    """Take all the room that is left on a disk."""
    with open(folder / "ballast", "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as fault:
                assert fault.errno == errno.ENOSPC


def arrange(fault, runs):
    """Let something go wrong in this process, later."""
    from elsa_lightning import runs as bookkeeping
    from elsa_lightning.training import checkpoints
    from elsa_lightning.training.contrastive import ElsaModule

    kind, _, value = fault.partition(" ")
    write, finish = checkpoints.write_checkpoint, bookkeeping._finish

    def before_checkpoint(trainer, path):
        if trainer.global_step == 4:
            fill(runs.parent)
        write(trainer, path)

    def limited_checkpoint(trainer, path):
        if trainer.global_step == 4:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(value), resource.RLIM_INFINITY))
        write(trainer, path)

    def before_done(run, meta):
        if run.stage == value:
            fill(runs.parent)
        finish(run, meta)

    if kind == "full-at-checkpoint":
        checkpoints.write_checkpoint = before_checkpoint
    elif kind == "limited-checkpoint":
        checkpoints.write_checkpoint = limited_checkpoint
    elif kind == "full-at-done":
        bookkeeping._finish = before_done
    elif kind == "told":
        ElsaModule.on_train_batch_end = lambda module, *arguments: module.global_step == int(value) and os.killpg(0, signal.SIGUSR1)
    elif kind == "hang":
        bookkeeping.read_config = lambda folder: time.sleep(600)
    elif kind == "clock":
        now = time.time
        time.time = lambda: now() + float(value)


def attempt(runs, fault, overrides):
    """Every stage of the plan that is not done; exit codes as the command line's."""
    from elsa_lightning.errors import ElsaError
    from elsa_lightning.lifetime import Stopped, listening
    from elsa_lightning.locks import Held
    from elsa_lightning.runs import perform, prepare
    from elsa_lightning.stages import execute
    from elsa_lightning.training.contrastive import ElsaModule

    arrange(fault, runs)
    ended = ElsaModule.on_train_batch_end
    ElsaModule.on_train_batch_end = lambda *arguments: (time.sleep(PACE_S), ended(*arguments))
    try:
        with listening():
            for ref in plan(overrides):
                run = prepare(ref, runs)
                while not run.done:
                    try:
                        perform(run.folder, execute)
                    except Held:
                        time.sleep(0.1)
    except (ElsaError, Stopped) as stop:
        print(stop, flush=True)
        return stop.exit_code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def serve():
    import elsa_lightning.stages.evaluate
    import elsa_lightning.stages.train
    import elsa_lightning.threads
    import elsa_lightning.training.trainer

    elsa_lightning.threads.use_threads(1)
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        pids = [start(asked) for _ in range(asked.get("at_once", 1))]
        began = time.monotonic()
        end = began + asked["kill_after"] if asked.get("kill_after") else None
        codes = [wait(pid, end, began + asked.get("limit", LIMIT_S)) for pid in pids]
        print(json.dumps(codes), flush=True)


def start(asked):
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)  # as the processes of a job: a signal to all of them is none to this one
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.stdout = os.fdopen(1, "w")
        code = attempt(pathlib.Path(asked["runs"]), asked.get("fault", ""), asked.get("set", []))
        sys.stdout.flush()
        os._exit(code)
    return pid


def wait(pid, end, limit):
    """Exit code, killed at `end` if that is a time; None where it had to be killed at `limit`."""
    while (now := time.monotonic()) < limit and (end is None or now < end):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    over = end is None or now < end
    (os.killpg if over else os.kill)(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if over else code


if __name__ == "__main__":
    serve()
