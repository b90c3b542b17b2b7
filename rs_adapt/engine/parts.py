"""The segmentor inside the model that a runner holds: below the wrapper of several processes, and inside a strategy.

`rs_adapt.config.segmentor` answers the same question for a configuration.
"""

from __future__ import annotations

from typing import Any

from torch import nn


def unwrapped(model: nn.Module) -> Any:
    """Return the model itself, a segmentor or a strategy, without mmengine's wrapper for several processes."""
    return getattr(model, "module", model)


def segmentor_of(model: nn.Module) -> Any:
    """Return the segmentor that a model trains: the model itself, or the one inside a strategy or a wrapper.

    The result is mmsegmentation's `EncoderDecoder`, typed as Any because mmsegmentation has no type hints. Its parts
    are `backbone`, a `Vit`, and `decode_head`.
    """
    inner = unwrapped(model)
    return getattr(inner, "segmentor", inner)
