"""A server on 127.0.0.1 that answers as told: with or without ranges, cut short, refused, wrong."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Place:
    """What lies at a path.

    Args:
        content: of the file.
        ranges: whether parts of it are given.
        length: whether its length is told.
        cuts: after so many bytes of each answer in turn the connection is cut; whole answers follow.
        codes: of the first answers in turn.
        tag: ETag.
        headers: more of them, of answers that refuse.
    """

    content: bytes
    ranges: bool = True
    length: bool = True
    cuts: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    tag: str = '"one"'
    headers: dict[str, str] = field(default_factory=dict)


class Server(http.server.ThreadingHTTPServer):
    """Answers by `places`; `asked` keeps (path, Range) of every request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.places: dict[str, Place] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        with self.server.lock:
            self.server.asked.append((path, self.headers.get("Range")))
            place = self.server.places.get(path)
            code = 404 if place is None else place.codes.pop(0) if place.codes else 200
            cut = place.cuts.pop(0) if place and place.cuts and code == 200 else None
        if code != 200:
            self.send_response(code)
            for name, value in place.headers.items() if place else ():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._give(place, cut)

    def _give(self, place: Place, cut: int | None) -> None:
        start, wanted = 0, self.headers.get("Range")
        if wanted and place.ranges and self.headers.get("If-Range") in (None, place.tag):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(place.content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(place.content) - 1}/{len(place.content)}")
        else:
            self.send_response(200)
        body = place.content[start:]
        if place.tag:
            self.send_header("ETag", place.tag)
        if place.length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        self.close_connection = True


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server for the length of the block."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
