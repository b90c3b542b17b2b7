"""One request: the rest of a file from one address, appended to its part.

There are three outcomes: the file is complete, the connection broke and may be tried again (`Broken`), or the address
cannot deliver the file (`Refused`).
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

# Worth another attempt: request timeout, too early, too many requests.
_TEMPORARY = {408, 425, 429}


class Broken(Exception):
    """The connection broke or the server is busy; `wait_s` is the wait that the server asks for."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Refused(Exception):
    """The address cannot deliver the file."""


def transfer(
    client: httpx2.Client,
    url: str,
    published: Published,
    partial: Partial,
    *,
    on_progress: OnProgress,
) -> None:
    """Fetch the missing bytes of a file; afterwards the part is as long as the server says the file is.

    Args:
        client: Open client that follows redirects.
        url: Address.
        published: Size and checksum, as far as they are known.
        partial: The part that has arrived; continued if that is safe, otherwise fetched from scratch.
        on_progress: Called with the stage, the bytes that have arrived, and the bytes in all.

    Raises:
        Broken: A further attempt may succeed; the bytes that arrived are saved.
        Refused: The address cannot deliver the file.
        DownloadError: The disk is full or cannot be written.
    """
    offset, mark = partial.size, partial.mark(url)
    # Without a checksum, only the same version from the same address can be continued.
    if offset and published.checksum is None and mark is None:
        offset = 0
    # Compressed bytes would not match the checksum, and could not be continued.
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
            f"Cannot write {partial.file}: {error.strerror}. {partial.size} bytes are saved there; free some space or "
            "choose a different folder, and run the same command again."
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
        if _total_bytes(response) == offset:
            # Everything had arrived before the connection broke.
            return
        partial.discard()
        raise Broken("the server has no bytes after the part that was saved; the part was removed")
    if response.status_code not in (200, 206):
        reason = f"HTTP {response.status_code} {response.reason_phrase}".strip()
        if response.status_code >= 500 or response.status_code in _TEMPORARY:
            raise Broken(reason, _wait_s(response))
        raise Refused(reason)
    if response.headers.get("content-type", "").startswith("text/html"):
        # Sites answer with a form, a login or an error page instead of a file.
        raise Refused("the server sent a web page instead of the file; the site may require a login or a form")
    if response.status_code == 206 and _range_start(response) != offset:
        partial.discard()
        raise Broken("the server sent a different part than the requested one")
    total = _total_bytes(response)
    if total is not None and published.size_bytes not in (None, total):
        raise Refused(f"the server's file has {total} bytes, expected {published.size_bytes}")
    if response.status_code == 200:
        # The server ignores ranges, or has a different version from the one that was begun.
        offset = 0
    check_space(partial.file.parent, (total or published.size_bytes or offset) - offset)
    partial.remember(url, _version_mark(response))
    stage = f"downloading {partial.file.stem}"
    with partial.file.open("ab" if offset else "wb") as file:
        on_progress(stage, offset, total)
        # As they arrive: larger pieces would be lost where the connection breaks.
        for chunk in response.iter_raw():
            file.write(chunk)
            offset += len(chunk)
            on_progress(stage, offset, total)
    if published.size_bytes is not None and offset < published.size_bytes:
        # Without a length, a connection that breaks looks like the end of the file.
        raise Broken(f"the file ended at byte {offset} of {published.size_bytes}")


def check_space(folder: Path, needed_bytes: int) -> None:
    """Check that there is enough space for a file.

    Raises:
        DownloadError: There is not.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes > free:
        raise DownloadError(
            f"{folder} has {free} bytes free, and {needed_bytes} are still needed. Free some space, or choose a "
            "different folder."
        )


def _total_bytes(response: Response) -> int | None:
    """Return the length of the whole file that the server states."""
    if "content-range" in response.headers:
        match = re.fullmatch(r"bytes (?:\d+-\d+|\*)/(\d+)", response.headers["content-range"].strip())
        return int(match[1]) if match else None
    length = response.headers.get("content-length", "")
    return int(length) if response.status_code == 200 and length.isdecimal() else None


def _range_start(response: Response) -> int | None:
    match = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(match[1]) if match else None


def _version_mark(response: Response) -> str | None:
    """Return the mark of the version for a later request: a strong entity tag, else the date of the last change."""
    tag: str | None = response.headers.get("etag")
    return tag if tag and not tag.startswith("W/") else response.headers.get("last-modified")


def _wait_s(response: Response) -> float | None:
    seconds = response.headers.get("retry-after", "")
    return float(seconds) if seconds.isdecimal() else None
