"""A report in TensorBoard: the table as text, every row and seed with its overrides and values as hparams. Imports no torch."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from elsa_lightning.atomic import disk_faults
from elsa_lightning.report_markdown import render


def write_tensorboard(report: dict[str, Any], folder: Path, results: Path | None = None) -> None:
    """Replace what `folder` shows by this report.

    Args:
        report: see `report.collect`.
        folder: below the runs folder, so that `elsa tensorboard` shows it.
        results: where the report's figures lie; None: they are not shown.
    """
    with disk_faults(folder):
        shutil.rmtree(folder, ignore_errors=True)
        drawn = report.get("figures", []) if results else []
        pictures = [results / (one["file"].removesuffix("svg") + "png") for one in drawn]
        _write(folder, [_text(report["table"], render(report)), *(_image(path) for path in pictures if path.exists())])
        for row in (r for r in report["rows"] if r["run"]):
            for seed in (str(s) for s in report["seeds"] if row["states"].get(str(s)) == "done"):
                values = {key: cell["values"][seed] for key, cell in row["cells"].items() if seed in cell["values"]}
                _write(folder / f"{row['id']}.{seed}", [_hparams(report, row, seed), *(_scalar(k, v) for k, v in values.items())])


def _write(folder: Path, summaries: list[Any]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    for summary in summaries:
        writer.add_event(Event(summary=summary, wall_time=time.time(), step=0))
    writer.close()


def _text(tag: str, text: str) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.plugins.text.metadata import create_summary_metadata

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[text.encode()], tensor_shape=shape)
    return Summary(value=[Summary.Value(tag=tag, metadata=create_summary_metadata(tag, ""), tensor=tensor)])


def _image(path: Path) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    content = path.read_bytes()
    width, height = (int.from_bytes(content[start : start + 4]) for start in (16, 20))  # of the PNG's first chunk
    image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=content)
    return Summary(value=[Summary.Value(tag=f"figures/{path.stem}", image=image)])


def _scalar(tag: str, value: float) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value)])


def _hparams(report: dict[str, Any], row: dict[str, Any], seed: str) -> Any:
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb

    runs = [r["overrides"] for r in report["rows"] if r["run"]]
    values = {
        key: _plain(row["overrides"].get(key, "as base"), [one.get(key) for one in runs]) for key in sorted({k for r in runs for k in r})
    }
    return hparams_pb({"row": row["id"], "seed": int(seed), **values}, trial_id=f"{row['id']}.{seed}")


def _plain(value: Any, of_all: list[Any]) -> str | float:
    """A number where every row has one, so that TensorBoard draws an axis of it; else words."""
    return float(value) if all(isinstance(one, int | float) and not isinstance(one, bool) for one in of_all) else str(value)
