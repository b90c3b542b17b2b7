"""What lies inside the model that a runner holds: below the wrapper of several processes, and inside a strategy."""

from __future__ import annotations

from typing import Any


def unwrapped(model: Any) -> Any:
    """Return the model itself, without mmengine's wrapper for several processes."""
    return getattr(model, "module", model)


def segmentor_of(model: Any) -> Any:
    """Return the segmentor of a model: of a strategy the one that it trains, else the model itself."""
    inner = unwrapped(model)
    return getattr(inner, "segmentor", inner)
