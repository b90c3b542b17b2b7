"""One request: the rest of a file from one address, appended to what is there.

The answers of servers are sorted into three: the file came to its end, the connection broke and may be tried again
(`Broken`), or this address will not do (`Refused`).
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

from rs_adapt.downloads.partial import Partial
from rs_adapt.downloads.published import Published
from rs_adapt.errors import DownloadError
from rs_adapt.progress import OnProgress

if TYPE_CHECKING:
    from httpx2 import Response

# Asked again, these may answer otherwise: request timeout, too early, too many requests, and faults of the server.
_PASSING = {408, 425, 429}


class Broken(Exception):
    """The connection broke or the server is busy; `wait_s` is how long it asks to wait."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Refused(Exception):
    """This address does not have the file."""


def transfer(
    client: httpx2.Client,
    url: str,
    published: Published,
    partial: Partial,
    *,
    on_progress: OnProgress,
) -> None:
    """Get what is missing of a file; when it returns, the part is as long as the server says the file is.

    Args:
        client: Open client that follows redirects.
        url: Address.
        published: Size and checksum, as far as they are known.
        partial: The part that has arrived; continued if that is safe, otherwise fetched from scratch.
        on_progress: Called with the bytes that have arrived and those in all.

    Raises:
        Broken: It may work another time; what arrived is kept.
        Refused: This address will not do.
        DownloadError: The disk is full or cannot be written.
    """
    offset, mark = partial.size, partial.mark(url)
    # Without a checksum, only the same version from the same address can be continued.
    if offset and published.checksum is None and mark is None:
        offset = 0
    # Compressed on the way, the bytes would not be those of the checksum, nor could they be continued.
    headers = {"Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
        if mark is not None:
            headers["If-Range"] = mark
    try:
        with client.stream("GET", url, headers=headers) as response:
            _receive(response, url, offset, published, partial, on_progress=on_progress)
    except (httpx2.UnsupportedProtocol, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
        raise Refused(str(error)) from error
    except httpx2.TransportError as error:
        raise Broken(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from error
    except OSError as error:
        raise DownloadError(
            f"cannot write {partial.file}: {error.strerror}. {partial.size} bytes are saved there; make room or name "
            "another folder, and run the same command again."
        ) from error


def _receive(
    response: Response,
    url: str,
    offset: int,
    published: Published,
    partial: Partial,
    *,
    on_progress: OnProgress,
) -> None:
    if response.status_code == 416:
        if _total(response) == offset:
            # Everything had arrived before the connection broke.
            return
        partial.discard()
        raise Broken("the server has nothing beyond the part that is here; it was removed")
    if response.status_code not in (200, 206):
        reason = f"HTTP {response.status_code} {response.reason_phrase}".strip()
        if response.status_code >= 500 or response.status_code in _PASSING:
            raise Broken(reason, _wait_s(response))
        raise Refused(reason)
    if response.headers.get("content-type", "").startswith("text/html"):
        # Sites answer with a form, a login or an error page under the address of a file.
        raise Refused("a web page came instead of the file; the site may want a login or a form")
    if response.status_code == 206 and _start(response) != offset:
        partial.discard()
        raise Broken("the server sent a different part than the one asked for")
    total = _total(response)
    if total is not None and published.size_bytes not in (None, total):
        raise Refused(f"the file there has {total} bytes, expected {published.size_bytes}")
    if response.status_code == 200:
        # The server ignores ranges, or has another version than the one that was begun.
        offset = 0
    check_space(partial.file.parent, (total or published.size_bytes or offset) - offset)
    partial.remember(url, _mark(response))
    stage = f"downloading {partial.file.stem}"
    with partial.file.open("ab" if offset else "wb") as file:
        on_progress(stage, offset, total)
        # As they come: larger pieces would be lost where the connection breaks.
        for chunk in response.iter_raw():
            file.write(chunk)
            offset += len(chunk)
            on_progress(stage, offset, total)
    if published.size_bytes is not None and offset < published.size_bytes:
        # A server that states no length ends the file by closing the connection, at whatever byte.
        raise Broken(f"the file ended at byte {offset} of {published.size_bytes}")


def check_space(folder: Path, needed_bytes: int) -> None:
    """Check that a file finds room.

    Raises:
        DownloadError: It does not.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise DownloadError(
            f"{folder} has {free} bytes free, and {needed_bytes} are still needed. Make room, or choose a "
            "different folder."
        )


def _total(response: Response) -> int | None:
    """Return the length of the whole file as the server tells it."""
    if "content-range" in response.headers:
        match = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", response.headers["content-range"].strip())
        return int(match[1]) if match else None
    length = response.headers.get("content-length", "")
    return int(length) if response.status_code == 200 and length.isdecimal() else None


def _start(response: Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(match[1]) if match else None


def _mark(response: Response) -> str | None:
    """Return the version's name for a later request: a strong entity tag, else the date of the last change."""
    tag: str | None = response.headers.get("etag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("last-modified")


def _wait_s(response: Response) -> float | None:
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else None
