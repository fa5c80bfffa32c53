"""The page in a headless Chromium: a click in the plan, and what comes of it; nothing is asked of another machine."""

import asyncio
import shutil
import subprocess

import numpy as np
import pytest

from elsa_lightning.api.answers import Location

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE_S = 90
PLAN = "(() => { const i = document.querySelector('#plan img'); if (!i || !i.naturalWidth) return null;"
PLAN += "const b = i.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
ANSWER = "[document.querySelector('#where')?.innerText, document.querySelector('#similarities')?.innerText]"


class Model:
    """Stands for a model: hears everything at 45° and likes long captions."""

    sample_rate = 16000

    def embed_audio(self, audio):
        return np.ones(1)

    def embed_text(self, lines):
        return np.array([len(line) / 100 for line in lines])

    def similarity(self, audio, text):
        return text

    def locate(self, audio):
        return Location(45.0, 10.0, None, 2.5, None, None, None, 1)


class Browser:
    """A tab, by Chromium's DevTools protocol.

    Attributes:
        addresses: of all requests.
    """

    def __init__(self, socket):
        self.socket, self.sent, self.addresses = socket, 0, []

    async def call(self, method, **parameters):
        self.sent += 1
        await self.socket.send_json({"id": self.sent, "method": method, "params": parameters})
        while True:
            message = await self.socket.receive_json(timeout=PATIENCE_S)
            if message.get("method") == "Network.requestWillBeSent":
                self.addresses.append(message["params"]["request"]["url"])
            if message.get("id") == self.sent:
                return message["result"]

    async def wait_for(self, expression, enough=bool):
        for _ in range(2 * PATIENCE_S):
            found = (await self.call("Runtime.evaluate", expression=expression, returnByValue=True))["result"].get("value")
            if enough(found):
                return found
            await asyncio.sleep(0.5)
        raise AssertionError(f"{expression} is {found!r}")


async def click_in_the_plan(place, address):
    """What the page says after a click a fifth from the left and near the middle, and all addresses that it asked."""
    import aiohttp

    port_file = place / "DevToolsActivePort"
    async with aiohttp.ClientSession() as session:
        for _ in range(2 * PATIENCE_S):
            if port_file.exists() and len(lines := port_file.read_text().split()) == 2:
                break
            await asyncio.sleep(0.5)
        async with session.get(f"http://127.0.0.1:{lines[0]}/json") as answer:
            tabs = await answer.json(content_type=None)
        tab = next(tab for tab in tabs if tab["type"] == "page")
        async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            browser = Browser(socket)
            for domain in ("Network", "Runtime", "Page"):
                await browser.call(f"{domain}.enable")
            await browser.call("Page.navigate", url=address)
            x, y, width, height = await browser.wait_for(PLAN)
            for kind in ("mousePressed", "mouseReleased"):
                at = {"x": x + 0.2 * width, "y": y + 0.45 * height}
                await browser.call("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)
            said = await browser.wait_for(ANSWER, lambda texts: texts and all(texts) and "azimuth" in texts[0])
            await browser.wait_for("!!document.querySelector('#ears audio, #ears #waveform')")
            return said, browser.addresses


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_a_click_is_answered_and_nobody_else_is_asked(tmp_path):
    for extra in ("gradio", "aiohttp"):
        pytest.importorskip(extra)
    from elsa_lightning.demo.page import launch

    page = launch(Model(), None, block=False)
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={tmp_path}"]
    options += ["--disable-background-networking", "--disable-component-update", "--window-size=1280,860", "about:blank"]
    chromium = subprocess.Popen([CHROMIUM, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        (where, captions), addresses = asyncio.run(click_in_the_plan(tmp_path, page.local_url))
    finally:
        chromium.terminate()
        chromium.wait()
        page.close()
    assert "true: azimuth 7" in where and "model: azimuth 45°" in where and "by the model 2.5 m" in where
    assert captions.index("a church bell") < captions.index("a dog barking on the right") < captions.index("rain in front")
    foreign = [one for one in addresses if not one.startswith((page.local_url, "data:", "blob:", "about:"))]
    assert len(addresses) > 3 and not foreign
