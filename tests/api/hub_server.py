"""A hub on this machine: as much of its interface as pushing and opening a model takes. Repositories are kept in memory."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments) -> None:
        pass

    def _answer(self, code: int, content: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _json(self, value: object, code: int = 200) -> None:
        self._answer(code, json.dumps(value).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, files = self.path.partition("?")[0], self.server.files
        if self.headers.get("Authorization") != "Bearer hf_test":
            self._json({"error": "who are you?"}, 401)
        elif path == "/api/repos/create":
            asked = json.loads(body)
            name = "/".join(filter(None, (asked.get("organization"), asked["name"])))
            private = asked.get("private") or asked.get("visibility") == "private"  # as versions of the client say it
            self.server.created.append((name, bool(private)))
            files.setdefault(name, {})
            self._json({"url": f"http://{self.headers['Host']}/{name}"})
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            self._json(
                {"files": [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in json.loads(body)["files"]]}
            )
        elif "/commit/" in path:
            name = path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    files[name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            self._json({"commitUrl": f"http://{self.headers['Host']}/{name}/commit/{COMMIT}", "commitOid": COMMIT, "pullRequestUrl": None})
        else:
            self._json({"error": path}, 404)

    def do_GET(self) -> None:
        path, files = self.path.partition("?")[0], self.server.files
        if path.startswith("/api/models/"):
            name, _, rest = path.removeprefix("/api/models/").partition("/revision/")
            name, _, tree = name.partition("/tree/")
            if name not in files:
                self._json({"error": "Repository not found"}, 404)
            elif tree:
                listed = [{"type": "file", "path": one, "size": len(data), "oid": _oid(data)} for one, data in files[name].items()]
                self._json(listed)
            else:
                self._json({"id": name, "modelId": name, "sha": COMMIT, "siblings": [{"rfilename": one} for one in files[name]]})
            return
        name, _, rest = path.lstrip("/").partition("/resolve/")
        content = files.get(name, {}).get(rest.partition("/")[2])
        if content is None:
            self._answer(404, X_Error_Code="EntryNotFound")
        else:
            self._answer(200, content, ETag=f'"{_oid(content)}"', X_Repo_Commit=COMMIT, Content_Type="application/octet-stream")

    do_HEAD = do_GET


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


class FakeHub:
    """Use as a context manager; `url` is its address, `files` name → path → content, `created` what was asked to be made."""

    def __enter__(self) -> FakeHub:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
        self.server.files, self.server.created = {}, []
        self.files, self.created = self.server.files, self.server.created
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *fault: object) -> None:
        self.server.shutdown()
        self.server.server_close()
