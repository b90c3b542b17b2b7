"""What families of ViTs have of their own: prefix tokens, windows, biases, files that are another model."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from rs_adapt.adapters import Adapter, Dcpl, EarthAdapter, Stack, Vpt
from rs_adapt.backbones import Clip, Dinov2, Dinov3, Sam, Vit
from rs_adapt.backbones.handles import find_moved_handles
from rs_adapt.errors import ConfigError, DataError, IncompatibleCell, WeightsError
from rs_adapt.inference.inspection.recording import record_blocks

SIZES: dict[str, Any] = {"embed_dim": 32, "depth": 2, "num_heads": 2, "patch_px": 8, "out_layers": (0, 1)}
SCALES = {"level_scales": (1.0, 0.5)}


def registers(**changes: Any) -> Vit:
    return Dinov2(**SIZES | SCALES | {"image_px": 64, "num_registers": 4} | changes)


def dinov3(**changes: Any) -> Vit:
    return Dinov3(**SIZES | SCALES | {"mlp_dim": 48} | changes)


def gated(**changes: Any) -> Vit:
    return dinov3(gated_mlp=True, **changes)


def clip(**changes: Any) -> Vit:
    return Clip(**SIZES | SCALES | {"image_px": 64} | changes)


def sam(**changes: Any) -> Vit:
    return Sam(**SIZES | SCALES | {"image_px": 64, "window": 3, "global_layers": (1,)} | changes)


Make = Callable[..., Vit]
MAKES: list[Make] = [registers, dinov3, gated, clip, sam]
every = pytest.mark.parametrize("make", MAKES, ids=lambda make: make.__name__)


def images(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def randomised(vit: Vit) -> Vit:
    with torch.no_grad():
        for param in vit.parameters():
            param.add_(0.1 * torch.randn(param.shape, generator=torch.Generator().manual_seed(1)))
    return vit


@every
def test_every_handle_is_at_its_path(make: Make) -> None:
    vit = make()
    assert not find_moved_handles(vit.layers[0], vit.blocks[0].paths)
    assert isinstance(vit.patch_embed, nn.Conv2d)


@every
def test_handles_make_the_block(make: Make) -> None:
    vit = randomised(make())
    block, x = vit.blocks[1], images(1, 3, 32, 40)
    seen: dict[str, Tensor] = {}
    names = ("attn_q", "attn_out", "scale1", "norm2", "fc1", "fc2", "scale2")
    for name in names:
        part = getattr(block, name)
        part.register_forward_hook(lambda _m, _a, output, name=name: seen.__setitem__(name, output))
    inputs: list[Tensor] = []
    vit.layers[1].register_forward_pre_hook(lambda _m, args: inputs.append(args[0]))
    after = vit.base_tokens(x)
    # Every layer sees (B, N, D), also in windows: methods tell layers from convolutions by that.
    assert all(value.ndim == 3 for value in seen.values())
    torch.testing.assert_close(after, inputs[0] + seen["scale1"] + seen["scale2"])


@every
def test_maps_of_any_grid(make: Make) -> None:
    vit = make()
    assert [tuple(f.shape) for f in vit(images(2, 3, 32, 56))] == [(2, 32, 4, 7), (2, 32, 2, 3)]
    with pytest.raises(DataError, match="does not divide into patches of 8 px"):
        vit(images(1, 3, 30, 56))


@every
def test_precision_copies_and_compiling(make: Make) -> None:
    vit, x = make(), images(1, 3, 32, 56)
    want = vit(x)[0]
    assert torch.equal(copy.deepcopy(vit)(x)[0], want)
    with torch.autocast("cpu", torch.bfloat16):
        assert (vit(x)[0].float() - want).abs().max() < 0.1 * want.abs().max()
    compiled = torch.compile(copy.deepcopy(vit), backend="eager", fullgraph=True, dynamic=False)
    torch.testing.assert_close(compiled(x)[0], want)
    low = vit.to(torch.bfloat16)(x.to(torch.bfloat16))[0]
    assert low.dtype == torch.bfloat16
    assert (low.float() - want).abs().max() < 0.1 * want.abs().max()


@every
def test_a_vit_trains_only_if_it_is_not_frozen(make: Make) -> None:
    vit = make().train()
    assert not any(module.training for module in vit.modules() if module is not vit)
    full, x = make(frozen=False).train(), images(2, 3, 32, 56)
    # Nothing is drawn at random where it trains.
    assert torch.equal(full(x)[1], full(x)[1])
    sum(f.square().mean() for f in full(x)).backward()
    assert [name for name, param in full.named_parameters() if param.grad is None] == []


@pytest.mark.parametrize("make", [registers, dinov3, clip], ids=lambda make: make.__name__)
def test_prompts_are_inserted_after_the_prefix_and_removed(make: Make) -> None:
    adapter = Vpt(embed_dim=32, depth=2, patch_px=8, num_tokens=3)
    vit, prefix = make(adapter=adapter), make().num_prefix
    seen: list[Tensor] = []
    left: list[Tensor] = []
    for layer in vit.layers:
        layer.register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
        layer.register_forward_hook(lambda _m, _args, output: left.append(output))
    maps = vit(images(2, 3, 32, 56))
    for layer, tokens in enumerate(seen):
        assert tokens.shape[1] == prefix + 3 + 28
        assert torch.equal(tokens[:, prefix : prefix + 3], adapter.prompts[layer].expand(2, -1, -1))
    # The prompts of a block are cut out where they were put in: no patch goes with them, and none of them stays.
    own = [*range(prefix), *range(prefix + 3, prefix + 3 + 28)]
    assert torch.equal(seen[1][:, own], left[0][:, own])
    assert torch.equal(maps[0].flatten(2).transpose(1, 2), left[0][:, prefix + 3 :])


def test_prefix_reaches_adapters_and_records() -> None:
    settings = {
        "earth": {"type": "rs_adapt.EarthAdapter", "rank": 4, "frequency_layers": (1,), "cutoff": 0.6},
        "dcpl": {"type": "rs_adapt.Dcpl", "num_tokens": 2, "prompt_dim": 4, "hidden": 4, "noise": "off"},
    }
    adapter = Stack(adapters=settings, embed_dim=32, depth=2, patch_px=8, mlp_dim=128)
    vit, x = registers(adapter=adapter), images(1, 3, 32, 56)
    vit(x)
    assert adapter.num_prefix == 5
    side = adapter.adapters["dcpl"]._side_BD
    torch.testing.assert_close(side, vit.base_tokens(x)[:, 5:].mean(dim=1))
    for made in (
        vit,
        sam(),
        sam(adapter=EarthAdapter(embed_dim=32, depth=2, rank=4, frequency_layers=(1,), cutoff=0.6)),
    ):
        with record_blocks(made) as blocks:
            made(x)
        assert [record.after_PD.shape for record in blocks] == [(28, 32)] * 2


def test_sam_refuses_prompts() -> None:
    with pytest.raises(IncompatibleCell, match="Vpt adds tokens.*windowed attention.*Use a method without prompts"):
        sam(adapter=Vpt(embed_dim=32, depth=2))
    with pytest.raises(IncompatibleCell, match="Dcpl adds tokens"):
        sam(adapter=Dcpl(embed_dim=32, depth=2))
    assert not Adapter.adds_tokens


def test_windows_confine_attention() -> None:
    vit = randomised(sam(global_layers=(), out_layers=(0,), level_scales=(1.0,)))
    x = images(1, 3, 48, 48)
    changed = x.clone()
    changed[..., :8, :8] += 1
    moved = (vit(x)[0] - vit(changed)[0]).abs().sum(dim=(0, 1)) > 1e-4
    assert moved[:3, :3].all()
    assert not moved[3:].any()
    assert not moved[:, 3:].any()


def test_positions_of_dinov3_depend_on_the_grid() -> None:
    vit = dinov3()
    square, wide = vit.block_context(torch.zeros(1, 3, 32, 32)), vit.block_context(torch.zeros(1, 3, 16, 64))
    assert square[0].shape == wide[0].shape == (16, 16)
    assert not torch.allclose(square[0], wide[0])
    # Centres run from -1 to 1: a turned image has turned positions.
    tall = vit.block_context(torch.zeros(1, 3, 64, 16))[1].reshape(8, 2, 2, 2, 4)
    torch.testing.assert_close(tall.permute(1, 0, 2, 3, 4).flip(3), wide[1].reshape(2, 8, 2, 2, 4))


@pytest.mark.parametrize(
    ("make", "changes", "message"),
    [
        (dinov3, {"num_heads": 16}, "heads 2 wide: rotary positions need a multiple of 4"),
        (dinov3, {"num_heads": 5}, "embed_dim=32 is not a multiple of num_heads=5"),
        (sam, {"global_layers": (1, 2)}, r"global_layers=\[1, 2\] must be block numbers from 0 to 1"),
    ],
)
def test_contradictions_are_refused(make: Make, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("of", "into", "changes", "message"),
    [
        (registers, registers, {"num_registers": 0}, "with 4 registers, but this backbone has 0.*without `reg4`"),
        (registers, registers, {"num_registers": 2}, "with 4 registers, but this backbone has 2.*with `_reg4`"),
        (clip, clip, {"patch_px": 16}, r"holds weights of a ViT/8, but this backbone has patches of 16 px"),
        (gated, dinov3, {}, r"layers.0.mlp.gate_proj.\w+: the file has \(48.*needs none"),
        (dinov3, dinov3, {"mlp_dim": 64}, r"layers.0.mlp.down_proj.weight: the file has \(32, 48\)"),
        (sam, sam, {"window": 4}, r"layers.0.attn.rel_pos_h: the file has \(5, 16\), this backbone needs \(7, 16\)"),
        (clip, dinov3, {}, "incomplete DINOv3|do not belong to transformers' DINOv3"),
        (dinov3, sam, {}, "do not belong to transformers' SAM"),
    ],
)
def test_files_of_a_different_model_are_refused(
    tmp_path: Path, of: Make, into: Make, changes: dict[str, Any], message: str
) -> None:
    save_file(of().state_dict(), tmp_path / "vit.safetensors")
    with pytest.raises(WeightsError, match=message):
        into(weights=tmp_path / "vit.safetensors", **changes)


def test_loading_resizes_positions(tmp_path: Path) -> None:
    for make, name, length in (
        (registers, "position_embeddings", 257),
        (clip, "position_embedding.weight", 257),
        (sam, "rel_pos_h", 31),
    ):
        vit = randomised(make())
        save_file(vit.state_dict(), tmp_path / "vit.safetensors")
        large = make(image_px=128, weights=tmp_path / "vit.safetensors")
        assert large.base_sha256() == make(weights=tmp_path / "vit.safetensors").base_sha256()
        last = [param for key, param in large.named_parameters() if key.endswith(name)][-1]
        assert last.shape[-2] == length
        # Positions interpolated once, at loading, or in every forward: the same maps.
        x = images(1, 3, 128, 128)
        torch.testing.assert_close(large(x)[0], make(weights=tmp_path / "vit.safetensors")(x)[0], atol=1e-4, rtol=1e-4)
