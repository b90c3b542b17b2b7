"""One file over HTTP(S) to its place on disk: resumed, retried, from mirrors, verified, and never half there."""

from __future__ import annotations

from rs_adapt.downloads.fetch import fetch, partial_file
from rs_adapt.downloads.published import Published

__all__ = ["Published", "fetch", "partial_file"]
