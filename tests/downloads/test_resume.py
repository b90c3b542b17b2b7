"""Resuming: what has arrived is used where that is safe, and thrown away where it is not."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.downloads import Published, fetch, partial_file
from rs_adapt.downloads.fetch import MAX_ATTEMPTS
from rs_adapt.errors import DownloadError

DATA = bytes(range(256)) * 40
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


def published(*urls: str, **facts: Any) -> Published:
    return Published(urls=urls, **facts)


def names(folder: Path) -> list[str]:
    """What lies in a folder, but for the lock."""
    return sorted(one.name for one in folder.iterdir() if one.suffix != ".lock")


@pytest.mark.parametrize("length", [None, len(DATA) + 500, -1])
def test_broken_connection_is_resumed_at_the_last_byte(
    server: Any, tmp_path: Path, watch: Any, length: int | None
) -> None:
    url = server.put("f", DATA, {"cut": 1000, "times": 1, "length": length}, {"cut": 2000, "times": 1})
    # A length of 500 bytes too many would be refused if the size was published.
    facts = {"sha256": SHA256} if length and length > 0 else {"sha256": SHA256, "size_bytes": len(DATA)}
    fetch(published(url, **facts), tmp_path / "f", **watch.arguments())
    assert (tmp_path / "f").read_bytes() == DATA
    assert [asked[1] for asked in server.asked] == [None, "bytes=1000-", "bytes=3000-"]
    # Both brought something, so the wait did not grow.
    assert watch.waits == [1.0, 1.0]
    assert "retrying in 1 s, from byte 1000" in watch.notes[0]


def test_part_of_an_earlier_call_is_continued(server: Any, tmp_path: Path, watch: Any) -> None:
    path = tmp_path / "f"
    url = server.put("f", DATA, {"cut": 4000, "times": 1}, {"status": 503, "times": MAX_ATTEMPTS - 1})
    with pytest.raises(DownloadError, match=r"HTTP 503 Service Unavailable \(after 5 attempts\)") as caught:
        fetch(published(url), path, **watch.arguments())
    assert f"4000 bytes are saved in {partial_file(path)}; the same command continues there." in str(caught.value)
    assert not path.exists()
    assert fetch(published(url), path, **watch.arguments())
    assert path.read_bytes() == DATA
    # The server had marked its version, and is asked for the rest of that version only.
    assert server.asked[-1] == ("f", "bytes=4000-", '"v1"')
    assert names(path.parent) == [path.name]


def test_changed_version_is_fetched_from_the_start(server: Any, tmp_path: Path, watch: Any) -> None:
    path, newer = tmp_path / "f", bytes(reversed(DATA))
    server.put("f", DATA, {"cut": 4000, "times": 1}, {"status": 404})
    with pytest.raises(DownloadError):
        fetch(published(f"{server.url}/f"), path, **watch.arguments())
    url = server.put("f", newer, tag='"v2"')
    fetch(published(url), path, **watch.arguments())
    assert path.read_bytes() == newer


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_unmarked_part_is_not_continued_without_checksum(
    server: Any, tmp_path: Path, watch: Any, tag: str | None
) -> None:
    url = server.put("f", DATA, {"cut": 4000, "times": 1}, tag=tag)
    fetch(published(url), tmp_path / "f", **watch.arguments())
    assert (tmp_path / "f").read_bytes() == DATA
    assert [asked[1] for asked in server.asked] == [None, None]


def test_date_marks_the_version_too(server: Any, tmp_path: Path, watch: Any) -> None:
    date = "Tue, 01 Apr 2025 10:00:00 GMT"
    url = server.put("f", DATA, {"cut": 4000, "times": 1, "headers": {"Last-Modified": date}}, tag=None)
    # Our server knows tags only, so it answers with the whole file; what counts here is what it is asked.
    fetch(published(url), tmp_path / "f", **watch.arguments())
    assert server.asked[1] == ("f", "bytes=4000-", date)
    assert (tmp_path / "f").read_bytes() == DATA


def test_server_that_ignores_ranges_starts_cleanly(server: Any, tmp_path: Path, watch: Any) -> None:
    url = server.put("f", DATA, {"cut": 4000, "times": 1})
    server.no_ranges.add("f")
    fetch(published(url, md5=MD5), tmp_path / "f", **watch.arguments())
    assert (tmp_path / "f").read_bytes() == DATA
    assert watch.progress[-1] == (len(DATA), len(DATA))


def test_server_that_always_breaks_at_the_same_byte_is_given_up(server: Any, tmp_path: Path, watch: Any) -> None:
    url = server.put("f", DATA, {"cut": 4000})
    server.no_ranges.add("f")
    with pytest.raises(DownloadError, match="4000 bytes are saved"):
        fetch(published(url), tmp_path / "f", **watch.arguments())
    assert watch.waits == [1.0, 2.0, 4.0, 8.0]


def test_part_that_is_whole_is_recognised(server: Any, tmp_path: Path, watch: Any) -> None:
    path = tmp_path / "f"
    url = server.put("f", DATA, {"length": len(DATA) + 500, "times": 1})
    fetch(published(url, md5=MD5), path, **watch.arguments())
    assert path.read_bytes() == DATA
    assert server.asked[-1][1] == f"bytes={len(DATA)}-"
    # With a published size nothing has to be asked.
    path.replace(partial_file(path))
    assert fetch(published(url, md5=MD5, size_bytes=len(DATA)), path, **watch.arguments())
    assert len(server.asked) == 2


def test_part_from_a_different_mirror_is_continued_by_checksum(server: Any, tmp_path: Path, watch: Any) -> None:
    first = server.put("first", DATA, {"cut": 4000, "times": 1}, {"status": 404})
    second = server.put("second", DATA, tag='"other"')
    fetch(published(first, second, md5=MD5), tmp_path / "f", **watch.arguments())
    assert (tmp_path / "f").read_bytes() == DATA
    assert server.asked[-1] == ("second", "bytes=4000-", None)


def test_wrong_part_is_thrown_away_once(server: Any, tmp_path: Path, watch: Any) -> None:
    path = tmp_path / "f"
    partial_file(path).write_bytes(b"y" * 4000)
    url = server.put("f", DATA)
    fetch(published(url, md5=MD5), path, **watch.arguments())
    assert path.read_bytes() == DATA
    assert [asked[1] for asked in server.asked] == ["bytes=4000-", None]
    assert "starting again" in watch.notes[0]


@pytest.mark.parametrize("note", ["", "[]", "{}", json.dumps({"url": 3})])
def test_damaged_origin_file_is_ignored(server: Any, tmp_path: Path, watch: Any, note: str) -> None:
    path = tmp_path / "f"
    partial_file(path).write_bytes(b"y" * 4000)
    path.with_name("f.part.json").write_text(note)
    fetch(published(server.put("f", DATA)), path, **watch.arguments())
    assert path.read_bytes() == DATA
    assert names(path.parent) == [path.name]


def test_part_that_is_too_long_is_thrown_away(server: Any, tmp_path: Path, watch: Any) -> None:
    path = tmp_path / "f"
    partial_file(path).write_bytes(b"y" * (len(DATA) + 1))
    fetch(published(server.put("f", DATA), size_bytes=len(DATA)), path, **watch.arguments())
    assert path.read_bytes() == DATA
    assert server.asked[0][1] is None


def test_interrupted_part_is_saved(server: Any, tmp_path: Path, watch: Any) -> None:
    path = tmp_path / "f"
    url = server.put("f", DATA, {"cut": 4000, "times": 1})

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(published(url), path, **watch.arguments() | {"sleep": stop})
    assert partial_file(path).read_bytes() == DATA[:4000]
    assert fetch(published(url), path)
    assert server.asked[-1][1] == "bytes=4000-"
