"""`elsa model export | graphs | show`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command."""
    group = commands.add_parser("model", help="a trained model as a folder, for Python and for search").add_subparsers(
        required=True, metavar="COMMAND"
    )
    export = group.add_parser(
        "export",
        help="write a finished run's model to a folder (elsa train --export does both)",
        description="Write weights, configuration, tokenizer files and a model card to a folder that needs nothing else: "
        "Elsa.from_pretrained(DIR) opens it.",
    )
    export.add_argument("run", type=Path, metavar="RUN_DIR", help="runs/evaluate/… (with figures in the card) or runs/train/…")
    export.add_argument("out", type=Path, metavar="DIR", help="folder to write; a model that is there is replaced")
    export.set_defaults(command=_export)
    graphs = group.add_parser(
        "graphs",
        help="write a model's towers for other runtimes: ONNX or torch.export",
        description="Write both towers with their features: FOA samples or token ids in, embeddings out. The graphs are run and compared "
        "with the model before the folder appears. docs/export.md says how to use them.",
    )
    graphs.add_argument("model", metavar="MODEL", help="folder of a model, or OWNER/NAME of a hub")
    graphs.add_argument("out", type=Path, metavar="DIR", help="folder to write; graphs that are there are replaced")
    graphs.add_argument("--format", choices=("onnx", "torch"), default="onnx", help="onnx (extra onnx, the default) or torch")
    graphs.set_defaults(command=_graphs)
    show = group.add_parser("show", help="what a model's folder says of itself: its card, or --json for the configuration")
    show.add_argument("folder", type=Path, metavar="DIR")
    show.add_argument("--json", action="store_true", help="print config.json")
    show.set_defaults(command=_show)


def _export(arguments: argparse.Namespace) -> None:
    export_to(arguments.run, arguments.out)


def export_to(run: Path, out: Path) -> None:
    """Export a run and say what came of it."""
    from elsa_lightning.stages.export import export_run

    about = export_run(run, out)
    size = sum(path.stat().st_size for path in out.expanduser().rglob("*") if path.is_file())
    data = about["corpus"]
    print(f"{about['run']} → {out}: {size / 1e6:.1f} MB, trained on {data['name']}{' (synthetic)' if data['synthetic'] else ''}")
    print(f'use it: Elsa.from_pretrained("{out}"), elsa index build FOLDER --model {out} --out INDEX')


def _graphs(arguments: argparse.Namespace) -> None:
    from elsa_lightning.api.elsa import Elsa

    about = Elsa.from_pretrained(arguments.model, device="cpu").export_graphs(arguments.out, arguments.format)
    for name in ("audio", "text"):
        size = (arguments.out.expanduser() / about[name]["file"]).stat().st_size
        print(f"{about[name]['file']}: {size / 1e6:.1f} MB, at most {about[name]['largest_difference']:.1e} off the model")


def _show(arguments: argparse.Namespace) -> None:
    import json

    from elsa_lightning.api.card import card
    from elsa_lightning.api.config_file import read_values

    values = read_values(arguments.folder.expanduser())
    print(json.dumps(values, indent=2, ensure_ascii=False) if arguments.json else card(values))
