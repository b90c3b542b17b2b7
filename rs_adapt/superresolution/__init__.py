"""Networks from coarse to fine velocity images.

The model is imported when it is first accessed: it imports transformers, which takes seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.lazy_names import load_names

if TYPE_CHECKING:
    from rs_adapt.superresolution.model import FlowSuperResolution

__all__ = ["FlowSuperResolution"]

__getattr__ = load_names(__name__, {"FlowSuperResolution": "model"})
