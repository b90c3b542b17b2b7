"""The DINOv2 backbone: parity with the original, shapes, what trains, adapters, copies."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from safetensors.torch import load_file
from torch import Tensor, nn

from rs_adapt.adapters import Adapter
from rs_adapt.backbones import Dinov2, Features
from rs_adapt.errors import ConfigError, DataError, WeightsError
from rs_adapt.registry import MODELS

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
CONFIGS = ROOT / "configs" / "backbone"
Build = Callable[..., Dinov2]


class Shift(Adapter):
    """After each block: add a learned vector to the patch tokens."""

    def __init__(self, *, embed_dim: int, depth: int, value: float = 0.0) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.full((depth, embed_dim), value))
        self.dropout = nn.Dropout(0.0)
        self.grids: list[tuple[int, int]] = []

    def after_block(self, x_BND: Tensor, layer: int, grid_hw: tuple[int, int]) -> Tensor:
        self.grids.append(grid_hw)
        assert x_BND.shape[1] == 1 + grid_hw[0] * grid_hw[1]
        return torch.cat([x_BND[:, :1], x_BND[:, 1:] + self.dropout(self.shift[layer])], dim=1)

    def queries(self) -> Tensor | None:
        return self.shift[:, :2]


class Prompts(Adapter):
    """Three prompt tokens for blocks 1 and 2, new ones in each."""

    def __init__(self, *, embed_dim: int) -> None:
        super().__init__()
        self.prompt = nn.Parameter(torch.randn(2, 3, embed_dim, generator=torch.Generator().manual_seed(0)))

    def tokens(self, layer: int) -> Tensor | None:
        return self.prompt[layer - 1] if layer in (1, 2) else None


def images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def golden() -> tuple[Dinov2, dict[str, Tensor]]:
    vectors = load_file(GOLDEN / "dinov2_tiny.safetensors")
    vit = Dinov2(embed_dim=64, depth=4, num_heads=4, patch_px=16, image_px=96, out_layers=(0, 1, 2, 3))
    state = {name.removeprefix("state."): value for name, value in vectors.items() if name.startswith("state.")}
    vit.load_state_dict(Dinov2.convert_reference(state), strict=True)
    return vit, vectors


def test_outputs_at_the_native_grid_equal_the_golden_vectors(golden: tuple[Dinov2, dict[str, Tensor]]) -> None:
    vit, vectors = golden
    for i, got in enumerate(vit(vectors["square.input"])):
        torch.testing.assert_close(got, vectors[f"square.output{i}"], rtol=0, atol=1e-5)


def test_outputs_at_an_interpolated_grid_equal_the_golden_vectors(golden: tuple[Dinov2, dict[str, Tensor]]) -> None:
    vit, vectors = golden
    for i, got in enumerate(vit(vectors["rect.input"])):
        want = vectors[f"rect.output{i}"]
        torch.testing.assert_close(got, want, rtol=0, atol=0.01 * float(want.max() - want.min()))


def test_golden_patch_14_to_16() -> None:
    vectors = load_file(GOLDEN / "dinov2_patch14_to_16.safetensors")
    state = {"patch_embed.proj.weight": vectors["patch.in"], "pos_embed": vectors["pos_embed.in"]}
    got = Dinov2.convert_reference(state, patch_px=16, image_px=512)
    positions, kernel = got["embeddings.position_embeddings"], got["embeddings.patch_embeddings.projection.weight"]
    torch.testing.assert_close(positions, vectors["pos_embed.out"], rtol=0, atol=1e-6)
    torch.testing.assert_close(kernel, vectors["patch.out"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(64, 64), (32, 80), (128, 16)])
def test_maps_have_their_scales(build: Build, size: tuple[int, int]) -> None:
    features = build()(images(2, 3, *size))
    h, w = size[0] // 8, size[1] // 8
    assert isinstance(features, tuple)
    assert isinstance(features, Features)
    assert features.queries is None
    assert [tuple(f.shape) for f in features] == [
        (2, 32, 4 * h, 4 * w),
        (2, 32, 2 * h, 2 * w),
        (2, 32, h, w),
        (2, 32, h // 2, w // 2),
    ]


def test_positions_are_exact_at_the_native_grid_and_leave_cls_unchanged(build: Build) -> None:
    vit = build()
    embeddings = vit.embeddings
    patches = embeddings.patch_embeddings(images(1, 3, 64, 64))
    want = torch.cat([embeddings.cls_token, patches], dim=1) + embeddings.position_embeddings
    assert torch.equal(embeddings(images(1, 3, 64, 64)), want)
    # As many patches as the native grid has, in another shape: positions must not be taken as they are.
    wide, square = embeddings(torch.zeros(1, 3, 32, 128)), embeddings(torch.zeros(1, 3, 64, 64))
    assert torch.equal(wide[:, 0], square[:, 0])
    assert not torch.allclose(wide[:, 1:], square[:, 1:])


def test_image_that_does_not_divide_names_nearest_sizes(build: Build) -> None:
    with pytest.raises(DataError, match=r"100 x 60 px.*patches of 8 px.*height 96 or 104, width 56 or 64"):
        build()(torch.zeros(1, 3, 100, 60))
    with pytest.raises(DataError, match=r"too small.*at least 2 x 2"):
        build()(torch.zeros(1, 3, 8, 64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_heads": 5}, "embed_dim=32 is not a multiple of num_heads=5"),
        ({"out_layers": (0, 1, 2, 4)}, "ascending block numbers from 0 to 3"),
        ({"out_layers": (1, 0, 2, 3)}, "ascending"),
        ({"out_layers": (1, 2, 3)}, "3 out_layers but 4 level_scales"),
        ({"image_px": 4}, "smaller than one patch"),
        ({"frozen": False, "adapter": Shift(embed_dim=32, depth=4)}, "cannot have an adapter"),
    ],
)
def test_contradictions_are_refused(build: Build, changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(**changes)


def test_random_weights_are_the_same_every_time_and_leave_the_random_state(build: Build) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = build()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second = build(weights="random")
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name]), name
    assert all(bool((p == 1).all()) for n, p in first.named_parameters() if n.endswith("lambda1"))


def test_nano_features_are_alive() -> None:
    cfg = Config.fromfile(CONFIGS / "dinov2_nano.py")
    vit = MODELS.build(cfg.model.backbone)
    features = vit(images(1, 3, 128, 128))
    for got, stride in zip(features, cfg.backbone.level_strides, strict=True):
        assert got.shape[-1] == 128 // stride
        assert torch.isfinite(got).all()
        assert got.flatten(2).std(dim=2).median() > 0.05  # differs between places
        assert 0.05 < float(got.std()) < 20
    assert 2e6 < sum(p.numel() for p in vit.parameters()) < 3e6


# Parameters of the published models at patch 14 and 37 x 37 positions (22 056 576, 86 580 480, 304 368 640), less the
# mask token and the final norm, with patch 16 and 32 x 32 positions instead; ViT-g likewise.
@pytest.mark.parametrize(
    ("name", "published", "dim"),
    [("s", 22_056_576, 384), ("b", 86_580_480, 768), ("l", 304_368_640, 1024), ("g", 1_136_480_768, 1536)],
)
def test_size_of_published_models_without_allocating(name: str, published: int, dim: int) -> None:
    cfg = Config.fromfile(CONFIGS / f"dinov2_{name}.py")
    with torch.device("meta"):
        vit = MODELS.build(cfg.model.backbone)
    assert all(p.is_meta for p in vit.parameters())
    want = published - 3 * dim + 3 * dim * (16**2 - 14**2) + dim * (32**2 - 37**2)
    assert sum(p.numel() for p in vit.parameters()) == want
    assert cfg.backbone.embed_dim == vit.embed_dim == dim
    assert cfg.backbone.depth == vit.depth
    assert cfg.backbone.level_strides == [int(16 / s) for s in vit.level_scales]
    with pytest.raises(WeightsError, match="meta"):
        vit.base_sha256()


def test_frozen_vit_stays_in_eval_and_does_not_train(build: Build) -> None:
    vit = build().train()
    assert not any(p.requires_grad for p in vit.parameters())
    assert not any(m.training for part in (vit.embeddings, vit.layers) for m in part.modules())
    assert not vit(images(1, 3, 64, 64))[0].requires_grad
    full = build(frozen=False).train()
    assert all(p.requires_grad for p in full.parameters())
    assert all(m.training for m in full.modules())
    sum(f.mean() for f in full(images(1, 3, 64, 64))).backward()
    assert all(p.grad is not None for p in full.parameters())
    assert not any(m.training for m in full.eval().modules())


def test_only_the_adapter_moves(build: Build) -> None:
    adapter = Shift(embed_dim=32, depth=4)
    vit = build(adapter=adapter).train()
    assert adapter.dropout.training
    assert {n for n, p in vit.named_parameters() if p.requires_grad} == {"adapter.shift"}
    before = copy.deepcopy(vit.state_dict())
    digest = vit.base_sha256()
    optimizer = torch.optim.AdamW([p for p in vit.parameters() if p.requires_grad], lr=0.1)
    features = vit(images(2, 3, 32, 48))
    assert features.queries is not None
    sum(f.square().mean() for f in features).backward()
    optimizer.step()
    changed = {n for n, value in vit.state_dict().items() if not torch.equal(value, before[n])}
    assert changed == {"adapter.shift"}
    assert vit.base_sha256() == digest == build().base_sha256()
    assert adapter.grids == [(4, 6)] * 4
    assert not vit.eval().adapter.dropout.training


def test_after_block_acts_after_each_block(build: Build) -> None:
    plain, shifted = build(), build(adapter=Shift(embed_dim=32, depth=4, value=1.0))
    x = images(1, 3, 64, 64)
    torch.testing.assert_close(shifted(x)[0], plain(x)[0] + 1, rtol=0, atol=1e-5)
    assert not torch.allclose(shifted(x)[1], plain(x)[1] + 1, atol=1e-3)


def test_adapter_from_a_config(build: Build) -> None:
    MODELS.register_module(name="BackboneTestShift", module=Shift, force=True)
    vit = build(adapter={"type": "rs_adapt.BackboneTestShift", "embed_dim": 32, "depth": 4})
    assert isinstance(vit.adapter, Shift)


def test_prompt_tokens_are_inserted_after_cls_and_removed(build: Build) -> None:
    adapter = Prompts(embed_dim=32)
    vit, plain = build(adapter=adapter), build()
    seen: dict[int, Tensor] = {}
    for i, layer in enumerate(vit.layers):
        layer.register_forward_pre_hook(lambda _m, args, i=i: seen.__setitem__(i, args[0]))
    features, want = vit(images(2, 3, 32, 48)), plain(images(2, 3, 32, 48))
    assert [seen[i].shape[1] for i in range(4)] == [25, 28, 28, 25]
    for layer in (1, 2):
        assert torch.equal(seen[layer][:, 1:4], adapter.prompt[layer - 1].expand(2, -1, -1))
    assert torch.equal(features[0], want[0])
    assert not torch.allclose(features[1], want[1], atol=1e-4)
    features[3].sum().backward()
    assert adapter.prompt.grad is not None
    assert bool((adapter.prompt.grad != 0).any(dim=-1).all())


def test_functional_call_and_deepcopy(build: Build) -> None:
    vit = build(adapter=Shift(embed_dim=32, depth=4)).eval()
    x = images(1, 3, 64, 64)
    want = vit(x)
    teacher: Mapping[str, Tensor] = {"adapter.shift": torch.ones(4, 32)}
    got = torch.func.functional_call(vit, teacher, (x,))
    torch.testing.assert_close(got[0], want[0] + 1, rtol=0, atol=1e-5)
    assert torch.equal(vit(x)[0], want[0])

    twin = copy.deepcopy(vit)
    assert torch.equal(twin(x)[3], want[3])
    assert twin.base_sha256() == vit.base_sha256()
    with torch.no_grad():
        twin.blocks[0].fc1.weight.add_(1)
    assert twin.base_sha256() != vit.base_sha256()
    assert torch.equal(vit(x)[3], want[3])


def test_dinov2_compiles(build: Build) -> None:
    vit = build(adapter=Prompts(embed_dim=32))
    x = images(1, 3, 64, 64)
    compiled = torch.compile(vit, backend="eager")
    torch.testing.assert_close(compiled(x)[3], vit(x)[3])


def test_base_sha256_follows_the_values(build: Build) -> None:
    vit = build()
    first = vit.base_sha256()
    assert len(first) == 64
    assert vit.base_sha256() == first == build().base_sha256()
    with torch.no_grad():
        vit.layers[3].norm2.bias[0] = 0.5
    second = vit.base_sha256()
    assert second != first
    vit.load_state_dict(build().state_dict())
    assert vit.base_sha256() == first


def test_swiglu_runs(build: Build) -> None:
    features = build(swiglu=True)(images(1, 3, 64, 64))
    assert torch.isfinite(features[3]).all()


def test_mmengine_finds_no_init_weights_to_call(build: Build) -> None:
    assert not [name for name, module in build().named_modules() if hasattr(module, "init_weights")]


def test_bf16_autocast_is_close_to_fp32(build: Build) -> None:
    vit = build(adapter=Shift(embed_dim=32, depth=4))
    x = images(1, 3, 64, 48)
    want = vit(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = vit(x)
    assert (got[3].float() - want[3]).abs().max() < 0.05 * want[3].abs().max()
