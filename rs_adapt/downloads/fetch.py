"""Fetch a published file to a path: complete and verified, or not at all.

Why not `pooch`, which fetches data files in many scientific packages: it verifies and retries, but 1.9.0 has neither
resumption of a partial file (its downloader always begins at the first byte) nor mirrors, and files here are gigabytes.
So HTTP itself (redirects, proxies of the environment, certificates, time limits) is left to `httpx2`, on which
huggingface_hub and thereby transformers depend already. This package adds `transfer` (one request), `partial` (the
bytes that have arrived) and the order of attempts below.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2

from rs_adapt import __version__
from rs_adapt.downloads.partial import Partial
from rs_adapt.downloads.published import Published
from rs_adapt.downloads.transfer import Broken, Refused, check_space, transfer
from rs_adapt.errors import DownloadError
from rs_adapt.locks import exclusive
from rs_adapt.progress import OnProgress, no_progress

# Attempts at one address without a new byte.
MAX_ATTEMPTS = 5
MAX_WAIT_S = 60.0
_CONNECT_S, _READ_S = 20.0, 60.0


def partial_file(path: Path) -> Path:
    """Return the path of the part of a file that has arrived so far."""
    return Partial(path).file


def fetch(
    published: Published,
    path: Path,
    *,
    on_progress: OnProgress = no_progress,
    on_note: Callable[[str], None] = lambda text: None,
    sleep: Callable[[float], object] = time.sleep,
) -> bool:
    """Get a file to `path`, unless it is there already with the published size and checksum.

    Addresses are tried in their order. After a broken connection, a time-out or an error of the server, the address is
    tried again after a growing wait, from the last byte. The file is verified before it gets its name; wrong bytes are
    removed. A file at `path` that is not the published one is replaced only when the published one has arrived. An
    interrupted download leaves its part (`partial_file`), and the next call continues it. A second process waits for
    the first; the empty file `.NAME.lock`, its lock, remains.

    Args:
        published: Addresses, size and checksum.
        path: Destination; missing folders are created.
        on_progress: Called with the bytes that have arrived and those in all.
        on_note: Called with one sentence about each event of interest while waiting.
        sleep: Waits that many seconds.

    Returns:
        Whether the file was fetched; False if it was there already.

    Raises:
        DownloadError: No address has the file, or there is not enough space or no permission to write it.
    """
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            note = f"another process is fetching {path.name}; waiting for it"
            lock = exclusive(path.with_name(f".{path.name}.lock"), on_wait=lambda: on_note(note))
            stack.enter_context(lock)
        except OSError as error:
            raise DownloadError(
                f"Cannot write into {path.parent}: {error.strerror}. Choose a different folder."
            ) from error
        if path.exists():
            fault = published.fault(path)
            if fault is None:
                return False
            on_note(f"{path.name} exists, but {fault}: fetching it again")
        partial = Partial(path)
        if published.size_bytes is not None:
            if partial.size > published.size_bytes:
                partial.discard()
            check_space(path.parent, published.size_bytes - partial.size)
        headers = {"User-Agent": f"rs-adapt/{__version__}"}
        limits = httpx2.Timeout(_READ_S, connect=_CONNECT_S)
        with httpx2.Client(follow_redirects=True, timeout=limits, headers=headers) as client:
            _Download(
                client=client,
                published=published,
                partial=partial,
                on_progress=on_progress,
                on_note=on_note,
                sleep=sleep,
            ).run(path)
        return True


@dataclass(frozen=True, kw_only=True)
class _Download:
    client: httpx2.Client
    published: Published
    partial: Partial
    on_progress: OnProgress
    on_note: Callable[[str], None]
    sleep: Callable[[float], object]

    def run(self, path: Path) -> None:
        """Try the addresses in their order until the file has arrived.

        Raises:
            DownloadError: All addresses fail; the message has the reason of each.
        """
        failures: list[str] = []
        for url in self.published.urls:
            reason = self._fetch_verified(url)
            if reason is None:
                self.partial.finish(path)
                return
            failures.append(f"  {url}: {reason}")
            self.on_note(failures[-1].strip())
        arrived = self.partial.size
        resume = (
            f" {arrived} bytes are saved in {self.partial.file}; the same command continues there." if arrived else ""
        )
        advice = f"Try again later, or put the file at {path}.{resume}"
        raise DownloadError("\n".join([f"cannot get {path.name}:", *failures, advice]))

    def _fetch_verified(self, url: str) -> str | None:
        """Fetch the file from one address and verify it; return the reason of a failure, or None."""
        was_begun = self.partial.size > 0
        reason = self._fetch_complete(url)
        if reason is not None or (fault := self.published.fault(self.partial.file)) is None:
            return reason
        self.partial.discard()
        if was_begun:
            # The part that was there may come from a different version or mirror.
            self.on_note(f"{url}: {fault}; starting again")
            return self._fetch_verified(url)
        return f"not the published file: {fault}"

    def _fetch_complete(self, url: str) -> str | None:
        """Try one address until the part is as long as the file; return the reason of a failure, or None."""
        attempt, farthest = 0, self.partial.size
        while self.published.size_bytes is None or self.partial.size != self.published.size_bytes:
            try:
                transfer(self.client, url, self.published, self.partial, on_progress=self.on_progress)
                return None
            except Refused as error:
                return str(error)
            except Broken as error:
                # A connection that breaks often but delivers bytes each time is slow, not dead.
                attempt = 1 if self.partial.size > farthest else attempt + 1
                farthest = max(farthest, self.partial.size)
                if attempt >= MAX_ATTEMPTS:
                    return f"{error} (after {attempt} attempts)"
                wait_s = min(error.wait_s if error.wait_s is not None else 2.0 ** (attempt - 1), MAX_WAIT_S)
                self.on_note(f"{url}: {error}; retrying in {wait_s:g} s, from byte {self.partial.size}")
                self.sleep(wait_s)
        return None
