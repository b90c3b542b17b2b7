from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.heads import Mask2FormerHead

GOLDEN = Path(__file__).parents[1] / "golden" / "mask2former_tiny.safetensors"
SMALL: dict[str, Any] = {
    "num_classes": 3,
    "channels": 32,
    "num_queries": 5,
    "encoder_layers": 1,
    "decoder_layers": 3,
    "num_heads": 4,
    "encoder_ffn": 32,
    "decoder_ffn": 32,
    "num_points": 128,
}


class LinkedFeatures(tuple[Tensor, ...]):
    """Feature maps that bring query positions along, as an adapter's backbone returns them."""

    queries: Tensor | None = None


def head(**changes: object) -> Mask2FormerHead:
    torch.manual_seed(0)
    return Mask2FormerHead(**(SMALL | {"in_channels": [16] * 4} | changes))


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with safe_open(GOLDEN, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}


@pytest.fixture(scope="module")
def golden_head(golden: dict[str, Tensor]) -> Mask2FormerHead:
    built = Mask2FormerHead(
        in_channels=[32] * 4,
        num_classes=7,
        channels=64,
        num_queries=12,
        encoder_layers=2,
        decoder_layers=3,
        encoder_ffn=256,
        decoder_ffn=512,
    )
    state = {name.removeprefix("state."): value for name, value in golden.items() if name.startswith("state.")}
    built.load_state_dict(Mask2FormerHead.convert_reference(state))
    return built.eval()


def test_forward_equals_the_golden_vectors(golden: dict[str, Tensor], golden_head: Mask2FormerHead) -> None:
    with torch.no_grad():
        classes, masks = golden_head([golden[f"input{i}"] for i in range(4)])
    assert len(classes) == len(masks) == 4
    for i in range(4):
        torch.testing.assert_close(classes[i], golden[f"cls{i}"], atol=1e-5, rtol=0)
        torch.testing.assert_close(masks[i], golden[f"mask{i}"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("max_upsampled", [2**22, 128 * 128 * 5])
def test_prediction_equals_the_golden_vectors(
    max_upsampled: int, golden: dict[str, Tensor], golden_head: Mask2FormerHead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rs_adapt.heads.mask_head.MAX_UPSAMPLED", max_upsampled)
    with torch.no_grad():
        scores = golden_head.predict([golden[f"input{i}"] for i in range(4)], [{"img_shape": (128, 128)}] * 2, None)
    assert scores.shape == (2, 7, 128, 128)
    torch.testing.assert_close(scores[..., ::4, ::4], golden["semantic_logits"], atol=1e-5, rtol=0)


def test_golden_under_autocast_stays_close(golden: dict[str, Tensor], golden_head: Mask2FormerHead) -> None:
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        scores = golden_head.predict([golden[f"input{i}"] for i in range(4)], [{"img_shape": (128, 128)}] * 2, None)
    assert scores.dtype == torch.float32
    difference = (scores[..., ::4, ::4] - golden["semantic_logits"]).abs()
    assert difference.mean() < 0.02 * golden["semantic_logits"].mean()


def test_convert_reference_accepts_part_of_a_head_and_drops_the_unused_classifier() -> None:
    state = {"query_feat.weight": torch.ones(2, 4), "conv_seg.weight": torch.ones(1)}
    assert set(Mask2FormerHead.convert_reference(state)) == {"query_feat.weight"}


def test_convert_reference_splits_stacked_projections() -> None:
    stacked = torch.arange(12.0).view(6, 2)
    converted = Mask2FormerHead.convert_reference(
        {"transformer_decoder.layers.4.self_attn.attn.in_proj_weight": stacked}
    )
    assert torch.equal(converted["decoder.layers.4.self_attn.k_proj.weight"], stacked[2:4])
    assert len(converted) == 3


def test_convert_reference_refuses_unknown_names() -> None:
    with pytest.raises(ConfigError, match="decode_head"):
        Mask2FormerHead.convert_reference({"decode_head.query_feat.weight": torch.ones(1)})


@pytest.mark.parametrize("grid", [(4, 4), (5, 7), (3, 2), (1, 1)])
@pytest.mark.parametrize("patch_px", [14, 16])
def test_images_of_any_size_are_predicted(
    grid: tuple[int, int], patch_px: int, pyramid: Callable[..., list[Tensor]]
) -> None:
    features, size = pyramid(grid=grid), (grid[0] * patch_px, grid[1] * patch_px)
    built = head()
    classes, masks = built(features)
    assert [c.shape for c in classes] == [(2, 5, 4)] * 4
    assert [m.shape for m in masks] == [(2, 5, grid[0] * 4, grid[1] * 4)] * 4
    scores = built.predict(features, [{"img_shape": size}] * 2, None)
    assert scores.shape == (2, 3, *size)
    assert scores.min() >= 0
    assert torch.isfinite(scores).all()


def test_linked_queries_replace_positions(pyramid: Callable[..., list[Tensor]]) -> None:
    features, learned, linked = pyramid(), head(), head(learned_query_pos=False)
    assert linked.query_embed is None
    assert learned.query_embed is not None
    state = {name: value for name, value in learned.state_dict().items() if not name.startswith("query_embed")}
    linked.load_state_dict(state)
    positions = learned.query_embed.weight.detach()
    expected = learned(features)
    carried = LinkedFeatures(features)
    carried.queries = positions
    for classes, masks in (linked(features, positions), linked(carried)):
        assert torch.equal(classes[-1], expected[0][-1])
        assert torch.equal(masks[-1], expected[1][-1])
    carried.queries = positions + 1
    assert not torch.equal(linked(carried)[1][-1], expected[1][-1])


def test_features_without_queries_use_learned_positions(pyramid: Callable[..., list[Tensor]]) -> None:
    built, features = head(), pyramid()
    assert torch.equal(built(LinkedFeatures(features))[1][-1], built(features)[1][-1])


def test_missing_and_misshapen_queries_are_errors(pyramid: Callable[..., list[Tensor]]) -> None:
    with pytest.raises(ConfigError, match="learned_query_pos"):
        head(learned_query_pos=False)(pyramid())
    with pytest.raises(ConfigError, match=r"\(7, 32\).*\(5, 32\)"):
        head()(pyramid(), torch.zeros(7, 32))


@pytest.mark.parametrize(
    ("changes", "message"), [({"in_channels": [16] * 3}, "3 levels"), ({"channels": 48}, "multiple of 32")]
)
def test_impossible_sizes_are_errors(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        head(**changes)


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("ignored", [False, True])
def test_every_parameter_gets_a_gradient(
    linked: bool, ignored: bool, pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]]
) -> None:
    built, features = head(learned_query_pos=not linked), LinkedFeatures(pyramid())
    queries = torch.randn(5, 32, requires_grad=True)
    features.queries = queries if linked else None
    labels = torch.full((2, 64, 64), 255) if ignored else torch.randint(0, 3, (2, 64, 64))
    losses = built.loss(features, samples(labels), None)
    assert all(torch.isfinite(value) for value in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    assert [name for name, p in built.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    assert (queries.grad is not None) == linked


def test_initial_values_are_the_papers() -> None:
    built = head(num_heads=4)
    for name, parameter in built.named_parameters():
        assert torch.isfinite(parameter).all(), name
        assert parameter.abs().max() < 6, name
    attention = built.pixel_decoder.encoder.layers[0].self_attn
    assert not attention.sampling_offsets.weight.any()
    # Heads look right, down, left and up; 3 levels, 4 points at growing distance.
    ring = attention.sampling_offsets.bias.view(4, 3, 4, 2)
    torch.testing.assert_close(ring[0, 2], torch.tensor([[1.0, 0], [2, 0], [3, 0], [4, 0]]), atol=1e-5, rtol=0)
    torch.testing.assert_close(ring[1, 0, 1], torch.tensor([0.0, 2.0]), atol=1e-5, rtol=0)
    assert 0.5 < built.pixel_decoder.level_embed.std() < 1.5
    first, second = built.state_dict(), head(num_heads=4).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_loss_falls_when_one_batch_is_learned(
    pyramid: Callable[..., list[Tensor]], samples: Callable[[Tensor], list[Any]]
) -> None:
    built, features = head(), pyramid()
    labels = features[2].argmax(1).clamp(max=2).repeat_interleave(16, 1).repeat_interleave(16, 2)
    optimizer = torch.optim.AdamW(built.parameters(), lr=2e-3)
    history = []
    for _ in range(30):
        total = torch.stack(list(built.loss(features, samples(labels), None).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    assert sum(history[-3:]) < 0.6 * sum(history[:3])


@pytest.mark.parametrize("test_cfg", [{"mode": "whole"}, {"mode": "slide", "crop_size": (64, 64), "stride": (32, 32)}])
def test_segmentor_trains_and_predicts(
    test_cfg: dict[str, Any], segmentor: Callable[..., Any], samples: Callable[[Tensor], list[Any]]
) -> None:
    model = segmentor(SMALL | {"type": "rs_adapt.Mask2FormerHead"}, test_cfg)
    images, labels = torch.randn(2, 3, 96, 64), samples(torch.randint(0, 3, (2, 96, 64)))
    losses = model(images, labels, mode="loss")
    assert len(losses) == 12
    assert {"decode.loss_cls", "decode.d0.loss_mask", "decode.d2.loss_dice"} <= set(losses)
    torch.stack(list(losses.values())).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    with torch.no_grad():
        predicted = model.eval()(images, labels, mode="predict")
        assert predicted[0].seg_logits.data.shape == (3, 96, 64)
        assert predicted[1].pred_sem_seg.data.shape == (1, 96, 64)
        classes, masks = model(images, mode="tensor")
        assert classes[-1].shape == (2, 5, 4)
        assert masks[-1].shape == (2, 5, 24, 16)


def test_copies_and_swapped_weights_do_not_share_state(pyramid: Callable[..., list[Tensor]]) -> None:
    built, features = head().eval(), pyramid()
    with torch.no_grad():
        before = built(features)[1][-1]
        other = copy.deepcopy(built)
        for parameter in other.parameters():
            parameter.mul_(0.5)
        assert torch.equal(built(features)[1][-1], before)
        swapped = torch.func.functional_call(built, dict(other.named_parameters()), (features,))[1][-1]
        assert torch.equal(swapped, other(features)[1][-1])
        assert torch.equal(built(features)[1][-1], before)
