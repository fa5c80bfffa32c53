"""Draw the figures of the documentation from the package itself: `python docs/draw_figures.py [--model models/desk] [NAME …]`.

    axes        conventions
    room        plan, first reflections and decay of one room
    intensity   what the spatial branch reads of a plane wave and of the same sound in that room
    pipeline    the parts of the model
    point       a sound carried around a trained model, which says in words where it is (needs `make model`; the README's picture)

Small SVGs, but PNGs of many cells. Everything is seeded: the same package, model and matplotlib draw the same files.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import matplotlib
import numpy as np
import torch

from elsa_lightning import foley
from elsa_lightning.acoustics.ambisonics import W, angles_from_direction, direction_from_angles, encode
from elsa_lightning.acoustics.convolve import convolve
from elsa_lightning.acoustics.decay import energy_decay_db
from elsa_lightning.acoustics.geometry import SPEED_OF_SOUND
from elsa_lightning.acoustics.placing import place, room_with_t30
from elsa_lightning.config import load_experiment
from elsa_lightning.features import FrontEnd
from elsa_lightning.figures.pipeline import drawing
from elsa_lightning.figures.style import COLOURS, LINES, MARKERS, SETTINGS, new_figure

ROOT = Path(__file__).resolve().parents[1]
OUT = Path(__file__).resolve().parent / "figures"
RATE = 16000
WORDS = {"front": 0, "left": 90, "back": 180, "right": -90}  # degrees, counter-clockwise


def unit(azimuth_deg: float, elevation_deg: float = 0.0) -> torch.Tensor:
    """Direction (3,)."""
    return direction_from_angles(*torch.deg2rad(torch.tensor([float(azimuth_deg), float(elevation_deg)])))


def axes(_: argparse.Namespace) -> dict:
    """Azimuth from above, elevation from the side."""
    figure = new_figure(8, 3.9)
    for axis, (right, up, start, angle, name) in zip(
        figure.subplots(1, 2),
        (("", "x, front", 90, 60, "azimuth, counter-clockwise:\n+90° is left"), ("x, front", "z, up", 0, 35, "elevation, upwards")),
        strict=True,
    ):
        above = right == ""
        for (dx, dy), text in zip(((0, 1), (-1, 0)) if above else ((1, 0), (0, 1)), (up, "y, left") if above else (right, up), strict=True):
            axis.annotate("", (1.1 * dx, 1.1 * dy), (0, 0), arrowprops={"arrowstyle": "-|>", "color": "black"})
            axis.text(1.1 * dx, 1.1 * dy + 0.1, text, ha="center", va="center")
        turn = np.deg2rad(start + np.linspace(0, angle, 40))
        axis.plot(0.5 * np.cos(turn), 0.5 * np.sin(turn), color=COLOURS[0])
        end = np.array([math.cos(turn[-1]), math.sin(turn[-1])])
        axis.annotate("", end, (0, 0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[3], "lw": 1.5})
        axis.plot(*end, "*", color=COLOURS[3], markersize=12)
        middle = np.deg2rad(start + angle / 2)
        axis.text(0.62 * math.cos(middle), 0.62 * math.sin(middle), f"{angle}°", color=COLOURS[0], ha="center", va="center")
        axis.plot(0, 0, "o", color="black")
        axis.set(xlim=(-1.5, 1.5), ylim=(-0.5, 1.4), aspect="equal", title=f"{'from above' if above else 'from the right'}: {name}")
        axis.set_axis_off()
    return {"axes.svg": figure}


def scene():
    """One room of half a second, a source 2 m away, 60° to the left."""
    size, offset = torch.tensor([6.0, 4.0, 2.7]), 2.0 * unit(60, 10)
    microphone = place(size, offset[None], seed=0)
    return room_with_t30(size, microphone, microphone + offset, 0.5, seed=0, rate=RATE)


def room(_: argparse.Namespace) -> dict:
    """Plan, first reflections, decay."""
    placed, rir, labels = scene()
    figure = new_figure(12, 3.4)
    plan, echoes, decay = figure.subplots(1, 3)
    length, width = placed.size[0, :2].tolist()
    plan.plot([0, length, length, 0, 0], [0, 0, width, width, 0], color="black")
    for point, marker, name in ((placed.microphone[0], "o", "microphone"), (placed.source[0], "*", "source")):
        plan.plot(*point[:2], marker, markersize=9, label=name)
    plan.set(aspect="equal", xlabel="x, m", ylabel="y, m", title="plan")
    plan.legend(loc="upper right")
    shown = round(0.05 * RATE)
    level = 20 * torch.log10((rir[0, W].abs() / rir[0, W].abs().max()).clamp_min(1e-3))[:shown]
    echoes.plot(1000 * np.arange(shown) / RATE, level, linewidth=0.6, color=COLOURS[0])
    echoes.axvline(1000 * labels["distance_m"] / SPEED_OF_SOUND, color=COLOURS[3], linewidth=0.8, label="distance / speed of sound")
    echoes.set(xlabel="ms", ylabel="dB", title="direct sound and first reflections (W)")
    echoes.legend(loc="lower right")
    curve = energy_decay_db(rir[:, W])[0][::80]
    decay.plot(80 * np.arange(len(curve)) / RATE, curve, color=COLOURS[0])
    decay.axhspan(-35, -5, alpha=0.15, color=COLOURS[5], label=f"fitted part: T30 = {labels['t30_s']:.2f} s")
    decay.set(xlabel="s", ylabel="dB", ylim=(-65, 2), title="energy still to come (W)")
    decay.legend(loc="upper right")
    return {"room.svg": figure}


def intensity(_: argparse.Namespace) -> dict:
    """Azimuth as hue, diffuse as dark: free field and room."""
    cfg = load_experiment(ROOT / "experiments/elsa.yaml", profile="desk").experiment
    front_end = FrontEnd(cfg.features, RATE)
    mono = torch.from_numpy(foley.draw(seed=0, index=0, split="train", label="dog", sample_rate=RATE, duration_s=2.0).audio)[None]
    figure = new_figure(10, 3.2)
    panels = figure.subplots(1, 2, sharey=True)
    heard = {
        "plane wave from 60° to the left": encode(mono, unit(60, 10)[None]),
        "the same in the room": convolve(mono, scene()[1], mono.shape[1]),
    }
    for axis, (title, foa) in zip(panels, heard.items(), strict=True):
        active = front_end(foa).intensity[0, :3]  # (3, F, K)
        azimuth, _ = angles_from_direction(active.movedim(0, -1))
        hue = matplotlib.colormaps["hsv"](((torch.rad2deg(azimuth) + 180) / 360).numpy())[..., :3]
        axis.imshow((hue * active.norm(dim=0).clamp(0, 1).numpy()[..., None]).transpose(1, 0, 2), origin="lower", aspect="auto")
        axis.set(title=title, xlabel="frame of 20 ms")
    panels[0].set_ylabel("mel band")
    keys = [panels[1].plot([], [], "s", color=matplotlib.colormaps["hsv"]((a + 180) / 360), label=word)[0] for word, a in WORDS.items()]
    figure.legend(handles=keys, loc="outside right center", title="azimuth", frameon=False)
    return {"intensity.png": figure}


def pipeline(_: argparse.Namespace) -> dict:
    """The parts of the model."""
    return {"pipeline.svg": drawing({}, "From ambisonics and text to one space; hatched parts are trained")}


def point(arguments: argparse.Namespace) -> dict:
    """Test sounds at 36 azimuths in a room that no training had; what the words say, and where the head hears them."""
    from elsa_lightning import Audio, Elsa

    model = Elsa.from_pretrained(arguments.model)
    rate, azimuths = model.sample_rate, np.arange(-180, 180, 10)
    size, microphone = torch.tensor([7.0, 5.5, 3.0]), torch.tensor([3.3, 2.6, 1.5])
    rirs = [room_with_t30(size, microphone, microphone + 1.8 * unit(a), 0.4, seed=2, rate=rate)[1] for a in azimuths]
    clips = [foley.draw(0, i, "test", "dog", rate, model.window_s).audio for i in range(6)]
    sounds = [
        Audio(convolve(torch.from_numpy(clip)[None], rir, len(clip))[0].numpy(), rate, "foa_acn_sn3d") for clip in clips for rir in rirs
    ]
    texts = model.embed_text([f"A sound coming from the {word}" for word in WORDS])
    scores = model.similarity(model.embed_audio(sounds), texts).reshape(len(clips), len(azimuths), len(WORDS))
    found = np.array([one.azimuth_deg for one in model.locate(sounds)]).reshape(len(clips), len(azimuths))
    figure = new_figure(9.5, 4.4)
    said, heard = figure.add_subplot(1, 2, 1, projection="polar"), figure.add_subplot(1, 2, 2)
    said.set_theta_zero_location("N")
    said.set_xticks(np.deg2rad([0, 90, 180, 270]), ["front", "left", "back", "right"])
    mean = scores.mean(0)
    for i, word in enumerate(WORDS):
        around = np.append(mean[:, i], mean[0, i])
        angle = np.deg2rad(np.append(azimuths, 180))
        said.plot(
            angle, around, color=COLOURS[i], linestyle=LINES[i], marker=MARKERS[i], markevery=4, markersize=4, label=f"“… from the {word}”"
        )
    said.set_yticklabels([])
    said.set_title("similarity of a barking dog, carried around\nthe microphone, to four sentences")
    said.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2, frameon=False, fontsize=8)
    error = (found - azimuths + 180) % 360 - 180
    heard.plot([-180, 180], [-180, 180], color="0.7", linewidth=1)
    heard.plot(np.tile(azimuths, len(clips)), (azimuths + error).ravel(), ".", color=COLOURS[0], markersize=5)
    ticks = (-180, -90, 0, 90, 180)
    heard.set(xticks=ticks, yticks=ticks, xlabel="true azimuth, °", ylabel="azimuth by the model, °", aspect="equal")
    heard.set_title(f"and where it hears {len(clips)} such sounds: {np.abs(error).mean():.0f}° off on average")
    right = mean.argmax(1) == np.abs((azimuths[:, None] - np.array(list(WORDS.values())) + 180) % 360 - 180).argmin(1)
    print(f"nearest sentence is right at {right.mean():.0%} of the azimuths; azimuth error {np.abs(error).mean():.1f}°")
    about, name = model.parts.about, model.parts.experiment.name
    corpus = about["corpus"]["name"] + (" (synthetic)" if about["corpus"]["synthetic"] else "")
    made = f"{name}, {about['steps']} steps on {corpus}, commit {about['commit']}; sounds and room of the figure are in no training"
    figure.text(0.995, 0.005, made, ha="right", va="bottom", fontsize=6.5, color="0.4")
    return {"point.png": figure}


FIGURES = {"axes": axes, "room": room, "intensity": intensity, "pipeline": pipeline, "point": point}


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(FIGURES)} (default: all)")
    parser.add_argument("--model", type=Path, default=ROOT / "models/desk", help="for `point` (default: models/desk)")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the figures (default: docs/figures)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(SETTINGS):
        for name in arguments.names or FIGURES:
            for file, figure in FIGURES[name](arguments).items():
                svg = file.endswith(".svg")
                meta = {"Date": None, "Creator": None} if svg else {"Software": None}
                figure.savefig(arguments.out / file, metadata=meta, **({} if svg else {"dpi": 110}))
                print(arguments.out / file)


if __name__ == "__main__":
    main()
