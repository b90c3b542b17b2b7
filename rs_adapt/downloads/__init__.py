"""Download of a file over HTTP(S): resumed, retried, from mirrors, verified, complete or not at all."""

from __future__ import annotations

from rs_adapt.downloads.fetch import fetch, partial_file
from rs_adapt.downloads.published import Published

__all__ = ["Published", "fetch", "partial_file"]
