"""One file against a local server: whole, resumed, without ranges, cut, refused, wrong, another version; killed at counted points."""

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from elsa_lightning.data.download import fetch as module
from elsa_lightning.data.download.fetch import Line, Refused, Stopped, fetch, part_of, read_url
from elsa_lightning.data.download.types import RemoteFile, mirrored, zenodo
from elsa_lightning.errors import DataError, RunError

from .server import Place

CONTENT = random.Random(0).randbytes(1_000_000)


@pytest.fixture
def file(server):
    server.places["/file"] = Place(CONTENT)
    return RemoteFile("file", f"{server.url}/file", len(CONTENT), f"md5:{hashlib.md5(CONTENT).hexdigest()}")


def unknown(file):
    """Nothing is known but the address."""
    return RemoteFile(file.path, file.url)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("known", [True, False])
def test_a_fresh_file_comes_whole_and_leaves_nothing_else(server, file, tmp_path, line, known):
    came = []
    fetch(file if known else unknown(file), tmp_path / "sub" / "file", line, came.append)
    assert (tmp_path / "sub" / "file").read_bytes() == CONTENT and names(tmp_path / "sub") == ["file"]
    assert came == sorted(came) and came[-1] == len(CONTENT) and server.asked == [("/file", None)]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("length", [True, False])
def test_a_cut_connection_is_taken_up_where_it_broke(server, file, tmp_path, line, pauses, known, length):
    if not (known or length):
        pytest.skip("without any length a cut looks like the end: nobody can tell")
    server.places["/file"].cuts, server.places["/file"].length = [300_000, 1, 400_000], length
    fetch(file if known else unknown(file), tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.asked == [("/file", f"bytes={n}-" if n else None) for n in (0, 300_000, 300_001, 700_001)]
    assert pauses == [1.0, 1.0, 1.0]  # each brought something: no growing pauses


def test_a_server_without_ranges_is_asked_from_the_start_again(server, file, tmp_path, line):
    server.places["/file"].ranges, server.places["/file"].cuts = False, [300_000, 600_000]
    fetch(file, tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == CONTENT and len(server.asked) == 3


def test_content_that_is_always_cut_short_ends_in_an_error_and_is_kept(server, file, tmp_path, line, pauses):
    server.places["/file"].ranges, server.places["/file"].cuts = False, [300_000] * 9
    with pytest.raises(RunError, match=r"/file: the connection was cut at 300000 of 1000000 bytes \(4 tries\)") as fault:
        fetch(file, tmp_path / "file", line)
    assert "kept" in fault.value.remedy and part_of(tmp_path / "file").read_bytes() == CONTENT[:300_000]
    assert pauses == [1.0, 2.0, 4.0] and not (tmp_path / "file").exists()


def test_a_later_call_goes_on_with_what_has_come(server, file, tmp_path, line):
    part_of(tmp_path / "file").write_bytes(CONTENT[:123_456])
    fetch(file, tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == CONTENT and server.asked == [("/file", "bytes=123456-")]
    part_of(tmp_path / "file").write_bytes(CONTENT)  # killed after the last byte, before the name was changed
    fetch(file, tmp_path / "file", line)
    assert len(server.asked) == 1 and names(tmp_path) == ["file"]


def test_what_nothing_vouches_for_is_not_gone_on_with(server, file, tmp_path, line):
    part_of(tmp_path / "file").write_bytes(b"?" * 1000)
    fetch(unknown(file), tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == CONTENT and server.asked == [("/file", None)]


def test_another_version_is_not_sewn_to_the_old_one(server, file, tmp_path, line):
    server.places["/file"].cuts = [300_000]
    with pytest.raises(RunError):
        fetch(unknown(file), tmp_path / "file", Line(tries=1))
    new = CONTENT[::-1]
    server.places["/file"] = Place(new, tag='"two"')
    fetch(unknown(file), tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == new and server.asked[-1] == ("/file", "bytes=300000-")


def test_a_part_longer_than_the_file_is_begun_anew(server, file, tmp_path, line):
    part_of(tmp_path / "file").write_bytes(CONTENT + b"more")
    fetch(file, tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_shorter_new_version_of_unknown_length_is_begun_anew(server, file, tmp_path, line):
    server.places["/file"].cuts = [300_000]
    with pytest.raises(RunError):
        fetch(unknown(file), tmp_path / "file", Line(tries=1))
    server.places["/file"] = Place(CONTENT[:200_000])  # the same tag: a careless server
    fetch(unknown(file), tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == CONTENT[:200_000]


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_a_wrong_checksum_is_an_error_that_keeps_the_file_aside(server, file, tmp_path, line, kind):
    right, wrong = (f"{kind}:{hashlib.new(kind, data).hexdigest()}" for data in (CONTENT, b"other"))
    with pytest.raises(DataError, match=r"/file gave .*, not .* \(kept as .*file\.bad\)") as fault:
        fetch(RemoteFile("file", file.url, None, wrong), tmp_path / "file", line)
    assert right in fault.value.message and wrong in fault.value.message and "run this again" in fault.value.remedy
    assert (tmp_path / "file.bad").read_bytes() == CONTENT and not (tmp_path / "file").exists() and not part_of(tmp_path / "file").exists()
    fetch(RemoteFile("file", file.url, None, right), tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_another_size_than_known_is_an_error_before_anything_comes(server, file, tmp_path, line):
    with pytest.raises(DataError, match="has 1000000 bytes there, not 999"):
        fetch(RemoteFile("file", file.url, 999), tmp_path / "file", line)
    assert not names(tmp_path)
    server.places["/file"].length = False
    with pytest.raises(DataError, match="gave 1000000 bytes, not 999"):
        fetch(RemoteFile("file", file.url, 999), tmp_path / "file", line)


def test_a_page_in_the_place_of_a_zip_is_an_error(server, tmp_path, line):
    server.places["/a.zip"] = Place(b"<html>please log in</html>")
    with pytest.raises(DataError, match=r"no zip.*a\.zip\.bad"):
        fetch(RemoteFile("a.zip", f"{server.url}/a.zip"), tmp_path / "a.zip", line)


@pytest.mark.parametrize(("code", "words"), [(404, "look at its page"), (403, "does not give it")])
def test_a_refusal_is_told_at_once_with_address_and_remedy(server, file, tmp_path, line, pauses, code, words):
    server.places["/file"].codes = [code]
    with pytest.raises(Refused, match=rf"127\.0\.0\.1.*/file: the server answers {code}") as fault:
        fetch(file, tmp_path / "file", line)
    assert words in fault.value.remedy and "--mirror" in fault.value.remedy and len(server.asked) == 1 and not pauses


def test_a_busy_server_is_asked_again_after_growing_pauses_or_as_it_says(server, file, tmp_path, line, pauses):
    server.places["/file"].codes = [503, 502, 429]
    fetch(file, tmp_path / "file", line)
    assert (tmp_path / "file").read_bytes() == CONTENT and pauses == [1.0, 2.0, 4.0]
    server.places["/file"].codes, server.places["/file"].headers = [503, 503], {"Retry-After": "7"}
    assert read_url(file.url, line) == CONTENT and pauses[3:] == [7.0, 7.0]
    server.places["/file"].codes, server.places["/file"].headers = [503] * 9, {"Retry-After": "9999"}
    with pytest.raises(RunError, match=r"answers 503 .*\(4 tries\)"):
        fetch(file, tmp_path / "again", line)
    assert pauses[5:] == [120.0] * 3


def test_nobody_there_is_one_clear_error(server, tmp_path, line):
    server.shutdown()
    server.server_close()
    with pytest.raises(RunError, match=r"/file: .*refused.* \(4 tries\)") as fault:
        fetch(RemoteFile("file", f"{server.url}/file"), tmp_path / "file", line)
    assert "https_proxy" in fault.value.remedy


def test_a_full_disk_is_named(file, tmp_path, line, monkeypatch):
    def full(size):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RunError, match=r"file\.part cannot be written: no space left"):
        fetch(file, tmp_path / "file", line, full)


def test_stopping_keeps_what_has_come(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 1000)
    stop = threading.Event()
    with pytest.raises(Stopped):
        fetch(file, tmp_path / "file", Line(stop=stop), lambda size: stop.set() if size > 50_000 else None)
    kept = part_of(tmp_path / "file").read_bytes()
    assert 50_000 < len(kept) < 60_000 and CONTENT.startswith(kept)


def test_ten_kills_at_counted_bytes_lose_nothing_that_was_written(server, file, tmp_path):
    """The child kills itself once so many bytes are there; the next one asks for the rest."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from elsa_lightning.data.download import fetch as module; from elsa_lightning.data.download.types import RemoteFile\n"
        "module.CHUNK = 4096\n"
        "url, checksum, target, at = sys.argv[1:]\n"
        "file = RemoteFile('file', url, None, checksum)\n"
        "module.fetch(file, Path(target), module.Line(), lambda size: os.kill(os.getpid(), signal.SIGKILL) if size >= int(at) else None)"
    )
    moments, at, before = random.Random(3), 0, 0
    for _ in range(10):
        at += moments.randrange(1, 100_000)
        done = subprocess.run(
            [sys.executable, "-c", code, file.url, file.checksum, str(tmp_path / "file"), str(at)], timeout=60, check=False
        )
        assert done.returncode == -signal.SIGKILL
        kept = part_of(tmp_path / "file").read_bytes()
        assert at <= len(kept) < at + 4096 and CONTENT.startswith(kept)
        assert server.asked[-1][1] == (f"bytes={before}-" if before else None)
        at = before = len(kept)
    fetch(file, tmp_path / "file", Line())
    assert (tmp_path / "file").read_bytes() == CONTENT and server.asked[-1][1] == f"bytes={at}-"


def test_addresses_and_mirrors():
    file = zenodo(12, "sub/a b.zip", 3, "ff")
    assert (file.path, file.url, file.checksum) == ("sub/a b.zip", "https://zenodo.org/records/12/files/a%20b.zip?download=1", "md5:ff")
    assert mirrored(file.url, "http://here/x/") == "http://here/x/records/12/files/a%20b.zip?download=1" and mirrored("u", "") == "u"
    assert Path(file.path).name == "a b.zip"
