"""The page itself: gradio's parts around the functions of `demo.scene` and `demo.pictures`."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np

from elsa_lightning.demo.pictures import Plan, bars, circle
from elsa_lightning.demo.scene import MARGIN_M, Rendered, Room, ears, intensity_direction, location, ranking, render, sound_of
from elsa_lightning.errors import ConfigError, DataError, ElsaError
from elsa_lightning.foley.catalog import CLASSES

CAPTIONS = "a dog barking on the left\na dog barking on the right\nrain in front\na church bell, far away, behind"
_TRUE, _FIELD, _MODEL = "#cd4628", "#7a7a7a", "#286ea0"


def build(model: Any) -> Any:
    """The page as a gradio `Blocks`, which nothing has to be fetched for.

    Args:
        model: an `Elsa`.

    Raises:
        ConfigError: gradio is not installed.
    """
    gradio = _gradio()
    theme = gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"])  # the default theme asks Google for its letters
    room = Room(6.0, 4.5, 2.7, 0.5)
    with gradio.Blocks(title="ELSA: what sounds, and where", analytics_enabled=False) as page:
        gradio.Markdown("# What sounds, and where\nChoose a sound, click a place in the room, listen with headphones.")
        with gradio.Row():
            with gradio.Column():
                label = gradio.Dropdown(list(CLASSES), value="dog" if "dog" in CLASSES else CLASSES[0], label="synthetic sound")
                file = gradio.Audio(type="filepath", sources=["upload"], label="or a recording of yours (mono)")
                sizes = [gradio.Number(value, label=name) for name, value in (("length, m", 6.0), ("width, m", 4.5), ("height, m", 2.7))]
                t30 = gradio.Number(0.5, label="reverberation time, s")
                height = gradio.Number(1.5, label="height of the source, m")
            with gradio.Column():
                plan = gradio.Image(
                    Plan(room.length, room.width).draw(room.microphone, None),
                    label="the room from above: click a place",
                    interactive=False,
                    elem_id="plan",
                    buttons=[],
                )
                heard = gradio.Audio(label="with headphones", elem_id="ears", buttons=[])
            with gradio.Column():
                captions = gradio.Textbox(CAPTIONS, lines=4, label="captions, one a line")
                similarities = gradio.HTML(elem_id="similarities")
                where = gradio.HTML(elem_id="where")
        place = gradio.State(None)
        again = gradio.Button("render")

        def clicked(click, file, label, length, width, tall, t30, height, captions):
            with _said(gradio):
                x, y = Plan(length, width).metres(*click.index)
                place = (x, y)
                return (place, *answer(model, file, label, Room(length, width, tall, t30), (x, y, height), captions))

        def rendered(place, file, label, length, width, tall, t30, height, captions):
            with _said(gradio):
                if place is None:
                    raise DataError("there is no place yet", "click one in the plan")
                return answer(model, file, label, Room(length, width, tall, t30), (*place, height), captions)

        clicked.__annotations__["click"] = gradio.SelectData  # by which gradio knows that it is no input; a name here is out of its sight
        given = [file, label, *sizes, t30, height, captions]
        shown = [plan, heard, similarities, where]
        plan.select(clicked, given, [place, *shown])
        again.click(rendered, [place, *given], shown)
    page.theme_of_page = theme
    return page


def answer(
    model: Any, file: str | None, label: str, room: Room, source: tuple[float, float, float], captions: str
) -> tuple[np.ndarray, tuple[int, np.ndarray], str, str]:
    """All that the page shows of one place: plan, what is heard, captions, directions.

    Raises:
        DataError: a sound, room or place that cannot be.
    """
    low, high = MARGIN_M, room.height - MARGIN_M
    source = (*source[:2], min(max(source[2], low), high))
    rate = model.sample_rate
    rendered = render(sound_of(file, label, 0, rate), rate, room, source)
    picture = Plan(room.length, room.width).draw(room.microphone, source)
    heard = (rate, (ears(rendered) * 32767).astype(np.int16))
    return picture, heard, bars(ranking(model, rendered, captions)), _directions(model, rendered)


def _directions(model: Any, rendered: Rendered) -> str:
    found = [("true", rendered.azimuth_deg, rendered.elevation_deg, _TRUE), ("intensity", *intensity_direction(rendered.foa), _FIELD)]
    located = location(model, rendered)
    if located is not None and located.azimuth_deg is not None:
        found.append(("model", located.azimuth_deg, located.elevation_deg, _MODEL))
    far = f"true distance {rendered.distance_m:.1f} m"
    if located is not None and located.distance_m is not None:
        far += f", by the model {located.distance_m:.1f} m"
    return circle(found) + f"<p>{far}</p>"


def launch(model: Any, port: int | None, host: str = "127.0.0.1", block: bool = True) -> Any:
    """Serve the page on this machine alone, unless `host` says otherwise.

    Raises:
        ConfigError: gradio is not installed, or the port is taken.
    """
    page = build(model)
    try:
        options = {"theme": page.theme_of_page, "share": False, "quiet": True, "prevent_thread_lock": not block, "footer_links": []}
        page.launch(server_name=host, server_port=port, **options)
    except OSError as error:
        raise ConfigError(f"the page cannot be served at port {port} ({error})", "choose another with --port") from error
    return page


def _gradio() -> Any:
    """gradio, which is told before its import to report nothing and to ask no hub."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import gradio
    except ImportError:
        raise ConfigError("the page needs gradio", "pip install 'elsa-lightning[demo,binaural]'") from None
    return gradio


class _said:
    """Turns an `ElsaError` into the message that gradio shows."""

    def __init__(self, gradio: Any) -> None:
        self.gradio = gradio

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, fault: BaseException | None, trace: Any) -> bool:
        if isinstance(fault, ElsaError):
            raise self.gradio.Error(f"{fault.message}: {fault.remedy}" if fault.remedy else fault.message) from fault
        return False
