"""The segmentor of a resolved configuration: its place, inside the strategy if the cell has one, and its channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def backbone_width(cfg: Mapping[str, object]) -> int | None:
    """Return the width of the tokens of the backbone; None where its stages have different widths, or there is none.

    Args:
        cfg: A resolved configuration, or its content as plain dicts.
    """
    width: int | None = segmentor_config(cfg).get("backbone", {}).get("embed_dim")
    return width


def level_channels(backbone: Mapping[str, Any]) -> list[int]:
    """Return the channels of the feature maps of a backbone's settings: its width, or those of its stages.

    There are four maps, or fewer where the head runs the blocks behind them.
    """
    widths: Sequence[int] | None = backbone.get("widths")
    if widths is not None:
        return list(widths)
    return [backbone["embed_dim"]] * min(4, len(backbone["out_layers"]))


def leave_texts_out(segmentor: Any) -> None:
    """Let a segmentor's settings, in place, name no text weights: its vectors of class names are loaded later.

    A trained model has them in its pack, and what is only counted needs none.
    """
    head = segmentor["decode_head"]
    if "text_weights" in head:
        head["text_weights"] = None
