"""The place of the segmentor in a resolved configuration: inside the strategy, if the cell has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def segmentor_path(cfg: Mapping[str, object]) -> tuple[str, ...]:
    """Return the keys that lead to the segmentor: `("model", "segmentor")` inside a strategy, else `("model",)`.

    Args:
        cfg: A resolved configuration, or its content as plain dicts.
    """
    model = cfg.get("model")
    return ("model", "segmentor") if isinstance(model, Mapping) and "segmentor" in model else ("model",)


def segmentor_config(cfg: Mapping[str, object]) -> Any:
    """Return the settings of the segmentor (`backbone`, `decode_head`, `test_cfg`, ...): the node itself, not a copy.

    Args:
        cfg: A resolved configuration, or its content as plain dicts.
    """
    node: Any = cfg
    for key in segmentor_path(cfg):
        node = node[key]
    return node
