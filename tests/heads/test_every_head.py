"""What every head of `configs/head/` must do, whatever it is: train, weigh pixels, predict, be saved, adapt."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.config import axes, compose, resolve_cell
from rs_adapt.engine.state import load_trained_tensors, trained_tensors
from rs_adapt.heads.mask_head import MaskHead
from rs_adapt.heads.pixel_head import PixelHead
from rs_adapt.registry import MODELS, load_libraries
from rs_adapt.strategies.pair import head_losses, samples_of
from rs_adapt.strategies.pseudo_labels import probabilities
from rs_adapt.strategies.scoring import scores_of

ALL = axes.values_of_task("head", "segmentation")
# The form for a CPU stands for both: they differ in numbers alone.
HEADS = [name for name in ALL if f"{name}_small" not in ALL]
SIDE_PX, CLASSES = 64, 6


def build(head: str, bench: str = "synthetic-dg", **more: Any) -> Any:
    overrides = [f"bench.crop_px={SIDE_PX}", f"bench.tile_px={SIDE_PX}", *more.pop("overrides", [])]
    cfg = compose(
        resolve_cell(bench, head=head, method=more.pop("method", "earth_adapter"), **more),
        overrides=overrides,
        weights="random",
    )
    load_libraries(cfg.default_scope)
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def images(count: int = 2) -> Tensor:
    return torch.randn(count, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(0))


def labels(count: int = 2) -> Tensor:
    drawn = torch.randint(0, CLASSES, (count, SIDE_PX, SIDE_PX), generator=torch.Generator().manual_seed(0))
    drawn[:, :9] = 255
    return drawn


def total(losses: dict[str, Tensor]) -> Tensor:
    return sum((value for name, value in losses.items() if "loss" in name), torch.zeros(()))


@pytest.fixture(params=HEADS)
def head(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_all_that_trains_gets_a_gradient_and_nothing_else(head: str) -> None:
    model = build(head)
    loss = total(model(images(), samples_of(labels()), mode="loss"))
    assert torch.isfinite(loss)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
    assert any(parameter.grad.any() for parameter in model.decode_head.parameters())


def test_pixels_of_weight_zero_teach_nothing_and_of_weight_one_as_without_weights(head: str) -> None:
    model = build(head)
    features = model.extract_feat(images())
    found = []
    for weights in (None, torch.ones(labels().shape), torch.zeros(labels().shape), 0.25 * torch.ones(labels().shape)):
        torch.manual_seed(0)
        if weights is None:
            found.append(total(model.decode_head.loss(features, samples_of(labels()), None)))
        else:
            found.append(total(head_losses(model, features, labels(), weights)))
    torch.testing.assert_close(torch.stack(found), found[0] * torch.tensor([1.0, 1.0, 0.0, 0.25]))
    assert found[0] > 0


def test_images_without_labels_teach_nothing(head: str) -> None:
    model = build(head)
    unlabelled = torch.full_like(labels(), 255)
    loss = total(model(images(), samples_of(unlabelled), mode="loss"))
    torch.testing.assert_close(loss, torch.zeros(()))


def test_prediction_is_of_the_images_size_and_each_image_by_itself(head: str) -> None:
    model = build(head).eval()
    with torch.no_grad():
        scores = scores_of(model, model.extract_feat(images()), images())
        alone = scores_of(model, model.extract_feat(images()[1:]), images()[1:])
    assert scores.shape == (2, CLASSES, SIDE_PX, SIDE_PX)
    torch.testing.assert_close(scores[1:], alone, atol=1e-4, rtol=1e-4)
    shares = probabilities(scores, model.decode_head.score_kind).sum(dim=1)
    torch.testing.assert_close(shares, torch.ones_like(shares), atol=1e-4, rtol=1e-4)


def test_the_tensors_of_a_pack_are_the_model(head: str) -> None:
    trained, fresh = build(head), build(head)
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    # Running statistics move too, where there are any.
    trained(images(), samples_of(labels()), mode="loss")
    load_trained_tensors(fresh, trained_tensors(trained), "pack")
    with torch.no_grad():
        expected, found = (scores_of(m, m.extract_feat(images()), images()) for m in (trained.eval(), fresh.eval()))
    torch.testing.assert_close(found, expected)


def test_it_trains_in_bfloat16(head: str) -> None:
    model = build(head)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = total(model(images(), samples_of(labels()), mode="loss"))
    assert torch.isfinite(loss)
    loss.backward()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert scores_of(model, model.extract_feat(images()), images()).dtype == torch.float32


@pytest.mark.parametrize("strategy", ["dacs", "mic"])
def test_it_learns_from_pseudo_labels(head: str, strategy: str) -> None:
    model = build(head, "synthetic-da", strategy=strategy, overrides=["strategy.warmup_iters=0"])
    source = {"inputs": images(), "data_samples": samples_of(labels())}
    target = {"inputs": images().flip(3), "data_samples": samples_of(torch.full_like(labels(), 255))}
    losses = model.loss(source, target)
    assert {name.split(".")[0] for name in losses} == {"source", "mix"} | ({"masked"} if strategy == "mic" else set())
    total(losses).backward()
    assert all(torch.isfinite(value).all() for value in losses.values())
    assert all(p.grad is not None for p in model.segmentor.decode_head.parameters())


def test_every_class_of_heads_has_a_file() -> None:
    import rs_adapt.heads

    types = {axes.load("head", name)["model"]["decode_head"]["type"] for name in ALL}
    assert types == {f"rs_adapt.{name}" for name in rs_adapt.heads.__all__}
    for name in rs_adapt.heads.__all__:
        assert issubclass(getattr(rs_adapt.heads, name), PixelHead | MaskHead)
