"""`elsa demo`: the web page."""

from __future__ import annotations

import argparse
from typing import Any


def add(commands: Any) -> None:
    """Add the command."""
    demo = commands.add_parser(
        "demo",
        help="a page on this machine: put a sound into a room, hear it, ask a model about it",
        description="Serve a web page on this machine (extras demo and binaural). Nothing leaves it; no network is needed.",
    )
    demo.add_argument("model", metavar="MODEL", help="folder of a model, or OWNER/NAME of a hub")
    demo.add_argument("--port", type=int, default=7860, help="default: 7860")
    demo.set_defaults(command=_demo)


def _demo(arguments: argparse.Namespace) -> None:
    from elsa_lightning.acoustics.binaural import check_head
    from elsa_lightning.api.elsa import Elsa
    from elsa_lightning.demo.page import launch

    check_head()
    model = Elsa.from_pretrained(arguments.model)
    print(f"http://127.0.0.1:{arguments.port} (Ctrl-C ends it)", flush=True)
    launch(model, arguments.port)
