"""MixStyle: its formula, where it acts, what it leaves alone, and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from scipy.stats import beta
from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.strategies import MixStyle, mix_statistics, mix_style

Tiny = Callable[..., Any]
Batch = Callable[..., dict[str, Any]]


@pytest.fixture
def model(tiny: Tiny) -> Callable[..., MixStyle]:
    """Return a maker of the strategy around the tiny ViT with Earth-Adapter."""

    def make(*, backbone: dict[str, Any] | None = None, **arguments: Any) -> MixStyle:
        given = {"mixstyle_prob": 1.0, "mixstyle_beta": 0.1, "mixstyle_layers": [0, 1]} | arguments
        return MixStyle(segmentor=tiny(**(backbone or {})), **given).train()

    return make


def processed(model: MixStyle, batch: Batch) -> dict[str, Any]:
    data: dict[str, Any] = model.data_preprocessor(batch(0)["source"], True)
    return data


def loss(model: MixStyle, data: dict[str, Any]) -> Tensor:
    losses = model(**data, mode="loss")
    return torch.stack([value for name, value in losses.items() if "loss" in name]).sum()


def mixed_pair(share: float) -> tuple[Tensor, Tensor]:
    x_BND = torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 3.0])[:, None, None]
    shares = torch.tensor([share, 1.0])
    return x_BND, mix_statistics(x_BND, order=torch.tensor([1, 0]), shares=shares, num_prefix=1)


def test_patches_get_the_mixed_moments_and_keep_their_pattern() -> None:
    x_BND, mixed_BND = mixed_pair(0.25)
    before, after = x_BND[:, 1:], mixed_BND[:, 1:]
    for moment in (lambda x: x.mean(dim=1), lambda x: x.std(dim=1, correction=0)):
        torch.testing.assert_close(moment(after)[0], 0.25 * moment(before)[0] + 0.75 * moment(before)[1])
    pattern, pattern_after = ((x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True) for x in (before, after))
    torch.testing.assert_close(pattern, pattern_after)
    # An image with all of its own share, and tokens before the patches.
    torch.testing.assert_close(mixed_BND[1], x_BND[1])
    assert torch.equal(mixed_BND[:, 0], x_BND[:, 0])


def test_no_gradient_flows_through_the_statistics() -> None:
    x_BND, _ = mixed_pair(0.25)
    x_BND.requires_grad_()
    order, shares = torch.tensor([1, 0]), torch.tensor([0.25, 0.5])
    mix_statistics(x_BND, order=order, shares=shares, num_prefix=0)[0].sum().backward()
    std_B1D = x_BND.detach().std(dim=1, keepdim=True, correction=0)
    slope_1D = (0.25 * std_B1D[0] + 0.75 * std_B1D[1]) / std_B1D[0]
    torch.testing.assert_close(x_BND.grad[0], slope_1D.expand(9, -1), rtol=1e-4, atol=1e-5)  # type: ignore[index]
    assert not x_BND.grad[1].any()  # type: ignore[index]


def test_the_dtype_of_the_tokens_stays() -> None:
    x_BND = torch.randn(2, 5, 4).bfloat16()
    mixed = mix_statistics(x_BND, order=torch.tensor([1, 0]), shares=torch.tensor([0.1, 0.2]), num_prefix=1)
    assert mixed.dtype == torch.bfloat16


def test_two_processes_mix_the_batch_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    x_BND, order, shares = torch.randn(4, 6, 3), torch.tensor([2, 3, 1, 0]), torch.rand(4)
    expected = mix_statistics(x_BND, order=order, shares=shares, num_prefix=1)
    # First, what each process knows; then, what both know together.
    known: list[Tensor] = []
    for summed in (lambda rows: known.append(rows.clone()) or rows, lambda rows: known[0] + known[1]):
        results = []
        for rank in (0, 1):
            monkeypatch.setattr(mix_style, "local_slice", lambda count, rank=rank: slice(rank, 2 * count, 2))
            monkeypatch.setattr(mix_style, "sum_over_ranks", summed)
            results.append(mix_statistics(x_BND[rank::2], order=order, shares=shares, num_prefix=1))
    for rank in (0, 1):
        torch.testing.assert_close(results[rank], expected[rank::2])


def test_shares_follow_the_beta_distribution(model: Callable[..., MixStyle], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Tensor] = []
    monkeypatch.setattr(mix_style, "mix_statistics", lambda x, *, shares, **_: drawn.append(shares) or x)
    made = model(mixstyle_beta=0.4)
    for _ in range(200):
        made._mix(0, torch.zeros(8, 2, 2))
    shares = torch.cat(drawn)
    for point in (0.05, 0.3, 0.5, 0.9):
        assert float((shares <= point).double().mean()) == pytest.approx(beta(0.4, 0.4).cdf(point), abs=0.04)


def test_the_probability_holds_for_each_block(model: Callable[..., MixStyle]) -> None:
    made, x_BND = model(mixstyle_prob=0.25), torch.randn(2, 5, 4)
    changed = [made._mix(1, x_BND) is not x_BND for _ in range(400)]
    assert sum(changed) / 400 == pytest.approx(0.25, abs=0.06)
    assert all(made._mix(layer, x_BND) is x_BND for layer in (2, 3) for _ in range(50))


def test_training_alone_is_changed(model: Callable[..., MixStyle], batch: Batch) -> None:
    made, plain = model(), model(mixstyle_prob=0.0)
    data = processed(made, batch)
    torch.manual_seed(0)
    first, second = loss(made, data), loss(made, data)
    torch.manual_seed(0)
    assert torch.equal(loss(made, data), first)
    assert not torch.equal(first, second)
    # Without a probability it is training on the source, with the same draws.
    torch.manual_seed(0)
    of_segmentor = plain.segmentor(**data, mode="loss")
    state = torch.random.get_rng_state()
    torch.manual_seed(0)
    assert torch.equal(loss(plain, data), torch.stack([v for k, v in of_segmentor.items() if "loss" in k]).sum())
    assert torch.equal(torch.random.get_rng_state(), state)
    for mode in (made.train(), made.eval()):
        for _ in range(3):
            assert torch.equal(mode(data["inputs"]), plain(data["inputs"]))


def test_the_change_ends_with_the_loss_and_with_an_error(model: Callable[..., MixStyle], batch: Batch) -> None:
    made = model()
    vit = made.segmentor.backbone
    expected = vit(torch.zeros(2, 3, 32, 32))

    def fail(layer: int, x_BND: Tensor) -> Tensor:
        raise RuntimeError(f"block {layer}")

    with pytest.raises(RuntimeError, match="block 0"), vit.changing_tokens(fail):
        vit(torch.zeros(2, 3, 32, 32))
    for before, after in zip(expected, vit(torch.zeros(2, 3, 32, 32)), strict=True):
        assert torch.equal(before, after)


def test_every_block_shows_its_tokens_and_the_plain_ones_stay(model: Callable[..., MixStyle]) -> None:
    vit, images = model().segmentor.backbone.eval(), torch.randn(2, 3, 32, 32)
    seen: list[tuple[int, Tensor]] = []
    with torch.no_grad():
        expected, base = vit(images), vit.base_tokens(images)
        with vit.changing_tokens(lambda layer, x: seen.append((layer, x)) or x):
            vit(images)
        assert [layer for layer, _ in seen] == [0, 1, 2, 3]
        assert seen[0][1].shape == (2, 17, 32)
        with vit.changing_tokens(lambda layer, x: x * 0 if layer == 3 else x):
            changed = vit(images)
            assert torch.equal(vit.base_tokens(images), base)
    assert all(torch.equal(one, other) for one, other in zip(expected[:3], changed[:3], strict=True))
    assert not changed[3].any()


@pytest.fixture
def frozen(model: Callable[..., MixStyle]) -> Iterator[MixStyle]:
    """The strategy around a frozen ViT without adapter."""
    return model(backbone={"adapter": None, "frozen": True})


def test_gradients_reach_adapter_and_head_alone(model: Callable[..., MixStyle], frozen: MixStyle, batch: Batch) -> None:
    for made, trained in ((model(), {"backbone", "decode_head"}), (frozen, {"decode_head"})):
        loss(made, processed(made, batch)).backward()
        given = {name for name, value in made.segmentor.named_parameters() if value.grad is not None}
        assert {name.split(".")[0] for name in given} == trained
        assert all("adapter" in name or name.startswith("decode_head") for name in given)


def test_what_cannot_be_mixed_is_refused(model: Callable[..., MixStyle], batch: Batch) -> None:
    made = model()
    data = processed(made, batch)
    one = {"inputs": data["inputs"][:1], "data_samples": data["data_samples"][:1]}
    with pytest.raises(ConfigError, match=r"The batch has 1 image, .* --batch-size 2 or more"):
        made(**one, mode="loss")
    assert set(model(mixstyle_prob=0.0)(**one, mode="loss"))
    with pytest.raises(ConfigError, match=r"strategy\.mixstyle_prob is 1\.5"):
        model(mixstyle_prob=1.5)
    with pytest.raises(ConfigError, match=r"strategy\.mixstyle_beta is 0"):
        model(mixstyle_beta=0)
    with pytest.raises(ConfigError, match=r"mixstyle_layers is \[\]; it must name at least one"):
        model(mixstyle_layers=[])
    with pytest.raises(ConfigError, match=r"mixstyle_layers is \[1\]; .* none after block 0"):
        model(mixstyle_layers=[1], backbone={"out_layers": (0,), "level_scales": (1.0,)})
