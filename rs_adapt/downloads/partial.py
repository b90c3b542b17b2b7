"""The part of a file that has arrived: `FILE.part`, and beside it from where it is (`FILE.part.json`).

A server may replace a file while a download rests. The part is therefore kept with the address it came from and the
server's mark of that version (entity tag or date), and a server that no longer has that version starts from scratch.
"""

from __future__ import annotations

import json
from pathlib import Path

from rs_adapt.files import write_json


class Partial:
    """The part of the file that shall lie at `path`."""

    def __init__(self, path: Path) -> None:
        self.file = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that have arrived; 0 without a file."""
        return self.file.stat().st_size if self.file.exists() else 0

    def mark(self, url: str) -> str | None:
        """Return the version of the part as the server of `url` called it; None if it came from elsewhere."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            return note["mark"] if note["url"] == url else None
        except (OSError, ValueError, KeyError, TypeError):
            # Absent or damaged: then nothing is known of the part.
            return None

    def remember(self, url: str, mark: str | None) -> None:
        """Note from where the bytes come that are written next."""
        write_json(self._note, {"url": url, "mark": mark}, indent=None)

    def discard(self) -> None:
        """Remove the part and its note."""
        self.file.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def finish(self, path: Path) -> None:
        """Make the part the file, at once."""
        self.file.replace(path)
        self._note.unlink(missing_ok=True)
