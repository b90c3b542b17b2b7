"""Networks from coarse to fine velocity images."""

from __future__ import annotations
