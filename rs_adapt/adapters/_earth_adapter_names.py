"""Earth-Adapter's tensors in the layout of the released code, and in ours.

Shapes: D embed, L layers, R rank, E experts of a layer (1 or 3).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.errors import ConfigError

# The reference's list of each expert, in the order in which ours are stacked: spatial, low, high.
_EXPERTS = ("mlp_list1", "mlp_list2", "mlp_list3")
_NAME = re.compile(r"(?:mlp_list[123]\.(\d+)\.[02]|router\.(\d+))\.(?:weight|bias)")
# Start values are uniform within 1 / sqrt(fan in). The margin is for files in half precision; 20 000 steps of AdamW at
# a rate of 1e-4 move the outermost values by a tenth of the range and more.
_START_MARGIN = 1.01


def from_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our tensors from the released code's; see `EarthAdapter.convert_reference`."""
    converted: dict[str, Tensor] = {}
    present: set[int] = set()
    unknown: list[str] = []
    for name in state:
        if name == "scale":
            converted["scale"] = state["scale"]
        elif match := _NAME.fullmatch(name):
            present.add(int(match[1] or match[2]))
        elif not name.startswith("layer_norm."):
            unknown.append(name)
    if unknown:
        raise ConfigError(
            f"EarthAdapter: unknown reference weights {', '.join(sorted(unknown)[:8])}. Known: scale, "
            "mlp_list1|2|3.<layer>.0|2.weight|bias, router.<layer>.weight|bias and layer_norm.*."
        )
    for layer in sorted(present):
        mixed = any(f"{stem}.{layer}." in name for stem in (*_EXPERTS[1:], "router") for name in state)
        lists = _EXPERTS if mixed else _EXPERTS[:1]
        down = [f"{stem}.{layer}.0" for stem in lists] + ([f"router.{layer}"] if mixed else [])
        up = [f"{stem}.{layer}.2" for stem in lists]
        missing = sorted({f"{n}.{kind}" for n in down + up for kind in ("weight", "bias")} - state.keys())
        if missing:
            raise ConfigError(
                f"EarthAdapter: layer {layer} of the reference weights lacks {', '.join(missing)}. A layer has "
                "mlp_list1 alone, or mlp_list1, 2, 3 and router."
            )
        prefix = f"layers.{layer}"
        converted[f"{prefix}.down_weight"] = torch.cat([state[f"{n}.weight"] for n in down])
        converted[f"{prefix}.down_bias"] = torch.cat([state[f"{n}.bias"] for n in down])
        columns = [state[f"{n}.weight"] for n in up] + [state[f"{n}.bias"][:, None] for n in up]
        converted[f"{prefix}.up_weight"] = torch.cat(columns, dim=1)
    return converted


def to_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the released code's tensors from ours, the inverse of `from_reference`.

    Layers without frequencies get their only expert.
    """
    reference = {"scale": state["scale"]}
    for name in state:
        if not name.endswith(".down_weight"):
            continue
        layer = name.split(".")[1]
        down, bias, up = (state[f"layers.{layer}.{part}"] for part in ("down_weight", "down_bias", "up_weight"))
        # A single expert has R rows and R + 1 columns, three with their router 3 R + 3 of both.
        experts = _EXPERTS[: 1 if up.shape[1] > down.shape[0] else 3]
        rank = up.shape[1] // len(experts) - 1
        for i, stem in enumerate(experts):
            rows = slice(i * rank, (i + 1) * rank)
            reference[f"{stem}.{layer}.0.weight"], reference[f"{stem}.{layer}.0.bias"] = down[rows], bias[rows]
            reference[f"{stem}.{layer}.2.weight"] = up[:, rows]
            reference[f"{stem}.{layer}.2.bias"] = up[:, len(experts) * rank + i]
        if len(experts) > 1:
            reference[f"router.{layer}.weight"], reference[f"router.{layer}.bias"] = down[3 * rank :], bias[3 * rank :]
    return reference


def read_settings(state: Mapping[str, Tensor]) -> Settings:
    """Return the constructor arguments that the tensors imply; see `EarthAdapter.reference_settings`."""
    weight = "mlp_list1.0.0.weight"
    for name, dims in (("scale", 1), (weight, 2)):
        if name not in state or state[name].ndim != dims:
            raise ConfigError(f"EarthAdapter: the reference weights need a tensor {name} with {dims} dimension(s).")
    depth, (rank, embed_dim) = len(state["scale"]), state[weight].shape
    settings: Settings = {"embed_dim": embed_dim, "depth": depth, "rank": rank}
    with_router = [layer for layer in range(depth) if f"router.{layer}.weight" in state]
    used = with_router
    if len(with_router) == depth:
        used = [layer for layer in with_router if _has_trained(state, layer)]
    if len(with_router) < depth or 0 < len(used) < depth:
        settings["frequency_layers"] = used
    return settings


def _has_trained(state: Mapping[str, Tensor], layer: int) -> bool:
    """Return whether a weight that only a frequency layer uses has left the range of its start values."""
    names = [f"{stem}.{layer}.{part}.weight" for stem in _EXPERTS[1:] for part in (0, 2)] + [f"router.{layer}.weight"]
    tensors = [state[name] for name in names if name in state and state[name].ndim == 2]
    return any(bool((t.abs() > _START_MARGIN / math.sqrt(t.shape[1])).any()) for t in tensors)
