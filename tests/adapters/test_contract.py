"""What every PEFT method must keep; a new method is found in the registry and gives its settings in `examples()`."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import rs_adapt.adapters
from rs_adapt.adapters import Adapter, attach
from rs_adapt.errors import ConfigError
from rs_adapt.registry import MODELS

MakeViT = Callable[[], nn.Module]
GRIDS = [(6, 6), (4, 7)]
PATCH_PX = 8
FACTS = ("embed_dim", "depth", "patch_px", "mlp_dim", "gated_mlp")
METHODS = sorted(
    (c for c in MODELS.module_dict.values() if isinstance(c, type) and issubclass(c, Adapter)), key=lambda c: c.__name__
)
CASES = [pytest.param(c, k, id=f"{c.__name__}-{i}") for c in METHODS for i, k in enumerate(c.examples())]


def _arguments(function: Callable[..., Any], kwargs: dict[str, Any], vit: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    every = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
    names = {parameter.name for parameter in parameters}
    given = {key: getattr(vit, key) for key in FACTS} | kwargs
    return {key: value for key, value in given.items() if every or key in names}


def _build(cls: type[Adapter], kwargs: dict[str, Any], vit: nn.Module) -> Adapter:
    torch.manual_seed(0)
    return cls(**_arguments(cls, kwargs, vit))


def _attached(cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT) -> nn.Module:
    vit = make_vit()
    vit.adapter = _build(cls, kwargs, vit)
    attach(vit.adapter, vit)
    return vit


def _image(grid: tuple[int, int], dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(2, 3, grid[0] * PATCH_PX, grid[1] * PATCH_PX, generator=generator).to(dtype)


def _tokens(grid: tuple[int, int]) -> Tensor:
    return torch.randn(2, 1 + grid[0] * grid[1], 32, generator=torch.Generator().manual_seed(3))


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


def test_methods_are_found() -> None:
    assert {"EarthAdapter", "Rein", "Lora", "Stack"} <= {c.__name__ for c in METHODS}
    assert all(getattr(rs_adapt.adapters, c.__name__) is c for c in METHODS)


@pytest.mark.parametrize(("cls", "kwargs"), CASES)
class TestContract:
    """One set of checks for all methods."""

    @pytest.mark.parametrize("grid", GRIDS)
    def test_shape_and_dtype(
        self, cls: type[Adapter], kwargs: dict[str, Any], make_any_vit: MakeViT, grid: tuple[int, int]
    ) -> None:
        x = _image(grid)
        y, base = _attached(cls, kwargs, make_any_vit)(x), make_any_vit()(x)
        assert y.shape == base.shape
        assert y.dtype == x.dtype

    @pytest.mark.parametrize("precision", ["autocast", "bf16"])
    def test_reduced_precision(
        self, cls: type[Adapter], kwargs: dict[str, Any], make_dinov2: MakeViT, precision: str
    ) -> None:
        vit, x = _attached(cls, kwargs, make_dinov2), _image(GRIDS[1])
        expected = vit(x)
        if precision == "bf16":
            vit, x = vit.to(torch.bfloat16), x.to(torch.bfloat16)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "autocast"):
            y = vit(x)
        assert y.shape == expected.shape
        if precision == "bf16":
            assert y.dtype == x.dtype
        torch.testing.assert_close(y.float(), expected, atol=0.1, rtol=0.05)

    @pytest.mark.parametrize("grid", GRIDS)
    def test_after_block_keeps_prefix(
        self, cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT, grid: tuple[int, int]
    ) -> None:
        adapter, x = _build(cls, kwargs, make_vit()), _tokens(grid)
        before = x.clone()
        for layer in range(4):
            y = adapter.after_block(x, layer, grid)
            assert torch.equal(y[:, :1], before[:, :1])
            assert torch.equal(x, before), "the input must not be changed in place"

    def test_what_there_is_to_see(self, cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT) -> None:
        adapter, x, grid = _build(cls, kwargs, make_vit()), _tokens((4, 7)), (4, 7)
        before, expected = x.clone(), adapter.after_block(x, 3, grid)
        views = adapter.look(x, 3, grid)
        assert torch.equal(x, before)
        assert torch.equal(adapter.after_block(x, 3, grid), expected)
        for name, view in views.items():
            assert len(name.split("/")) == 2, name
            assert view.shape[1:] == grid if view.ndim == 3 else view.ndim == 2
            assert len(view) == len(x)
            assert bool(view.isfinite().all())
        adapter.num_prefix = 2
        shifted = adapter.look(torch.cat([x[:, :1] + 1, x], dim=1), 3, grid)
        for name, view in views.items():
            torch.testing.assert_close(shifted[name], view, atol=1e-5, rtol=0)

    def test_two_prefix_tokens(self, cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT) -> None:
        adapter, x, grid = _build(cls, kwargs, make_vit()), _tokens((4, 7)), (4, 7)
        one = adapter.after_block(x, 3, grid)
        adapter.num_prefix = 2
        two = adapter.after_block(torch.cat([x[:, :1] + 1, x], dim=1), 3, grid)
        torch.testing.assert_close(two[:, 1:], one, atol=1e-6, rtol=0)

    def test_identity_at_init(self, cls: type[Adapter], kwargs: dict[str, Any], make_any_vit: MakeViT) -> None:
        vit, x = _attached(cls, kwargs, make_any_vit), _image(GRIDS[0])
        same = torch.allclose(vit(x), make_any_vit()(x), atol=1e-5)
        assert same == vit.adapter.identity_at_init

    def test_only_adapter_moves(self, cls: type[Adapter], kwargs: dict[str, Any], make_any_vit: MakeViT) -> None:
        vit = _attached(cls, kwargs, make_any_vit)
        own = {id(p) for p in vit.adapter.adapter_params().values()}
        before = {name: p.detach().clone() for name, p in vit.named_parameters()}
        optimizer = torch.optim.AdamW([p for p in vit.parameters() if p.requires_grad], lr=1e-2)
        for _ in range(2):
            optimizer.zero_grad()
            _loss(vit, GRIDS[0]).backward()
            optimizer.step()
        for name, p in vit.named_parameters():
            assert torch.equal(p, before[name]) != (id(p) in own), name

    def test_gradients_reach_all(self, cls: type[Adapter], kwargs: dict[str, Any], make_any_vit: MakeViT) -> None:
        vit = _attached(cls, kwargs, make_any_vit)
        _loss(vit, GRIDS[0]).backward()
        for name, p in vit.adapter.adapter_params().items():
            reached = p.grad is not None and bool(p.grad.abs().sum() > 0)
            assert reached != any(part in name for part in vit.adapter.zero_grad_at_init), name

    def test_state_dict_round_trip(self, cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT) -> None:
        vit, other = _attached(cls, kwargs, make_vit), _attached(cls, kwargs, make_vit)
        _move(vit.adapter, 0.1)
        x = _image(GRIDS[1])
        expected = vit(x)
        assert not torch.equal(other(x), expected)
        other.adapter.load_state_dict(vit.adapter.state_dict())
        assert torch.equal(other(x), expected)
        assert vit.adapter.state_dict().keys() >= vit.adapter.adapter_params().keys()

    def test_closed_form_count(self, cls: type[Adapter], kwargs: dict[str, Any], make_any_vit: MakeViT) -> None:
        vit = _attached(cls, kwargs, make_any_vit)
        counted = sum({id(p): p.numel() for p in vit.parameters() if p.requires_grad}.values())
        assert cls.num_params(**_arguments(cls.num_params, kwargs, vit)) == counted

    def test_deepcopy(self, cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT) -> None:
        vit, x = _attached(cls, kwargs, make_vit), _image(GRIDS[1])
        expected = vit(x).detach()
        twin = copy.deepcopy(vit)
        _move(vit.adapter, 1.0)
        assert torch.equal(twin(x), expected)

    def test_compile(self, cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT) -> None:
        vit, x = _attached(cls, kwargs, make_vit), _image(GRIDS[1])
        torch._dynamo.reset()
        # The whole forward must be one graph; what a compiler makes of the graph is not for this test.
        whole = vit.adapter.compiles_as_one_graph
        compiled = torch.compile(copy.deepcopy(vit), backend="eager", fullgraph=whole, dynamic=False)
        torch.testing.assert_close(compiled(x), vit(x), atol=1e-5, rtol=1e-5)

    def test_unwrapped_gives_the_base(self, cls: type[Adapter], kwargs: dict[str, Any], make_any_vit: MakeViT) -> None:
        vit, base, x = _attached(cls, kwargs, make_any_vit), make_any_vit(), _image(GRIDS[0])
        _move(vit.adapter, 0.1)
        expected, adapter = vit(x), vit.adapter
        with adapter.unwrapped():
            vit.adapter = None
            assert torch.equal(vit(x), base(x))
        vit.adapter = adapter
        assert torch.equal(vit(x), expected)

    def test_merged_is_a_plain_vit_with_the_same_output(
        self, cls: type[Adapter], kwargs: dict[str, Any], make_any_vit: MakeViT
    ) -> None:
        vit, x = _attached(cls, kwargs, make_any_vit), _image(GRIDS[1])
        _move(vit.adapter, 0.05)
        adapter, expected = vit.adapter, vit(x)
        if adapter.why_unmergeable() is not None:
            before = [name for name, _ in vit.named_modules()]
            with pytest.raises(ConfigError, match="cannot be merged"):
                adapter.merge(vit)
            assert [name for name, _ in vit.named_modules()] == before
            return
        adapter.merge(vit)
        vit.adapter = None
        assert vit.state_dict().keys() == make_any_vit().state_dict().keys()
        assert not torch.allclose(expected, make_any_vit()(x), atol=1e-3)
        torch.testing.assert_close(vit(x), expected, atol=1e-5, rtol=1e-4)

    def test_inference_mode_then_training(self, cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT) -> None:
        vit = _attached(cls, kwargs, make_vit)
        with torch.inference_mode():
            vit(_image(GRIDS[0]))
        _loss(vit, GRIDS[0]).backward()

    def test_released_layout_is_read_as_it_is_written(
        self, cls: type[Adapter], kwargs: dict[str, Any], make_vit: MakeViT
    ) -> None:
        adapter = _build(cls, kwargs, make_vit())
        if cls.reference_prefix is None:
            with pytest.raises(ConfigError, match="knows no reference checkpoint layout"):
                cls.convert_reference({})
            return
        reference = cls.to_reference(adapter.state_dict())
        again = _build(cls, kwargs, make_vit())
        _move(again, 1.0)
        again.load_state_dict(cls.convert_reference(reference))
        assert all(torch.equal(value, adapter.state_dict()[name]) for name, value in again.state_dict().items())
        shown = cls.reference_settings(reference)
        facts = {"embed_dim": 32, "depth": 4}
        assert {key: tuple(v) if isinstance(v, list) else v for key, v in shown.items()}.items() <= (
            kwargs | facts
        ).items()
        assert shown.keys() > facts.keys()


def test_attach_names_undeclared_parameter(make_vit: MakeViT) -> None:
    class Careless(Adapter):
        def wrap(self, vit: nn.Module) -> None:
            vit.extra = nn.Linear(2, 2)

    with pytest.raises(AssertionError, match=r"extra\.weight"):
        attach(Careless(), make_vit())


def test_attach_names_frozen_parameter(make_vit: MakeViT) -> None:
    class Idle(Adapter):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(1), requires_grad=False)

    with pytest.raises(AssertionError, match="gain"):
        attach(Idle(), make_vit())


def test_attach_accepts_a_wrapping_method(make_vit: MakeViT) -> None:
    class Branch(nn.Module):
        def __init__(self, base: nn.Linear) -> None:
            super().__init__()
            self.base, self.gain = base, nn.Parameter(torch.zeros(1))

        def forward(self, x: Tensor) -> Tensor:
            return self.base(x) + self.gain

    class Bias(Adapter):
        def wrap(self, vit: nn.Module) -> None:
            branch = Branch(vit.blocks[0].attn_q)
            vit.blocks[0].replace("attn_q", branch)
            self.register_parameter("gain", branch.gain)

    vit, adapter = make_vit(), Bias()
    attach(adapter, vit)
    assert [name.rpartition(".")[2] for name, p in vit.named_parameters() if p.requires_grad] == ["gain"]
    assert list(adapter.adapter_params()) == ["gain"]
