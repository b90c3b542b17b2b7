"""Fetching: whatever the server does, the file is there and right, or not there and the error says why."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rs_adapt.downloads import Published, fetch, partial_file
from rs_adapt.errors import DownloadError

DATA = bytes(range(256)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


def published(*urls: str, **facts: Any) -> Published:
    return Published(urls=urls, **facts)


def names(folder: Path) -> list[str]:
    """What lies in a folder, but for the lock."""
    return sorted(one.name for one in folder.iterdir() if one.suffix != ".lock")


@pytest.mark.parametrize("facts", [{}, {"md5": MD5}, {"sha256": SHA256, "size_bytes": len(DATA)}])
def test_file_arrives_whole_and_alone(server: Any, tmp_path: Path, watch: Any, facts: dict[str, Any]) -> None:
    path = tmp_path / "new" / "folder" / "f.zip"
    assert fetch(published(server.put("f.zip", DATA), **facts), path, **watch.arguments())
    assert path.read_bytes() == DATA
    assert names(path.parent) == [path.name]
    assert watch.progress[0] == (0, len(DATA))
    assert watch.progress[-1] == (len(DATA), len(DATA))
    assert not watch.waits
    assert not watch.notes


def test_existing_correct_file_is_not_requested(server: Any, tmp_path: Path) -> None:
    path = tmp_path / "f.zip"
    path.write_bytes(DATA)
    assert not fetch(published(server.put("f.zip", DATA), md5=MD5), path)
    assert server.asked == []


def test_file_that_is_there_and_wrong_stays_until_a_right_one_has_come(server: Any, tmp_path: Path, watch: Any) -> None:
    path = tmp_path / "f.zip"
    path.write_bytes(b"old")
    with pytest.raises(DownloadError):
        fetch(published(f"{server.url}/nothing", md5=MD5), path, **watch.arguments())
    assert path.read_bytes() == b"old"
    assert f"f.zip exists, but its md5 is {hashlib.md5(b'old').hexdigest()}, expected {MD5}" in watch.notes[0]
    assert fetch(published(server.put("f.zip", DATA), md5=MD5), path, **watch.arguments())
    assert path.read_bytes() == DATA


def test_busy_server_is_tried_again_after_the_time_that_it_states(server: Any, tmp_path: Path, watch: Any) -> None:
    busy = {"status": 429, "times": 1, "headers": {"Retry-After": "7"}}
    url = server.put("f", DATA, {"status": 503, "times": 2}, busy, {"status": 500, "times": 1})
    fetch(published(url), tmp_path / "f", **watch.arguments())
    assert watch.waits == [1.0, 2.0, 7.0, 8.0]


def test_no_answer_is_tried_again(tmp_path: Path, watch: Any) -> None:
    # Port 9 of this machine: nothing listens there.
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9/f: ConnectError.*after 5 attempts"):
        fetch(published("http://127.0.0.1:9/f"), tmp_path / "f", **watch.arguments())
    assert watch.waits == [1.0, 2.0, 4.0, 8.0]
    assert names(tmp_path) == []


def test_mirrors_are_tried_in_their_order(server: Any, tmp_path: Path, watch: Any) -> None:
    wrong = server.put("wrong", b"x" * len(DATA))
    page = server.put("page", b"<html>", {"headers": {"Content-Type": "text/html; charset=utf-8"}})
    longer = server.put("longer", DATA + b"x")
    right = server.put("right", DATA)
    urls = (f"{server.url}/nothing", wrong, page, longer, right)
    fetch(published(*urls, md5=MD5, size_bytes=len(DATA)), tmp_path / "f", **watch.arguments())
    assert (tmp_path / "f").read_bytes() == DATA
    assert [path for path, *_ in server.asked] == ["nothing", "wrong", "page", "longer", "right"]
    # None of these gets better by waiting.
    assert watch.waits == []


def test_wrong_bytes_are_removed_and_both_checksums_named(server: Any, tmp_path: Path, watch: Any) -> None:
    wrong = b"x" * len(DATA)
    urls = (server.put("a", wrong), server.put("b", DATA[:-1]), f"{server.url}/c")
    with pytest.raises(DownloadError) as caught:
        fetch(published(*urls, sha256=SHA256, size_bytes=len(DATA)), tmp_path / "f", **watch.arguments())
    text = str(caught.value)
    found = hashlib.sha256(wrong).hexdigest()
    assert f"/a: not the published file: its sha256 is {found}, expected {SHA256}" in text
    assert f"/b: the server's file has {len(DATA) - 1} bytes, expected {len(DATA)}" in text
    assert "/c: HTTP 404" in text
    assert f"put the file at {tmp_path / 'f'}" in text
    assert names(tmp_path) == []
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("size", [len(DATA), None])
def test_full_disk_is_reported_before_anything_is_written(
    server: Any, tmp_path: Path, watch: Any, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=len(DATA) - 1))
    with pytest.raises(DownloadError, match=f"has {len(DATA) - 1} bytes free, and {len(DATA)} are still needed"):
        fetch(published(server.put("f", DATA), size_bytes=size), tmp_path / "f", **watch.arguments())
    assert names(tmp_path) == []
    assert len(server.asked) == (0 if size else 1)
    # What has arrived needs no room any more.
    partial_file(tmp_path / "f").write_bytes(DATA[:1])
    assert fetch(published(server.put("f", DATA), md5=MD5, size_bytes=size), tmp_path / "f", **watch.arguments())


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=rf"Cannot write into {tmp_path / 'file' / 'x'}.*Choose a different folder"):
        fetch(published("http://127.0.0.1:9/f"), tmp_path / "file" / "x" / "f")


def test_second_process_waits_and_fetches_nothing(server: Any, tmp_path: Path, watch: Any) -> None:
    path, started, go_on = tmp_path / "f", threading.Event(), threading.Event()
    url = server.put("f", DATA)

    def hold(_: str) -> None:
        started.set()
        assert go_on.wait(30)

    server.before_body = hold
    code = (
        "import pathlib, sys; from rs_adapt.downloads import Published, fetch; "
        f"fetch(Published(urls=({url!r},)), pathlib.Path({str(path)!r}))"
    )
    other = subprocess.Popen([sys.executable, "-c", code])
    assert started.wait(30)

    def note(text: str) -> None:
        watch.notes.append(text)
        go_on.set()

    # The file is there when the lock is free, so it is not asked for again.
    assert not fetch(published(url), path, on_note=note)
    assert other.wait(30) == 0
    assert watch.notes == ["another process is fetching f; waiting for it"]
    assert len(server.asked) == 1
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/loop"])
def test_a_redirect_leads_to_no_other_kind_of_place(tmp_path: Path, watch: Any, target: str) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        with pytest.raises(DownloadError):
            fetch(published(f"http://127.0.0.1:{web.server_port}/loop"), tmp_path / "f.zip", **watch.arguments())
        web.shutdown()
    assert names(tmp_path) == []
