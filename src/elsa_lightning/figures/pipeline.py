"""The model as a drawing: from ambisonics and text to one space (the paper's figure of the model), with the sizes that were counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from elsa_lightning.figures.sources import Sources
from elsa_lightning.figures.style import new_figure

AUDIO, TEXT, SHARED = "#D6E6F2", "#FBE9C6", "#D5EBE1"
"""Light tints of Okabe and Ito's blue, orange and green: black text on them is readable in print."""

BOXES = {
    "foa": (0.0, 2.6, "first-order ambisonics\nW, Y, Z, X", AUDIO, ""),
    "mel": (2.2, 3.5, "log-mel of W", AUDIO, ""),
    "intensity": (2.2, 1.7, "active and reactive\nintensity", AUDIO, ""),
    "semantic": (4.4, 3.5, "semantic branch", AUDIO, "//"),
    "spatial": (4.4, 1.7, "spatial attributes\nbranch", AUDIO, "//"),
    "fusion": (6.6, 2.6, "fusion, two layers", SHARED, "//"),
    "caption": (0.0, 0.2, "spatial caption", TEXT, ""),
    "text": (2.2, 0.2, "text tower", TEXT, "//"),
    "text_projection": (4.4, 0.2, "projection, two layers", TEXT, "//"),
    "audio_embedding": (8.8, 2.6, "audio embedding", SHARED, ""),
    "text_embedding": (6.6, 0.2, "text embedding", SHARED, ""),
    "heads": (11.0, 3.5, "heads: direction,\ndistance, floor area", SHARED, "//"),
    "contrast": (11.0, 1.4, "contrastive loss", SHARED, ""),
}
"""Box → its lower left corner, text, tint, and a hatched edge for parts that are trained."""

ARROWS = (
    *(("foa", "mel"), ("foa", "intensity"), ("mel", "semantic"), ("intensity", "spatial"), ("semantic", "fusion"), ("spatial", "fusion")),
    *(("fusion", "audio_embedding"), ("audio_embedding", "heads"), ("audio_embedding", "contrast")),
    *(("caption", "text"), ("text", "text_projection"), ("text_projection", "text_embedding"), ("text_embedding", "contrast")),
)
WIDTH, HEIGHT = 1.8, 0.85


def draw(sources: Sources) -> Iterator[tuple[str, str, Any]]:
    """One figure for each size that the report counts: the paper's, and that of the profile."""
    for size, title in (("paper", "at the paper's size"), ("here", f"in the profile {sources.report['profile']}")):
        counted = _sizes(sources.report, size)
        if counted:
            yield size, f"The pipeline, {title}; hatched parts are trained", drawing(counted, title)


def _sizes(report: dict[str, Any], size: str) -> dict[str, str]:
    """Part → its parameters and width in words; empty before they are measured."""
    found = {}
    scale = {column["key"]: column["scale"] for column in report["columns"]}
    for row in report["rows"]:
        cells = [row["cells"].get(f"{size}_{name}", {}).get("mean") for name in ("parameters", "width")]
        if row["id"] in BOXES and None not in cells:
            parameters = cells[0] / scale[f"{size}_parameters"]
            found[row["id"]] = f"{_short(parameters)} → {cells[1]:.0f}"
    return found


def _short(count: float) -> str:
    for limit, word in ((1e6, "M"), (1e3, "k")):
        if count >= limit:
            return f"{count / limit:.3g} {word}"
    return f"{count:.0f}"


def drawing(sizes: dict[str, str], title: str) -> Any:
    """The boxes and arrows.

    Args:
        sizes: box → its parameters and width in words; empty: none are shown.
        title: what the sizes are of.
    """
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    figure = new_figure(13, 4.8)
    axis = figure.subplots()
    for x, y, _, tint, hatch in BOXES.values():
        style = {"boxstyle": "round,pad=0.02,rounding_size=0.08", "facecolor": tint, "edgecolor": "black"}
        axis.add_patch(FancyBboxPatch((x, y), WIDTH, HEIGHT, linewidth=1.0, **style))
        if hatch:  # a hatched strip: the text stays readable
            axis.add_patch(FancyBboxPatch((x, y), 0.12, HEIGHT, hatch="////", linewidth=0.6, **style))
    for name, (x, y, text, _, _) in BOXES.items():
        axis.text(
            x + WIDTH / 2 + 0.04, y + HEIGHT / 2, text + (f"\n{sizes[name]}" if name in sizes else ""), ha="center", va="center", fontsize=8
        )
    for start, end in ARROWS:
        (x0, y0), (x1, y1) = BOXES[start][:2], BOXES[end][:2]
        ends = ((x0 + WIDTH, y0 + HEIGHT / 2), (x1, y1 + HEIGHT / 2))
        axis.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=12, shrinkA=1, shrinkB=1, color="black", linewidth=1))
    axis.set(xlim=(-0.2, 13.0), ylim=(-0.1, 4.6), title=f"ELSA, {title}: parameters → width of the output" if sizes else title)
    axis.set_axis_off()
    return figure
