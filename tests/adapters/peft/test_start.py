"""Starts of LoRA by name: PiSSA, OLoRA (a part of the weight), MiCA (its minor directions), EVA (images)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.adapters import PeftAdapter, Stack, attach

FACTS = {"embed_dim": 32, "depth": 4, "mlp_dim": 64}


def built(make_vit: Callable[[], nn.Module], start: str, **options: Any) -> Any:
    vit: Any = make_vit()
    vit.adapter = PeftAdapter(**FACTS, kind="lora", options={"r": 4, "init_lora_weights": start, **options})
    attach(vit.adapter, vit)
    return vit


def factors(vit: Any, name: str = "1_attn_v") -> tuple[Tensor, Tensor, Tensor]:
    """Return A, B and the frozen weight of a layer."""
    layer = vit.adapter.layers[name].layer
    return layer.lora_A["default"].weight, layer.lora_B["default"].weight, layer.base_layer.weight


def test_pissa_starts_as_the_largest_singular_components_of_a_weight_that_stays(
    make_vit: Callable[[], nn.Module],
) -> None:
    vit, plain = built(make_vit, "pissa", lora_alpha=8), make_vit()
    a, b, weight = factors(vit)
    assert torch.equal(weight, plain.blocks[1].attn_v.weight)
    u, s, v = torch.linalg.svd(weight)
    torch.testing.assert_close(8 / 4 * b @ a, u[:, :4] * s[:4] @ v[:4], atol=1e-5, rtol=1e-4)
    start = vit.adapter.layers["1_attn_v"].start
    torch.testing.assert_close(start.weight(), 8 / 4 * b @ a)


def test_olora_starts_as_the_first_columns_of_a_qr_decomposition(make_vit: Callable[[], nn.Module]) -> None:
    a, b, weight = factors(built(make_vit, "olora"))
    q, r = torch.linalg.qr(weight)
    torch.testing.assert_close(b, q[:, :4])
    torch.testing.assert_close(a, r[:4])


@pytest.mark.parametrize("start", ["pissa", "olora"])
def test_what_left_the_weight_comes_back_where_the_part_is_trained_to_zero(
    start: str, make_vit: Callable[[], nn.Module]
) -> None:
    vit = built(make_vit, start)
    a, b, weight = factors(vit)
    change, x = vit.adapter.layers["1_attn_v"], torch.randn(5, 32)
    removed = (b @ a * vit.adapter.config.lora_alpha / 4).detach()
    with torch.no_grad():
        b.zero_()
    bias = change.layer.base_layer.bias
    torch.testing.assert_close(change(None, x), x @ (weight - removed).T + bias, atol=1e-5, rtol=1e-4)


def test_mica_trains_a_within_the_smallest_singular_directions(make_vit: Callable[[], nn.Module]) -> None:
    vit = built(make_vit, "mica")
    a, b, weight = factors(vit)
    assert not a.any()
    assert all("lora_A" in name for name in vit.adapter.adapter_params())
    torch.testing.assert_close(b.T @ torch.linalg.svd(weight)[0][:, :-4], torch.zeros(4, 28), atol=1e-5, rtol=0)
    # B is fixed, but has signs of its own on every machine.
    assert any("lora_B" in name for name in vit.adapter.state_dict())


def images() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 48, 48, generator=generator) for _ in range(3)]


def test_eva_starts_as_the_main_directions_of_each_layers_inputs(make_vit: Callable[[], nn.Module]) -> None:
    vit, seen = built(make_vit, "eva"), []
    before = torch.get_rng_state()
    plain = vit(images()[0])
    vit.adapter.start_from_images(vit, images())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(vit(images()[0]), plain)
    a, _, _ = factors(vit)
    layer = vit.adapter.layers["1_attn_v"].layer.base_layer
    with torch.no_grad():
        hook = layer.register_forward_hook(lambda _module, inputs, _output: seen.append(inputs[0].flatten(0, 1)))
        for batch in images():
            vit(batch)
        hook.remove()
    inputs = torch.cat(seen)
    main = torch.linalg.svd(inputs - inputs.mean(0), full_matrices=False)[2]
    torch.testing.assert_close(a @ a.T, torch.eye(4), atol=1e-4, rtol=0)
    # Batch by batch the directions are found nearly: they hold most of what the best four could.
    share = (inputs @ a.T).var(0).sum() / (inputs @ main[:4].T).var(0).sum()
    assert 0.9 < share <= 1.001


def test_a_stack_shows_the_images_to_its_members_that_ask(make_vit: Callable[[], nn.Module]) -> None:
    eva = {"type": "rs_adapt.PeftAdapter", "kind": "lora", "options": {"r": 4, "init_lora_weights": "eva"}}
    vit: Any = make_vit()
    vit.adapter = Stack(
        adapters={"eva": eva, "vpt": {"type": "rs_adapt.Vpt", "num_tokens": 2}},
        **{"embed_dim": 32, "depth": 4, "patch_px": 8, "mlp_dim": 64},
    )
    attach(vit.adapter, vit)
    assert vit.adapter.needs_images
    weight = vit.adapter.adapters["eva"].layers["3_attn_q"].layer.lora_A["default"].weight
    before = weight.detach().clone()
    vit.adapter.start_from_images(vit, images())
    assert not torch.equal(weight, before)
