"""The part of a file that has arrived, `FILE.part`, and its origin, `FILE.part.json`.

A server may replace a file while a download is interrupted. The part is therefore stored with its address and the
server's mark of that version (entity tag or date); a server that no longer has that version sends the whole file.
"""

from __future__ import annotations

from pathlib import Path

from rs_adapt.documents import parse_json, read_bytes
from rs_adapt.files import write_json


class Partial:
    """The part of the file whose destination is `path`."""

    def __init__(self, path: Path) -> None:
        self.file = path.with_name(f"{path.name}.part")
        self._origin = path.with_name(f"{path.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that have arrived; 0 without a file."""
        return self.file.stat().st_size if self.file.exists() else 0

    def mark(self, url: str) -> str | None:
        """Return the server's mark of the version of the part; None if the part is not from `url`."""
        try:
            origin = parse_json(read_bytes(self._origin))
            mark = origin["mark"] if origin["url"] == url else None
            return mark if isinstance(mark, str) else None
        except (OSError, ValueError, KeyError, TypeError):
            # Absent or damaged: the origin of the part is unknown.
            return None

    def remember(self, url: str, mark: str | None) -> None:
        """Store the origin of the bytes that are written next."""
        write_json(self._origin, {"url": url, "mark": mark}, indent=None)

    def discard(self) -> None:
        """Remove the part and its origin."""
        self.file.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        """Move the part to its destination, in one step."""
        self.file.replace(path)
        self._origin.unlink(missing_ok=True)
