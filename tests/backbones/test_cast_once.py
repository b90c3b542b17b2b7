"""`CastOnce`: the numbers of autocast, with fewer casts."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from rs_adapt.backbones import Dinov2
from rs_adapt.backbones.cast_once import CastOnce, cast_frozen_weights_once
from rs_adapt.config.facts import ConfigNode

ADAPTERS: dict[str, ConfigNode] = {
    "between blocks": {"type": "rs_adapt.EarthAdapter", "embed_dim": 32, "depth": 4, "rank": 4, "cutoff": 0.6}
    | {"frequency_layers": (2,), "scale_init": 0.5},
    "in the layers": {"type": "rs_adapt.AdaptFormer", "embed_dim": 32, "depth": 4, "rank": 4, "dropout": 0.0},
    "weights": {"type": "rs_adapt.BitFit", "embed_dim": 32, "depth": 4, "mlp_dim": 128},
}


def vit(adapter: ConfigNode) -> Dinov2:
    torch.manual_seed(0)
    size = {"embed_dim": 32, "depth": 4, "num_heads": 2, "patch_px": 8, "image_px": 32, "out_layers": (0, 1, 2, 3)}
    model = Dinov2(**size, level_scales=(1, 1, 1, 1), adapter=dict(adapter), frozen=True)
    # Away from the start, where an adapter may have no effect.
    with torch.no_grad():
        for parameter in model.adapter.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model


def numbers(model: Any, dtype: torch.dtype | None) -> list[Tensor]:
    """Return the maps of two passes, and the gradients of both together."""
    model.zero_grad()
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    maps = []
    with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        for shifted in (images, images.flip(-1)):
            maps += list(model(shifted))
    torch.stack([each.float().square().mean() for each in maps]).sum().backward()
    return [*(each.detach() for each in maps), *(p.grad for p in model.adapter.parameters() if p.grad is not None)]


class _Casts(TorchDispatchMode):
    """Counts the casts of matrices of float32 to bfloat16."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._to_copy.default and kwargs.get("dtype") is torch.bfloat16:
            self.number += args[0].ndim == 2 and args[0].dtype is torch.float32
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
def test_numbers_are_equal_and_casts_are_fewer(adapter: ConfigNode) -> None:
    plain = vit(adapter)
    once = copy.deepcopy(plain)
    assert cast_frozen_weights_once(once.layers) > 0
    assert list(once.state_dict()) == list(plain.state_dict())
    for dtype in (torch.bfloat16, None):
        expected, found = numbers(plain, dtype), numbers(once, dtype)
        assert len(expected) > 8
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    casts = []
    for model in (plain, once):
        with _Casts() as counter:
            numbers(model, torch.bfloat16)
        casts.append(counter.number)
    layers = sum(isinstance(layer, CastOnce) for layer in once.modules())
    # Two passes cast every frozen matrix of the plain blocks; the others have their copies from before.
    assert casts[0] - casts[1] == 2 * layers


def test_a_weight_that_changed_is_cast_again() -> None:
    layer = nn.Linear(4, 3).requires_grad_(False)
    cast_frozen_weights_once(layer)
    x = torch.randn(2, 4)

    def output() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return layer(x)

    def expected() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return nn.functional.linear(x, layer.weight, layer.bias)

    first = output()
    assert torch.equal(first, expected())
    with torch.no_grad():
        layer.weight.mul_(2)
    assert torch.equal(output(), expected())
    layer.bias.data = layer.bias.data + 1
    assert torch.equal(output(), expected())
    assert not torch.equal(output(), first)


def test_layers_that_train_and_other_kinds_stay_as_they_are() -> None:
    class Own(nn.Linear):
        pass

    layers = nn.ModuleList([nn.Linear(2, 2), Own(2, 2), nn.Linear(2, 2)])
    layers[1:].requires_grad_(False)
    assert cast_frozen_weights_once(layers) == 1
    assert [type(layer) for layer in layers] == [nn.Linear, Own, CastOnce]


def test_a_copy_made_in_inference_mode_serves_training() -> None:
    model = vit(ADAPTERS["in the layers"])
    cast_frozen_weights_once(model.layers)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        model(torch.zeros(1, 3, 32, 32))
    assert numbers(model, torch.bfloat16)
