"""Weights that are not there: quick refusals, and none that hides missing weights."""

from __future__ import annotations

import http.server
import threading

import pytest

from elsa_lightning.errors import DataError
from elsa_lightning.models import pretrained


def absent(name: str, local_files_only: bool):
    assert local_files_only, "no download may be tried when the hub cannot be reached"
    raise OSError("not in the cache")


def test_the_hub_is_not_asked_when_the_local_copy_loads(monkeypatch):
    monkeypatch.setattr(pretrained, "why_unreachable", lambda name: pytest.fail("asked"))
    assert pretrained.load_pretrained(lambda name, local_files_only: (name, local_files_only), "a/b", "k") == ("a/b", True)


def test_an_unreachable_hub_is_found_by_one_request(monkeypatch):
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens
    with pytest.raises(DataError, match=r"(?s)127\.0\.0\.1:9 cannot be reached.*hf download a/b --local-dir weights/b"):
        pretrained.load_pretrained(absent, "a/b", "model.x")


def test_a_name_that_the_hub_does_not_know(monkeypatch):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(404 if "unknown" in self.path else 200)

        def log_message(self, *_):
            pass

    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(DataError, match="answers 404"):
            pretrained.load_pretrained(absent, "a/unknown", "model.x")
        calls = []

        def download(name: str, local_files_only: bool) -> str:
            calls.append(local_files_only)
            if local_files_only:
                raise OSError("not in the cache")
            return name

        assert pretrained.load_pretrained(download, "a/known", "model.x") == "a/known" and calls == [True, False]
        server.shutdown()
