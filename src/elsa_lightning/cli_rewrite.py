"""`elsa data rewrite-tasks | rewrite | verify-captions`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elsa_lightning.cli_config import DEFAULT_EXPERIMENT, add_overrides, load
from elsa_lightning.cli_shards import shard

if TYPE_CHECKING:
    from elsa_lightning.captions.rewrite import Outcome, Progress
    from elsa_lightning.captions.rewrite_request import Request


def add(group: Any) -> None:
    """Add the commands to those of `elsa data`."""
    tasks = group.add_parser(
        "rewrite-tasks",
        help="write what a training would want rewritten: each caption with each set of words, and its template",
        description="Write what trainings of this experiment say with spatial words: each different caption with each "
        "different set of words once, for `elsa data rewrite`. Simulates the training rooms if they are not there yet.",
    )
    tasks.add_argument("experiment", nargs="?", default=DEFAULT_EXPERIMENT, help=f"its YAML file (default: {DEFAULT_EXPERIMENT})")
    add_overrides(tasks)
    tasks.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSONL: id, caption, words and template in each line")
    tasks.add_argument("--seeds", type=int, nargs="+", default=[], metavar="N", help="of the trainings (default: the experiment's)")
    tasks.add_argument("--runs", type=Path, default=Path("runs"), metavar="DIR", help="folder of all runs (default: runs)")
    tasks.set_defaults(command=_tasks)

    rewrite = group.add_parser("rewrite", help="spatial captions by a language model, each one verified (JSONL in, JSONL out)")
    rewrite.add_argument("input", type=Path, help='JSONL: {"id": …, "caption": …, "words": {"direction": "left", …}, "template": …}')
    rewrite.add_argument("output", type=Path, help="the same lines with rewrite, source (model or template) and tries")
    rewrite.add_argument("--model", required=True, help="an instruct model: its folder, or its name on the Hugging Face hub")
    rewrite.add_argument("--temperature", type=float, default=0.9, help="of the sampling (default: 0.9, as in the paper)")
    rewrite.add_argument("--max-new-tokens", type=int, default=96, metavar="N", help="longest answer (default: 96)")
    rewrite.add_argument("--batch", type=int, default=16, help="captions at once (default: 16)")
    rewrite.add_argument("--retries", type=int, default=3, help="further tries of a rewrite that fails the check (default: 3)")
    rewrite.add_argument("--seed", type=int, default=0, help="of the sampling (default: 0)")
    rewrite.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where there is one")
    rewrite.add_argument("--cache", type=Path, metavar="FILE", help="where answers are kept (default: OUTPUT with .cache.jsonl)")
    rewrite.add_argument(
        "--shard",
        type=shard,
        metavar="I/N",
        help="do part I of N (from 1) and keep its answers beside the cache; then run without --shard to write OUTPUT from all parts",
    )
    rewrite.add_argument("--json", action="store_true", help="print the figures as JSON")
    rewrite.set_defaults(command=_rewrite)

    check = group.add_parser("verify-captions", help="check rewritten captions; exit code 1 if any fails")
    check.add_argument("file", type=Path, help='JSONL: {"caption": …, "words": {"direction": "left", …}, "rewrite": …}')
    check.add_argument("--json", action="store_true", help="print the figures and faults as JSON")
    check.set_defaults(command=_verify)


def _tasks(arguments: argparse.Namespace) -> int:
    from elsa_lightning.errors import ConfigError
    from elsa_lightning.runs import Run
    from elsa_lightning.scheduler import Scheduler
    from elsa_lightning.stages_plan import plan_rooms

    experiment = load(arguments).experiment
    if experiment.rooms.mode != "bank":
        raise ConfigError(f"`rooms.mode` is {experiment.rooms.mode}: its rooms' words are known only while training", "set rooms.mode=bank")
    rooms = plan_rooms(experiment)
    outcome = Scheduler([rooms], arguments.runs).run()
    if outcome.exit_code:
        print("\n".join(outcome.failed.values()), file=sys.stderr)
        return outcome.exit_code
    from elsa_lightning.acoustics.bank import RoomBank
    from elsa_lightning.data.readers import open_corpus
    from elsa_lightning.data.rewrite_tasks import tasks_of

    bank = RoomBank.load(Run(arguments.runs / rooms.run_id).folder / "train")
    requests, draws = tasks_of(experiment, open_corpus(experiment.data.corpus), bank, arguments.seeds)
    if not requests:
        raise ConfigError("this training says no spatial word", "look at captions.spatial_share, captions.word_keep and data.mono_share")
    _write_lines(arguments.out, [request.to_dict() for request in requests])
    print(f"{arguments.out}: {len(requests)} different sentences to rewrite; training draws {draws} captions from them")
    return 0


def _write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    from elsa_lightning.atomic import write_text

    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _rewrite(arguments: argparse.Namespace) -> None:
    from elsa_lightning.captions.rewrite import rewrite_all, shard_of
    from elsa_lightning.captions.rewrite_cache import AnswerCache
    from elsa_lightning.captions.rewrite_request import read_requests
    from elsa_lightning.errors import ConfigError

    if arguments.temperature == 0 and arguments.retries:
        raise ConfigError("--temperature 0 gives the same answer at every try", "add --retries 0, or raise the temperature")
    requests = read_requests(arguments.input)
    from elsa_lightning.models.rewriter import TransformersRewriter

    generator = TransformersRewriter(arguments.model, arguments.temperature, arguments.max_new_tokens, arguments.device)
    main = arguments.cache or arguments.output.with_suffix(".cache.jsonl")
    own = main
    if arguments.shard:
        index, count = arguments.shard
        own = main.with_name(f"{main.stem}.part-{index}-of-{count}{main.suffix}")
        requests = shard_of(requests, generator.identity, arguments.seed, index, count)
        if not requests:
            print(f"part {index} of {count} has no captions to rewrite")
            return
    parts = sorted(main.parent.glob(f"{_escaped(main.stem)}.part-*{_escaped(main.suffix)}"))
    cache = AnswerCache(own, [path for path in [main, *parts] if path != own])
    with _progress() as progress:
        outcomes, figures = rewrite_all(requests, generator, cache, arguments.seed, arguments.batch, arguments.retries, progress)
    if not arguments.shard:
        write_outcomes(arguments.output, requests, outcomes)
    print(json.dumps(figures.to_dict(), indent=2) if arguments.json else figures.text())
    if arguments.shard:
        print(f"answers of part {index} of {count} are kept in {own}; run without --shard to write {arguments.output}", file=sys.stderr)


def write_outcomes(path: Path, requests: list[Request], outcomes: list[Outcome]) -> None:
    """Write the task's lines with what became of them: the whole file or nothing."""
    from elsa_lightning.captions.rewritten import stamp

    rows = []
    for request, outcome in zip(requests, outcomes, strict=True):
        row = request.to_dict() | {"rewrite": outcome.text, "source": "model" if outcome.accepted else "template", "tries": outcome.tries}
        rows.append(row | ({"checked": stamp(request.caption, request.words, outcome.text)} if outcome.accepted else {}))
    _write_lines(path, rows)


def _verify(arguments: argparse.Namespace) -> int:
    from elsa_lightning.captions.rewrite_figures import count_faults, share
    from elsa_lightning.captions.rewrite_request import read_lines
    from elsa_lightning.captions.verify import verify

    lines = read_lines(arguments.file, ("caption", "words", "rewrite"))
    verdicts = [verify(line["caption"], dict(line["words"]), line["rewrite"]) for _, line in lines]
    counts = count_faults(verdicts)
    faulty = [(number, line, verdict) for (number, line), verdict in zip(lines, verdicts, strict=True) if not verdict.ok]
    if arguments.json:
        rows = [
            {"line": number, "id": line.get("id"), "rewrite": line["rewrite"], "faults": [vars(fault) for fault in verdict.faults]}
            for number, line, verdict in faulty
        ]
        print(json.dumps(counts.to_dict() | {"lines": rows}, indent=2, ensure_ascii=False))
    else:
        for number, line, verdict in faulty:
            print(f"line {number}: {'; '.join(map(str, verdict.faults))}\n    {line['rewrite']}")
        print(f"{len(lines)} rewrites checked, {share(counts.faulty, counts.checked)} fail\n{counts.text('rewrites')}")
    return 1 if faulty else 0


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar for each round on a terminal, a line for each round elsewhere."""
    from rich.console import Console
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    tasks: dict[int, Any] = {}
    with Bars(console=console, disable=not console.is_terminal) as bars:

        def show(number: int, done: int, total: int) -> None:
            if number not in tasks:
                tasks[number] = bars.add_task(f"try {number + 1}", total=total)
            bars.update(tasks[number], completed=done)
            if done == total and not console.is_terminal:
                print(f"try {number + 1}: {total} captions", file=sys.stderr)

        yield show


def _escaped(text: str) -> str:
    import glob

    return glob.escape(text)
