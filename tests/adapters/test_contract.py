"""What every PEFT method must keep; a new method is found in the registry and gives its settings in `examples()`.

One test for each example of a method on each ViT: it builds both once and runs all checks, each a subtest by its own
name. A check that changes what it looks at does so on a copy.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import rs_adapt.adapters
from rs_adapt.adapters import Adapter, attach
from rs_adapt.errors import ConfigError
from rs_adapt.registry import MODELS

MakeViT = Callable[[], nn.Module]
SQUARE, WIDE = (6, 6), (4, 7)
PATCH_PX = 8


def _facts(vit: Any) -> dict[str, Any]:
    return {key: getattr(vit, key) for key in ("embed_dim", "depth", "patch_px", "mlp_dim", "gated_mlp")}


@functools.cache
def _image(grid: tuple[int, int]) -> Tensor:
    return torch.randn(2, 3, *(PATCH_PX * side for side in grid), generator=torch.Generator().manual_seed(3))


@functools.cache
def _base_features(make_vit: MakeViT, grid: tuple[int, int]) -> Tensor:
    return make_vit()(_image(grid)).detach()


def _tokens(grid: tuple[int, int]) -> Tensor:
    return torch.randn(2, 1 + grid[0] * grid[1], 32, generator=torch.Generator().manual_seed(3))


def _alone(case: Case, grid: tuple[int, int]) -> Adapter:
    """A copy of the adapter that has seen the images of a grid, to call its hooks without a ViT."""
    adapter: Adapter = case.copy().adapter
    adapter.see(_image(grid))
    return adapter


def _move(adapter: Adapter, by: float) -> None:
    # Of every sign, as one constant may cancel in products.
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in adapter.parameters():
            p.add_(by * torch.randn(p.shape, generator=generator))


def _loss(vit: nn.Module, grid: tuple[int, int]) -> Tensor:
    loss = vit(_image(grid)).square().mean()
    queries = vit.adapter.queries()
    return loss if queries is None else loss + queries.square().mean()


@dataclass(frozen=True, kw_only=True)
class Case:
    """An example of a method and a ViT, both built once; what checks share is computed by the first that needs it."""

    example: Any
    make_vit: MakeViT

    @functools.cached_property
    def attached(self) -> nn.Module:
        """The ViT with the adapter as it starts. No forward has run in it: checks run copies."""
        vit = self.make_vit()
        vit.adapter = self.example.build(_facts(vit))
        attach(vit.adapter, vit)
        return vit

    def copy(self) -> nn.Module:
        return copy.deepcopy(self.attached)

    @functools.cached_property
    def run(self) -> tuple[nn.Module, dict[tuple[int, int], Tensor]]:
        """A copy that has seen both images, and its features."""
        vit = self.copy()
        return vit, {grid: vit(_image(grid)).detach() for grid in (SQUARE, WIDE)}

    @functools.cached_property
    def moved(self) -> tuple[nn.Module, Tensor]:
        """A copy in which every parameter of the adapter has another value, and its features of the wide image."""
        vit = self.copy()
        _move(vit.adapter, 0.05)
        return vit, vit(_image(WIDE)).detach()

    @functools.cached_property
    def trained(self) -> tuple[nn.Module, set[str]]:
        """A copy after two steps of training, and which of the adapter's parameters the first gradient reached."""
        vit = self.copy()
        optimizer = torch.optim.AdamW([p for p in vit.parameters() if p.requires_grad], lr=1e-2)
        reached: set[str] = set()
        for step in range(2):
            optimizer.zero_grad()
            _loss(vit, SQUARE).backward()
            params = vit.adapter.adapter_params().items() if step == 0 else ()
            reached |= {name for name, p in params if p.grad is not None and bool(p.grad.abs().sum() > 0)}
            optimizer.step()
        return vit, reached


def keeps_shape_and_dtype(case: Case) -> None:
    for grid, y in case.run[1].items():
        assert (y.shape, y.dtype) == (_base_features(case.make_vit, grid).shape, torch.float32)


def starts_at_the_frozen_features_if_it_says_so(case: Case) -> None:
    vit, features = case.run
    same = torch.allclose(features[SQUARE], _base_features(case.make_vit, SQUARE), atol=1e-5)
    assert same == vit.adapter.identity_at_init


def counts_its_parameters_in_closed_form(case: Case) -> None:
    counted = sum({id(p): p.numel() for p in case.attached.parameters() if p.requires_grad}.values())
    assert case.example.num_params(_facts(case.attached)) == counted


def gradients_reach_all_but_the_named(case: Case) -> None:
    vit, reached = case.trained
    for name in vit.adapter.adapter_params():
        assert (name in reached) != any(part in name for part in vit.adapter.zero_grad_at_init), name


def training_moves_the_adapter_and_nothing_else(case: Case) -> None:
    vit = case.trained[0]
    before = dict(case.attached.named_parameters())
    own = {id(p) for p in vit.adapter.adapter_params().values()}
    assert dict(vit.named_parameters()).keys() == before.keys()
    for name, p in vit.named_parameters():
        assert torch.equal(p, before[name]) != (id(p) in own), name


def unwrapped_gives_the_base(case: Case) -> None:
    vit, expected = case.moved
    adapter = vit.adapter
    with adapter.unwrapped():
        vit.adapter = None
        assert torch.equal(vit(_image(SQUARE)), _base_features(case.make_vit, SQUARE))
    vit.adapter = adapter
    assert torch.equal(vit(_image(WIDE)), expected)


def merged_is_a_plain_vit_with_the_same_features(case: Case) -> None:
    vit, expected = copy.deepcopy(case.moved[0]), case.moved[1]
    adapter = vit.adapter
    if adapter.why_unmergeable() is not None:
        before = [name for name, _ in vit.named_modules()]
        with pytest.raises(ConfigError, match="cannot be merged"):
            adapter.merge(vit)
        assert [name for name, _ in vit.named_modules()] == before
        return
    adapter.merge(vit)
    vit.adapter = None
    assert vit.state_dict().keys() == case.make_vit().state_dict().keys()
    assert not torch.allclose(expected, _base_features(case.make_vit, WIDE), atol=1e-3)
    torch.testing.assert_close(vit(_image(WIDE)), expected, atol=1e-5, rtol=1e-4)


def state_dict_round_trip(case: Case) -> None:
    (vit, expected), x = case.moved, _image(WIDE)
    other = copy.deepcopy(case.run[0])
    assert not torch.equal(other(x), expected)
    other.adapter.load_state_dict(vit.adapter.state_dict())
    assert torch.equal(other(x), expected)
    assert vit.adapter.state_dict().keys() >= vit.adapter.adapter_params().keys()


def a_deep_copy_is_independent(case: Case) -> None:
    vit = copy.deepcopy(case.run[0])
    twin = copy.deepcopy(vit)
    _move(vit.adapter, 1.0)
    assert torch.equal(twin(_image(WIDE)), case.run[1][WIDE])


def after_block_keeps_the_prefix_and_its_input(case: Case) -> None:
    for grid in (SQUARE, WIDE):
        adapter, x = _alone(case, grid), _tokens(grid)
        before = x.clone()
        for layer in range(4):
            y = adapter.after_block(x, layer, grid)
            assert torch.equal(y[:, :1], before[:, :1])
            assert torch.equal(x, before), "the input must not be changed in place"


def after_block_takes_two_prefix_tokens(case: Case) -> None:
    adapter, x = _alone(case, WIDE), _tokens(WIDE)
    one = adapter.after_block(x, 3, WIDE)
    adapter.num_prefix = 2
    two = adapter.after_block(torch.cat([x[:, :1] + 1, x], dim=1), 3, WIDE)
    torch.testing.assert_close(two[:, 1:], one, atol=1e-6, rtol=0)


def inspect_block_shows_maps_and_vectors_and_changes_nothing(case: Case) -> None:
    adapter, x = _alone(case, WIDE), _tokens(WIDE)
    before, expected = x.clone(), adapter.after_block(x, 3, WIDE)
    views = adapter.inspect_block(x, 3, WIDE)
    assert torch.equal(x, before)
    assert torch.equal(adapter.after_block(x, 3, WIDE), expected)
    for name, view in views.items():
        assert len(name.split("/")) == 2, name
        assert view.shape[1:] == WIDE if view.ndim == 3 else view.ndim == 2
        assert len(view) == len(x)
        assert bool(view.isfinite().all())
    adapter.num_prefix = 2
    shifted = adapter.inspect_block(torch.cat([x[:, :1] + 1, x], dim=1), 3, WIDE)
    for name, view in views.items():
        torch.testing.assert_close(shifted[name], view, atol=1e-5, rtol=0)


def trains_after_inference_mode(case: Case) -> None:
    vit = case.copy()
    with torch.inference_mode():
        vit(_image(SQUARE))
    _loss(vit, SQUARE).backward()


def released_layout_is_read_as_it_is_written(case: Case) -> None:
    cls, adapter = case.example.cls, case.attached.adapter
    if cls.reference_prefix is None:
        with pytest.raises(ConfigError, match="No released checkpoint layout is known"):
            cls.convert_reference({})
        return
    reference = cls.to_reference(adapter.state_dict())
    again = case.copy().adapter
    _move(again, 1.0)
    again.load_state_dict(cls.convert_reference(reference))
    assert all(torch.equal(value, adapter.state_dict()[name]) for name, value in again.state_dict().items())
    shown = cls.reference_settings(reference)
    facts = {"embed_dim": 32, "depth": 4}
    expected = {**case.example.settings, **facts}
    assert {key: tuple(v) if isinstance(v, list) else v for key, v in shown.items()}.items() <= expected.items()
    assert shown.keys() > facts.keys()


def autocast_is_close_to_single_precision(case: Case) -> None:
    vit, features = case.run
    with torch.autocast("cpu", torch.bfloat16):
        y = vit(_image(WIDE))
    assert y.shape == features[WIDE].shape
    torch.testing.assert_close(y.float(), features[WIDE], atol=0.1, rtol=0.05)


def bf16_is_close_to_single_precision(case: Case) -> None:
    vit, expected = copy.deepcopy(case.run[0]).to(torch.bfloat16), case.run[1][WIDE]
    y = vit(_image(WIDE).to(torch.bfloat16))
    assert (y.shape, y.dtype) == (expected.shape, torch.bfloat16)
    torch.testing.assert_close(y.float(), expected, atol=0.1, rtol=0.05)


EVERYWHERE = (
    keeps_shape_and_dtype,
    starts_at_the_frozen_features_if_it_says_so,
    counts_its_parameters_in_closed_form,
    gradients_reach_all_but_the_named,
    training_moves_the_adapter_and_nothing_else,
    unwrapped_gives_the_base,
    merged_is_a_plain_vit_with_the_same_features,
)
CHECKS = {  # By ViT; what cannot differ between ViTs is checked on one.
    "tiny": (
        *EVERYWHERE,
        state_dict_round_trip,
        a_deep_copy_is_independent,
        after_block_keeps_the_prefix_and_its_input,
        after_block_takes_two_prefix_tokens,
        inspect_block_shows_maps_and_vectors_and_changes_nothing,
        trains_after_inference_mode,
        released_layout_is_read_as_it_is_written,
    ),
    "dinov2": (*EVERYWHERE, autocast_is_close_to_single_precision, bf16_is_close_to_single_precision),
    "dinov2_swiglu": EVERYWHERE,
}


def test_methods_are_found() -> None:
    methods = {c for c in MODELS.module_dict.values() if isinstance(c, type) and issubclass(c, Adapter)}
    assert {"EarthAdapter", "Rein", "Lora", "Stack"} <= {c.__name__ for c in methods}
    assert all(getattr(rs_adapt.adapters, c.__name__) is c for c in methods if ".adapters." in c.__module__)


@pytest.mark.parametrize("vit_name", ["tiny", "dinov2", pytest.param("dinov2_swiglu", marks=pytest.mark.slow)])
def test_every_method_meets_the_contract(
    example: object, vit_name: str, vit_maker: Callable[[str], MakeViT], subtests: pytest.Subtests
) -> None:
    case = Case(example=example, make_vit=vit_maker(vit_name))
    for check in CHECKS[vit_name]:
        with subtests.test(check.__name__):
            check(case)
