"""`elsa bench step`."""

from __future__ import annotations

import argparse
from typing import Any

from elsa_lightning.cli_config import DEFAULT_EXPERIMENT, add_overrides, load


def add(commands: Any) -> None:
    """Add the command."""
    group = commands.add_parser("bench", help="measure the training on this machine").add_subparsers(required=True, metavar="COMMAND")
    step = group.add_parser(
        "step",
        help="clips per second, share of the front end, memory of a training step (synthetic sound, no rendering)",
        epilog="The real module, losses and optimiser of the experiment on noise; rooms and data loading are not part of it.",
    )
    step.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, help=f"its YAML file (default: {DEFAULT_EXPERIMENT})")
    add_overrides(step)
    step.add_argument("--clips", type=int, metavar="N", help="examples in the batch (default: trainer.batch_size)")
    step.add_argument("--steps", type=int, default=5, metavar="N", help="the median of so many is given (default: 5)")
    step.add_argument("--device", choices=("cpu", "cuda"), help="default: the GPU where there is one")
    step.add_argument("--json", action="store_true", help="print JSON, with commit, versions and hardware")
    step.set_defaults(command=_step)


def _step(arguments: argparse.Namespace) -> None:
    import json

    experiment = load(arguments).experiment

    from elsa_lightning.provenance import summary
    from elsa_lightning.threads import use_threads
    from elsa_lightning.training.precision import inference_device
    from elsa_lightning.training.step_bench import bench_step

    use_threads(experiment.trainer.threads)
    device = arguments.device or inference_device(experiment.trainer.accelerator)
    clips = experiment.trainer.batch_size if arguments.clips is None else arguments.clips
    found = bench_step(experiment, device, clips, arguments.steps)
    if arguments.json:
        print(json.dumps({**summary(), "experiment": experiment.name, "profile": arguments.profile or "paper", **found}, indent=1))
        return
    print(
        f"{found['clips_per_s']:g} clips/s: {found['clips']} in {found['front_end_s']:g} s of front end and {found['step_s']:g} s of step"
    )
    print(f"front end {100 * found['front_end_share']:.1f} %, peak memory {found['peak_memory_mb']} MB, {device}, {found['precision']}")
