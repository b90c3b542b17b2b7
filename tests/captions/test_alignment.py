"""Training on captions: the sum of the objectives, the averaged teacher, and what trains under an adapter."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import Lora
from rs_adapt.backbones.clip import Clip
from rs_adapt.captions import CaptionAlignment, CaptionBatch, CaptionHead, CaptionModel
from rs_adapt.captions.objectives import caption_contrast, grounded_contrast
from rs_adapt.errors import ConfigError
from rs_adapt.language import TextTower

WIDTH, DEPTH, SPACE, VOCABULARY = 16, 2, 8, 30
B, K = 3, 2
DECAY = 0.75


def model(*, lora: bool = False) -> CaptionModel:
    torch.manual_seed(0)
    facts: dict[str, Any] = {"embed_dim": WIDTH, "depth": DEPTH, "mlp_dim": 4 * WIDTH, "rank": 2}
    adapters = (Lora(**facts), Lora(**facts)) if lora else (None, None)
    vit = Clip(
        embed_dim=WIDTH,
        depth=DEPTH,
        num_heads=2,
        patch_px=8,
        image_px=16,
        out_layers=(DEPTH - 1,),
        level_scales=(1.0,),
        adapter=adapters[0],
        frozen=lora,
    )
    sizes = {"in_channels": [WIDTH], "text_dim": SPACE, "text_width": WIDTH, "text_depth": DEPTH, "text_heads": 2}
    head = CaptionHead(**sizes, adapter=adapters[1], frozen=lora, num_tokens=VOCABULARY)
    return CaptionModel(backbone=vit, decode_head=head)


def aligned(inner: CaptionModel | None = None, **settings: Any) -> CaptionAlignment:
    return CaptionAlignment(segmentor=inner or model(), **settings)


def batch(seed: int = 0, *, negatives: int = K) -> CaptionBatch:
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, VOCABULARY - 1, (B, 1 + negatives, 7), generator=draw)
    ids[..., -1] = VOCABULARY - 1
    return CaptionBatch(images=torch.randn(B, 3, 16, 16, generator=draw), text=ids[:, 0], neg_text=ids[:, 1:])


def train(strategy: CaptionAlignment, *, steps: int = 3, lr: float = 0.05) -> list[dict[str, Tensor]]:
    optimizer = torch.optim.AdamW([p for p in strategy.parameters() if p.requires_grad], lr=lr)
    history = []
    for step in range(steps):
        losses = strategy.loss(batch(step))
        history.append({name: value.detach() for name, value in losses.items()})
        optimizer.zero_grad()
        torch.stack([value for name, value in losses.items() if name.startswith("loss")]).sum().backward()
        optimizer.step()
        strategy.segmentor.decode_head.after_step()
    return history


def test_the_sum_is_that_of_the_weighted_objectives_with_a_moved_teacher() -> None:
    strategy = aligned(ema_decay=DECAY, igc_weight=0.3, tgc_weight=0.2, distill_weight=0.05)
    train(strategy, steps=2)
    given, inner = batch(9), strategy.segmentor
    losses = strategy.loss(given)
    with torch.no_grad():
        negatives = inner.decode_head.encode_texts(given.neg_text.flatten(0, 1)).view(B, K, SPACE)
        (image, text), scale = inner(given.images, ids_TN=given.text), inner.decode_head.scale
        with strategy.ema.swap(inner):  # type: ignore[union-attr]
            old_image, old_text = inner(given.images, ids_TN=given.text)
            old_negatives = inner.decode_head.encode_texts(given.neg_text.flatten(0, 1)).view(B, K, SPACE)
    distance = sum(
        float((a - b).square().sum()) for a, b in ((image, old_image), (text, old_text), (negatives, old_negatives))
    )
    assert distance > 1e-3
    expected = {
        "loss_contrast": caption_contrast(image, text, scale, negative_BKC=negatives),
        "loss_igc": 0.3 * grounded_contrast(image, text, negatives, scale),
        "loss_tgc": 0.2 * grounded_contrast(text, old_text, negatives, 10.0),
        "loss_distill": torch.tensor(0.05 * distance),
        "scale": scale,
    }
    torch.testing.assert_close({name: value.detach() for name, value in losses.items()}, expected)


def test_the_teacher_starts_at_the_pretrained_weights_and_averages_all_that_trains() -> None:
    strategy = aligned(ema_decay=DECAY)
    start = {name: value.detach().clone() for name, value in strategy.segmentor.named_parameters()}
    assert strategy.loss(batch())["loss_distill"].item() == 0
    train(strategy, steps=1)
    strategy.loss(batch())
    assert strategy.ema is not None
    averages, now = strategy.ema.weights(), dict(strategy.segmentor.named_parameters())
    assert averages.keys() == start.keys()
    assert "decode_head.log_scale" in averages
    for name, average in averages.items():
        torch.testing.assert_close(average, DECAY * start[name] + (1 - DECAY) * now[name].detach())
    assert (averages["decode_head.log_scale"] - start["decode_head.log_scale"]).abs() > 1e-4


def test_no_gradient_reaches_the_teacher() -> None:
    strategy = aligned(ema_decay=DECAY, igc_weight=0.0, use_negatives=False)
    train(strategy, steps=1)
    losses = strategy.loss(batch(5))
    losses["loss_distill"].backward()
    assert all(not value.requires_grad for value in strategy.ema.weights().values())  # type: ignore[union-attr]
    assert strategy.segmentor.decode_head.text.projection.weight.grad is not None


def test_the_loss_falls_on_a_batch_that_is_learnt() -> None:
    strategy = aligned()
    optimizer = torch.optim.AdamW(strategy.segmentor.parameters(), lr=0.01)
    totals = []
    for _ in range(25):
        losses = strategy.loss(batch())
        total = torch.stack([value for name, value in losses.items() if name.startswith("loss")]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        strategy.segmentor.decode_head.after_step()
        totals.append(total.item())
    assert totals[-1] < 0.5 * totals[0]


@pytest.mark.parametrize(("start", "kept"), [(5.0, math.log(100)), (-1.0, 0.0)])
def test_the_scale_stays_between_1_and_100(start: float, kept: float) -> None:
    strategy = aligned()
    with torch.no_grad():
        strategy.segmentor.decode_head.log_scale.fill_(start)
    strategy.segmentor.decode_head.after_step()
    assert strategy.segmentor.decode_head.log_scale.item() == pytest.approx(kept)


def test_lora_in_both_towers_trains_its_tensors_and_the_scale_alone() -> None:
    strategy = aligned(model(lora=True), ema_decay=DECAY)
    before = {name: value.detach().clone() for name, value in strategy.segmentor.named_parameters()}
    train(strategy, steps=3)
    moved = {name for name, value in strategy.segmentor.named_parameters() if not torch.equal(value, before[name])}
    trained = {name for name, value in strategy.segmentor.named_parameters() if value.requires_grad}
    assert moved == trained
    assert {name.split(".adapter.")[0] for name in trained} == {"backbone", "decode_head.log_scale", "decode_head.text"}
    assert strategy.ema is not None
    assert strategy.ema.weights().keys() == trained


def test_lora_starts_as_the_frozen_clip() -> None:
    given = batch()
    with torch.no_grad():
        torch.testing.assert_close(
            model()(given.images, ids_TN=given.text), model(lora=True)(given.images, ids_TN=given.text)
        )


def test_training_continues_exactly_from_its_state() -> None:
    whole = aligned(ema_decay=DECAY)
    train(whole, steps=2)
    copy = aligned(ema_decay=DECAY)
    copy.load_state_dict(whole.state_dict())
    torch.testing.assert_close(whole.loss(batch(7)), copy.loss(batch(7)), rtol=0, atol=0)


def test_baselines_have_fewer_losses_and_no_teacher() -> None:
    off: dict[str, Any] = {"igc_weight": 0.0, "tgc_weight": 0.0, "distill_weight": 0.0}
    clip = aligned(use_negatives=False, **off)
    negatives = aligned(**off)
    assert clip.ema is None
    assert clip.loss(batch()).keys() == negatives.loss(batch()).keys() == {"loss_contrast", "scale"}
    assert negatives.loss(batch())["loss_contrast"] > clip.loss(batch())["loss_contrast"]
    assert clip.loss(batch(negatives=0))["loss_contrast"] > 0
    assert aligned(distill_weight=0.0).loss(batch()).keys() == {*("loss_contrast", "loss_igc", "loss_tgc", "scale")}


def test_unusable_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the batch has none: set captions\.negatives"):
        aligned().loss(batch(negatives=0))
    with pytest.raises(ConfigError, match="pool is 'all'"):
        aligned(pool="all")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="ema_decay"):
        aligned(ema_decay=1.0)
    with pytest.raises(ConfigError, match="allows no adapter"):
        TextTower(
            embed_dim=8,
            depth=1,
            num_heads=1,
            text_dim=4,
            num_tokens=9,
            frozen=False,
            adapter=Lora(embed_dim=8, depth=1, mlp_dim=32, rank=1),
        )
