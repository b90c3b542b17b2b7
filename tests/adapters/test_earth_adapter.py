"""Earth-Adapter against the plain FFT form, the golden vectors and the published parameter counts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from rs_adapt.adapters._earth_adapter_plain import Bottleneck, earth_adapter_plain, low_pass
from rs_adapt.adapters.earth_adapter import EarthAdapter
from rs_adapt.errors import ConfigError

GOLDEN = Path(__file__).parents[1] / "golden" / "earth_adapter_dim16_cut0.3.safetensors"
GRIDS = [(8, 8), (5, 5), (7, 7), (6, 9), (9, 4), (11, 7), (12, 20)]


def _adapter(
    grid: tuple[int, int] = (8, 8), *, cutoff: float = 0.6, dtype: torch.dtype = torch.float64
) -> EarthAdapter:
    torch.manual_seed(grid[0] * 100 + grid[1])
    return EarthAdapter(embed_dim=12, depth=2, rank=5, frequency_layers=(1,), cutoff=cutoff).to(dtype)


def _tokens(grid: tuple[int, int], dim: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(2, 1 + grid[0] * grid[1], dim, generator=generator, dtype=torch.float64)


def _plain(adapter: EarthAdapter, x: Tensor, layer: int, grid: tuple[int, int]) -> Tensor:
    layers, r = adapter.layers[layer], adapter.rank
    experts = tuple(
        Bottleneck(
            down_RD=layers.down_weight[i * r : (i + 1) * r],
            down_bias_R=layers.down_bias[i * r : (i + 1) * r],
            up_DR=layers.up_weight[:, i * r : (i + 1) * r],
            up_bias_D=layers.up_weight[:, layers.num_experts * r + i],
        )
        for i in range(layers.num_experts)
    )
    router = (layers.down_weight[3 * r :], layers.down_bias[3 * r :]) if layers.num_experts == 3 else None
    half_hw = int(grid[0] * adapter.cutoff // 2), int(grid[1] * adapter.cutoff // 2)
    return earth_adapter_plain(x, grid, experts=experts, router=router, scale=adapter.scale[layer], half_hw=half_hw)


@pytest.mark.parametrize("cutoff", [0.0, 0.3, 0.6, 1.0])
@pytest.mark.parametrize("grid", GRIDS)
def test_output_equals_the_plain_fft(grid: tuple[int, int], cutoff: float) -> None:
    adapter, x = _adapter(grid, cutoff=cutoff), _tokens(grid)
    for layer in (0, 1):
        expected = _plain(adapter, x, layer, grid)
        torch.testing.assert_close(adapter.after_block(x, layer, grid), expected, atol=1e-11, rtol=0)


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("grid", [(7, 7), (6, 9)])
def test_gradients_equal_the_plain_fft(grid: tuple[int, int], layer: int) -> None:
    adapter, x = _adapter(grid), _tokens(grid).requires_grad_()
    wanted = [x, adapter.scale, *adapter.layers[layer].parameters()]
    weight = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    ours = torch.autograd.grad(adapter.after_block(x, layer, grid), wanted, weight)
    plain = torch.autograd.grad(_plain(adapter, x, layer, grid), wanted, weight)
    for got, expected in zip(ours, plain, strict=True):
        torch.testing.assert_close(got, expected, atol=1e-10, rtol=1e-10)


def test_gradients_pass_gradcheck() -> None:
    adapter = _adapter((3, 4), cutoff=0.9)
    x = _tokens((3, 4)).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: adapter.after_block(v, 1, (3, 4)), (x,))


def test_low_pass_of_known_waves() -> None:
    """On 8 x 8 with c = 2 the bins -2 .. 1 stay: a wave of one bin passes, of two bins halves, of three vanishes."""
    adapter = _adapter((8, 8), cutoff=0.5)
    column = torch.arange(8, dtype=torch.float64) * (2 * torch.pi / 8)
    for bins, kept in ((0, 1.0), (1, 1.0), (2, 0.5), (3, 0.0)):
        wave = (bins * column).cos().repeat(8).view(1, 64, 1)
        torch.testing.assert_close(adapter._low_pass(wave, (8, 8)), kept * wave, atol=1e-12, rtol=0)
        torch.testing.assert_close(low_pass(wave, (8, 8), (2, 2)), kept * wave, atol=1e-12, rtol=0)


@pytest.mark.parametrize("grid", [(32, 32), (16, 32), (32, 16)])
def test_the_same_wavelengths_are_low_on_every_grid(grid: tuple[int, int]) -> None:
    """With a cutoff of 0.3, waves of 10.7 tokens pass and waves of 5.3 do not, along whichever side they run."""
    adapter = _adapter(grid, cutoff=0.3)
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in grid), indexing="ij")
    for place, side in ((rows, grid[0]), (columns, grid[1])):
        for wavelength, passes in ((32 / 3, True), (32 / 6, False)):
            if side % wavelength > 1e-9 and side != 32:
                continue  # no whole number of waves
            wave = (2 * torch.pi * place / wavelength).cos().reshape(1, -1, 1)
            expected = wave if passes else torch.zeros_like(wave)
            torch.testing.assert_close(adapter._low_pass(wave, grid), expected, atol=1e-11, rtol=0)


@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 0.005), (torch.float16, 0.001)])
def test_frequencies_are_computed_in_float32_under_autocast(dtype: torch.dtype, most: float) -> None:
    adapter, grid = _adapter((32, 32), cutoff=0.3, dtype=torch.float32), (32, 32)
    with torch.no_grad():
        adapter.scale.fill_(1.0)
        # The high expert alone, without biases.
        adapter.layers[1].down_weight[15:], adapter.layers[1].down_bias[:15] = 0.0, 0.0
        adapter.layers[1].down_bias[15:], adapter.layers[1].up_weight[:, 15:] = torch.tensor([-50.0, -50.0, 50.0]), 0.0
    x = _tokens(grid).float()
    # One channel a hundred times as large as the others, and even: no high frequency is of it.
    x[..., 0] += 100.0
    exact = _plain(adapter.double(), x.double(), 1, grid) - x
    with torch.no_grad(), torch.autocast("cpu", dtype=dtype):
        update = adapter.float().after_block(x, 1, grid) - x
    assert update.dtype == torch.float32
    assert ((update.double() - exact).norm() / exact.norm()).item() < most


def test_the_two_frequency_parts_add_up_to_the_input() -> None:
    grid = (6, 9)
    adapter, patches = _adapter(grid), _tokens(grid)[:, 1:]
    low, high = adapter.frequency_parts(patches, grid)
    torch.testing.assert_close(low + high, patches, atol=1e-12, rtol=0)
    torch.testing.assert_close(low, low_pass(patches, grid, (int(6 * 0.6 // 2), int(9 * 0.6 // 2))), atol=1e-12, rtol=0)
    views = adapter.inspect_block(_tokens(grid), 1, grid)
    torch.testing.assert_close(views["frequency_norm/low"].flatten(1), low.norm(dim=-1))
    torch.testing.assert_close(views["frequency_norm/high"].flatten(1), high.norm(dim=-1))


def test_an_even_image_has_no_high_frequencies() -> None:
    adapter, x = _adapter((4, 5)), torch.ones(1, 21, 12, dtype=torch.float64)
    views = adapter.inspect_block(x, 1, (4, 5))
    torch.testing.assert_close(views["frequency_norm/low"], torch.full((1, 4, 5), 12**0.5, dtype=torch.float64))
    assert views["frequency_norm/high"].max() < 1e-12


def test_inspected_router_weights_are_those_that_mix() -> None:
    grid = (4, 5)
    adapter, x = _adapter(grid), _tokens(grid)
    views = adapter.inspect_block(x, 1, grid)
    weights = torch.stack([views[f"router_weight/{name}"] for name in ("spatial", "low", "high")])
    torch.testing.assert_close(weights.sum(dim=0), torch.ones(2, 4, 5, dtype=torch.float64))
    assert weights.std() > 0.01
    # Logits 0, 0 and log 2 for every patch: shares of a quarter, a quarter and a half.
    with torch.no_grad():
        adapter.layers[1].down_weight[15:] = 0
        adapter.layers[1].down_bias[15:] = torch.tensor([0.0, 0.0, 2.0]).double().clamp_min(1).log()
    even = adapter.inspect_block(x, 1, grid)
    for name, share in (("spatial", 0.25), ("low", 0.25), ("high", 0.5)):
        assert even[f"router_weight/{name}"].sub(share).abs().max() < 1e-12
    assert adapter.inspect_block(x, 0, grid) == {}


def test_operators_are_cached_outside_the_state_dict() -> None:
    adapter = _adapter()
    names = set(adapter.state_dict())
    adapter.after_block(_tokens((8, 8)), 1, (8, 8))
    first = dict(adapter._operators)
    adapter.after_block(_tokens((8, 8)), 1, (8, 8))
    assert set(adapter.state_dict()) == names
    assert len(first) == 1
    assert all(adapter._operators[k] is v for k, v in first.items())


def test_bfloat16_low_pass_is_close() -> None:
    adapter, grid = _adapter((32, 32), cutoff=0.3), (32, 32)
    z = _tokens(grid)[:, 1:]
    exact = low_pass(z, grid, (4, 4))
    error = (adapter._low_pass(z.bfloat16(), grid).double() - exact).norm() / exact.norm()
    assert error < 0.01


def test_outputs_equal_the_golden_vectors() -> None:
    with safe_open(str(GOLDEN), "pt") as file:
        metadata = file.metadata()
        data = {name: file.get_tensor(name) for name in file.keys()}
    fft_layers = json.loads(metadata["fft_layer"])
    adapter = EarthAdapter(
        embed_dim=1024, depth=24, rank=int(metadata["dim"]), frequency_layers=fft_layers,
        cutoff=float(metadata["cutoff_ratio"]),
    )  # fmt: skip
    state = {k.removeprefix("state."): v for k, v in data.items() if k.startswith("state.")}
    result = adapter.load_state_dict(EarthAdapter.convert_reference(state), strict=False)
    assert not result.unexpected_keys
    assert not [k for k in result.missing_keys if k.startswith(("scale", "layers.0.", "layers.21."))]
    x = torch.from_numpy(np.random.RandomState(12).standard_normal((1, 1025, 1024)).astype(np.float32))
    for layer in json.loads(metadata["layers"]):
        delta = (adapter.after_block(x, layer, (32, 32)) - x)[..., ::4]
        assert data[f"delta.layer{layer}"].abs().max() > 0.01
        torch.testing.assert_close(delta, data[f"delta.layer{layer}"], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("rank", "num_frequency", "count"), [(64, 3, 3_974_049), (16, 3, 1_023_489), (32, 6, 2_415_786), (32, 3, 2_007_009)]
)
def test_parameter_counts_are_the_published_ones(rank: int, num_frequency: int, count: int) -> None:
    layers = range(num_frequency)
    assert EarthAdapter.num_params(embed_dim=1024, depth=24, rank=rank, frequency_layers=layers) == count
    with torch.device("meta"):
        built = EarthAdapter(embed_dim=1024, depth=24, rank=rank, frequency_layers=layers, cutoff=0.3)
    assert sum(p.numel() for p in built.parameters()) == count


def test_start_values_are_in_their_range() -> None:
    torch.manual_seed(0)
    adapter = EarthAdapter(embed_dim=400, depth=2, rank=100, frequency_layers=[1], cutoff=0.3, scale_init=0.25)
    assert torch.equal(adapter.scale, torch.full((2,), 0.25))
    for layer in adapter.layers:
        for param, limit in ((layer.down_weight, 0.05), (layer.down_bias, 0.05), (layer.up_weight, 0.1)):
            assert 0.95 * limit < param.abs().max() <= limit


def _reference_state(depth: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    state = {"scale": torch.rand(depth, generator=generator)}
    for layer in range(depth):
        for expert in (1, 2, 3):
            for part, shape in (("0.weight", (5, 12)), ("0.bias", (5,)), ("2.weight", (12, 5)), ("2.bias", (12,))):
                state[f"mlp_list{expert}.{layer}.{part}"] = torch.randn(shape, generator=generator)
        state[f"router.{layer}.weight"] = torch.randn(3, 12, generator=generator)
        state[f"router.{layer}.bias"] = torch.randn(3, generator=generator)
        state[f"layer_norm.{layer}.weight"] = torch.ones(12)
    return state


def test_convert_reference_full_state() -> None:
    adapter, state = _adapter(dtype=torch.float32), _reference_state(2)
    adapter.load_state_dict(EarthAdapter.convert_reference(state))
    grid, x = (6, 9), _tokens((6, 9)).float()
    experts = tuple(
        Bottleneck(
            down_RD=state[f"mlp_list{e}.1.0.weight"], down_bias_R=state[f"mlp_list{e}.1.0.bias"],
            up_DR=state[f"mlp_list{e}.1.2.weight"], up_bias_D=state[f"mlp_list{e}.1.2.bias"],
        )
        for e in (1, 2, 3)
    )  # fmt: skip
    router = (state["router.1.weight"], state["router.1.bias"])
    expected = earth_adapter_plain(x, grid, experts=experts, router=router, scale=state["scale"][1], half_hw=(1, 2))
    torch.testing.assert_close(adapter.after_block(x, 1, grid), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("name", ["mlp_list4.0.0.weight", "mlp_list1.0.1.weight", "router.1.0.weight", "scales"])
def test_convert_reference_refuses_unknown_names(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        EarthAdapter.convert_reference({name: torch.zeros(1)})


def test_convert_reference_names_what_a_frequency_layer_lacks() -> None:
    state = {k: v for k, v in _reference_state(2).items() if k != "mlp_list3.1.2.bias"}
    with pytest.raises(ConfigError, match=r"layer 1 .* lacks mlp_list3\.1\.2\.bias"):
        EarthAdapter.convert_reference(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": 0}, "rank is 0"),
        ({"cutoff": 1.1}, "cutoff is 1.1"),
        ({"cutoff": -0.1}, "cutoff is -0.1"),
        ({"frequency_layers": (2,)}, "indices from 0 to 1"),
        ({"frequency_layers": (0, 0)}, "distinct"),
        ({"frequency_layers": "last 1"}, "resolved with the backbone's depth"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, object], message: str) -> None:
    good = {"embed_dim": 12, "depth": 2, "rank": 5, "frequency_layers": (1,), "cutoff": 0.3}
    with pytest.raises(ConfigError, match=message):
        EarthAdapter(**{**good, **change})
