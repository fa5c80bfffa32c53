"""The model card, from what config.json holds. Imports no torch."""

from __future__ import annotations

from typing import Any

PAPER = "arXiv 2409.11369"
MINILM = "the text encoder all-MiniLM-L6-v2 is part of the weights (Apache-2.0)"

SHOWN = {
    "localization/doa_mae_deg": ("3-D localisation error", 1, "°"),
    "localization/distance_mae_m": ("distance error", 100, " cm"),
    "zero_shot/direction/balanced_accuracy": ("direction by text (4 classes)", 100, " %"),
    "zero_shot/elevation/balanced_accuracy": ("up or down by text", 100, " %"),
    "zero_shot/distance/balanced_accuracy": ("near or far by text", 100, " %"),
    "zero_shot/area/balanced_accuracy": ("room small or large by text", 100, " %"),
    "zero_shot/reverberation/balanced_accuracy": ("dampened or reverberant by text", 100, " %"),
    "zero_shot/class/balanced_accuracy": ("class by text", 100, " %"),
    "retrieval/r1": ("text to audio and back, R@1", 100, " %"),
    "retrieval/map10": ("retrieval, mAP@10", 100, " %"),
    "captioning/spatial_words_right": ("captions whose words for place are right", 100, " %"),
}
"""Metric → its words, factor and unit."""


def card(values: dict[str, Any]) -> str:
    """README.md of a model's folder.

    Args:
        values: config.json.
    """
    parts = (_head(values), _what(values), USE, _data(values), _figures(values), _limits(values), _made(values))
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(values: dict[str, Any]) -> str:
    """Metadata that the hub reads."""
    tags = ["audio", "spatial-audio", "ambisonics", "text-audio-retrieval", "elsa"]
    return "\n".join(
        ["---", "library_name: elsa-lightning", "license: other", "pipeline_tag: feature-extraction", "tags:"]
        + [f"- {tag}" for tag in tags]
        + ["---"]
    )


def _what(values: dict[str, Any]) -> str:
    cfg = values["experiment"]
    audio, model = cfg["audio"], cfg["model"]
    towers = ", ".join(f"{tower} {model[tower]['name']}" for tower in ("semantic", "spatial", "text"))
    words = " It has a captioner: `model.caption`." if values.get("captioner") else ""
    return (
        f"# {cfg['name']}: text and first-order ambisonic audio in one space\n\n"
        f"A model after ELSA ({PAPER}), trained with elsa-lightning {values['package_version']}; an independent implementation, not the "
        f"authors' model.\n\nIt hears {audio['clip_s']:g} s at {audio['sample_rate']} Hz (longer sounds in windows, other rates resampled) "
        f"and gives {model['embedding']} numbers. Parts: {towers}.{words}"
    )


USE = """## Use

```python
from elsa_lightning import Elsa

model = Elsa.from_pretrained("FOLDER_OR_HUB_NAME")
audio = model.embed_audio(["recording.wav"])  # four channels W Y Z X, SN3D
text = model.embed_text(["a dog barking on the left"])
print(model.similarity(audio, text))
print(model.locate("recording.wav"))
```

Azimuth counts counter-clockwise: +90° is left. FuMa and N3D are converted (`layout=`)."""


def _data(values: dict[str, Any]) -> str:
    corpus = values["about"].get("corpus", {})
    rooms = values["experiment"]["rooms"]
    if not corpus:
        return "## Data and licences\n\nNothing is recorded of the data that it was trained on."
    synthetic = "**synthetic sounds**, made by the package itself" if corpus.get("synthetic") else "recordings"
    lines = [
        f"- sounds: `{corpus['name']}` ({synthetic}), content {corpus['content_hash']}",
        f"- licence of the sounds: {corpus.get('licence') or 'not stated by the corpus'}",
        f"- rooms: {rooms['train']} {'simulated' if not rooms['measured']['share'] else 'simulated and measured'} ones, {rooms['mode']}",
        "- code: Apache-2.0; the weights are a work of whoever trained them: the licence of the sounds may bind their use",
    ]
    if values["experiment"]["model"]["text"]["name"] == "minilm":
        lines.append(f"- {MINILM}")
    lines += [f"- weights that training began with: {name}" for name in values["about"].get("started_from", [])]
    return "## Data and licences\n\n" + "\n".join(lines)


def _figures(values: dict[str, Any]) -> str:
    about = values["about"]
    found = about.get("metrics")
    if not found:
        return "## Figures\n\nIt was exported without an evaluation."
    gallery = about.get("gallery", {})
    rows = [f"| {words} | {factor * found[key]:.1f}{unit} |" for key, (words, factor, unit) in SHOWN.items() if key in found]
    where = (
        f"On the corpus' test clips in test rooms: {gallery['clips']} clips, {gallery['test examples']} examples.\n\n" if gallery else ""
    )
    probes = "\n\nLocalisation and distance are read off frozen embeddings by probes; `locate` uses the model's own heads."
    return "## Figures\n\n" + where + "| figure | |\n| --- | --- |\n" + "\n".join(rows) + probes


def _limits(values: dict[str, Any]) -> str:
    cfg, lines = values["experiment"], []
    if values["about"].get("corpus", {}).get("synthetic"):
        lines.append("trained on synthetic sounds: its figures say nothing about recordings")
    if not cfg["data"]["mono_share"]:
        lines.append("no mono sound was among the training examples: what it says of one is a guess")
    else:
        lines.append("a mono sound has no place: `locate` refuses it")
    untrained = [name for name in ("direction", "distance", "area") if not cfg["loss"][name]["weight"]]
    if untrained:
        lines.append(f"the heads of {', '.join(untrained)} are untrained: `locate` does not give them")
    if not cfg["rooms"]["measured"]["share"]:
        lines.append("all rooms were simulated shoeboxes with one source at rest")
    ranges = cfg["rooms"]["ranges"]
    trained = [f"distances {_span(ranges['distance_m'])} m", f"elevations {_span(ranges['elevation_deg'])}°"]
    trained += [f"floors {_span(ranges['floor_area_m2'])} m²"]
    lines.append(f"trained on {', '.join(trained)}; beyond, it extrapolates")
    lines.append("English captions; words for place as in `elsa_lightning.captions`")
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _span(pair: list[float]) -> str:
    return f"{pair[0]:g} to {pair[1]:g}"


def _made(values: dict[str, Any]) -> str:
    about = values["about"]
    facts = {key: about[key] for key in ("commit", "steps", "seed", "train_seconds", "hardware", "run") if about.get(key) not in (None, "")}
    if not facts:
        return ""
    return "## How it was made\n\n" + "\n".join(f"- {key.replace('_', ' ')}: {value}" for key, value in facts.items())
