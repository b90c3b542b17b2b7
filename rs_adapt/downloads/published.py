"""The published facts of a file: addresses, size and checksums."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published file. `urls` are tried in their order; unpublished facts are None."""

    urls: tuple[str, ...] = ()
    size_bytes: int | None = None
    md5: str | None = None
    sha256: str | None = None

    @property
    def checksum(self) -> tuple[str, str] | None:
        """Name and hex digits of the checksum, the stronger one where there are two."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None

    def fault(self, path: Path) -> str | None:
        """Return how a file differs from the published one; None where it does not, or nothing is published.

        Raises:
            OSError: The file cannot be read.
        """
        if self.size_bytes is not None and (size := path.stat().st_size) != self.size_bytes:
            return f"its size is {size} bytes, expected {self.size_bytes}"
        if self.checksum is not None:
            name, expected = self.checksum
            with path.open("rb") as file:
                actual = hashlib.file_digest(file, name).hexdigest()
            if actual != expected.lower():
                return f"its {name} is {actual}, expected {expected}"
        return None

    def describe(self) -> str:
        """Return the published size and checksum, for people."""
        size = [f"{self.size_bytes} bytes"] if self.size_bytes is not None else []
        digest = [" ".join(self.checksum)] if self.checksum is not None else []
        return ", ".join(size + digest) or "neither size nor checksum is published"

    def describe_check(self) -> str:
        """Return which facts `fault` compares, for people."""
        if self.checksum is not None:
            return f"{self.checksum[0]} verified"
        return (
            "size verified, no checksum is published" if self.size_bytes else "neither size nor checksum is published"
        )
