"""Training on captions: the sum of the objectives, the averaged teacher, and what trains under an adapter."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.adapters import Lora
from rs_adapt.backbones.clip import Clip
from rs_adapt.captions import CaptionAlignment, CaptionBatch, ClipPair, ImageTower
from rs_adapt.captions.objectives import caption_contrast, grounded_contrast
from rs_adapt.errors import ConfigError
from rs_adapt.language import TextTower

WIDTH, DEPTH, SPACE, VOCABULARY = 16, 2, 8, 30
B, K = 3, 2
DECAY = 0.75


def pair(*, lora: bool = False, log_scale: float | None = None) -> ClipPair:
    torch.manual_seed(0)
    facts: dict[str, Any] = {"embed_dim": WIDTH, "depth": DEPTH, "mlp_dim": 4 * WIDTH, "rank": 2}
    adapters = (Lora(**facts), Lora(**facts)) if lora else (None, None)
    sizes: dict[str, Any] = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": 2}
    vit = Clip(
        **sizes,
        patch_px=8,
        image_px=16,
        out_layers=(DEPTH - 1,),
        level_scales=(1.0,),
        adapter=adapters[0],
        frozen=lora,
    )
    text = TextTower(**sizes, text_dim=SPACE, num_tokens=VOCABULARY, context=7, adapter=adapters[1], frozen=lora)
    return ClipPair(ImageTower(vit, None, text_dim=SPACE), text, log_scale=log_scale)


def batch(seed: int = 0, *, negatives: int = K) -> CaptionBatch:
    draw = torch.Generator().manual_seed(seed)
    ids = torch.randint(1, VOCABULARY - 1, (B, 1 + negatives, 7), generator=draw)
    ids[..., -1] = VOCABULARY - 1
    return CaptionBatch(images=torch.randn(B, 3, 16, 16, generator=draw), text=ids[:, 0], neg_text=ids[:, 1:])


def train(model: CaptionAlignment, *, steps: int = 3, lr: float = 0.05) -> list[dict[str, Tensor]]:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=lr)
    history = []
    for step in range(steps):
        losses = model(batch(step))
        history.append({name: value.detach() for name, value in losses.items()})
        optimizer.zero_grad()
        torch.stack([value for name, value in losses.items() if name.startswith("loss")]).sum().backward()
        optimizer.step()
        model.after_step()
    return history


def test_the_sum_is_that_of_the_weighted_objectives_with_a_moved_teacher() -> None:
    model = CaptionAlignment(pair(), ema_decay=DECAY, igc_weight=0.3, tgc_weight=0.2, distill_weight=0.05)
    train(model, steps=2)
    given, inner = batch(9), model.pair
    losses = model(given)
    with torch.no_grad():
        negatives = inner.encode_texts(given.neg_text.flatten(0, 1)).view(B, K, SPACE)
        image, text, scale = inner.encode_images(given.images), inner.encode_texts(given.text), inner.scale
        with model.ema.swap(inner):  # type: ignore[union-attr]
            old_image, old_text = inner(given.images, given.text)
            old_negatives = inner.encode_texts(given.neg_text.flatten(0, 1)).view(B, K, SPACE)
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
    model = CaptionAlignment(pair(), ema_decay=DECAY)
    start = {name: value.detach().clone() for name, value in model.pair.named_parameters()}
    assert model(batch())["loss_distill"].item() == 0
    train(model, steps=1)
    assert model.ema is not None
    averages, now = model.ema.weights(), dict(model.pair.named_parameters())
    assert averages.keys() == start.keys()
    assert "log_scale" in averages
    for name, average in averages.items():
        torch.testing.assert_close(average, DECAY * start[name] + (1 - DECAY) * now[name].detach())
    assert (averages["log_scale"] - start["log_scale"]).abs() > 1e-4


def test_no_gradient_reaches_the_teacher() -> None:
    model = CaptionAlignment(pair(), ema_decay=DECAY, igc_weight=0.0, use_negatives=False)
    train(model, steps=1)
    losses = model(batch(5))
    losses["loss_distill"].backward()
    assert all(not value.requires_grad for value in model.ema.weights().values())  # type: ignore[union-attr]
    assert model.pair.text.projection.weight.grad is not None


def test_the_loss_falls_on_a_batch_that_is_learnt() -> None:
    model = CaptionAlignment(pair())
    optimizer = torch.optim.AdamW(model.pair.parameters(), lr=0.01)
    totals = []
    for _ in range(25):
        losses = model(batch())
        total = torch.stack([value for name, value in losses.items() if name.startswith("loss")]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        model.after_step()
        totals.append(total.item())
    assert totals[-1] < 0.5 * totals[0]


@pytest.mark.parametrize(("start", "kept"), [(5.0, math.log(100)), (-1.0, 0.0)])
def test_the_scale_stays_between_1_and_100(start: float, kept: float) -> None:
    model = CaptionAlignment(pair())
    with torch.no_grad():
        model.pair.log_scale.fill_(start)
    model.after_step()
    assert model.pair.log_scale.item() == pytest.approx(kept)


def test_lora_in_both_towers_trains_its_tensors_and_the_scale_alone() -> None:
    model = CaptionAlignment(pair(lora=True), ema_decay=DECAY)
    before = {name: value.detach().clone() for name, value in model.pair.named_parameters()}
    train(model, steps=3)
    moved = {name for name, value in model.pair.named_parameters() if not torch.equal(value, before[name])}
    trained = {name for name, value in model.pair.named_parameters() if value.requires_grad}
    assert moved == trained
    assert {name.split(".adapter.")[0] for name in trained} == {"log_scale", "image.vit", "text"}
    assert model.ema is not None
    assert model.ema.weights().keys() == trained


def test_lora_starts_as_the_frozen_clip() -> None:
    given = batch()
    with torch.no_grad():
        torch.testing.assert_close(pair()(given.images, given.text), pair(lora=True)(given.images, given.text))


def test_training_continues_exactly_from_its_state() -> None:
    whole = CaptionAlignment(pair(), ema_decay=DECAY)
    train(whole, steps=2)
    copy = CaptionAlignment(pair(), ema_decay=DECAY)
    copy.load_state_dict(whole.state_dict())
    torch.testing.assert_close(whole(batch(7)), copy(batch(7)), rtol=0, atol=0)


def test_baselines_have_fewer_losses_and_no_teacher() -> None:
    off: dict[str, Any] = {"igc_weight": 0.0, "tgc_weight": 0.0, "distill_weight": 0.0}
    clip = CaptionAlignment(pair(), use_negatives=False, **off)
    negatives = CaptionAlignment(pair(), **off)
    assert clip.ema is None
    assert clip(batch()).keys() == negatives(batch()).keys() == {"loss_contrast", "scale"}
    assert negatives(batch())["loss_contrast"] > clip(batch())["loss_contrast"]
    assert clip(batch(negatives=0))["loss_contrast"] > 0
    assert CaptionAlignment(pair(), distill_weight=0.0)(batch()).keys() == {
        *("loss_contrast", "loss_igc", "loss_tgc", "scale")
    }


def test_unusable_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the batch has none: set captions\.negatives"):
        CaptionAlignment(pair())(batch(negatives=0))
    with pytest.raises(ConfigError, match="pool is 'all'"):
        CaptionAlignment(pair(), pool="all")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="ema_decay"):
        CaptionAlignment(pair(), ema_decay=1.0)
    with pytest.raises(ConfigError, match="cannot have an adapter"):
        TextTower(
            embed_dim=8,
            depth=1,
            num_heads=1,
            text_dim=4,
            num_tokens=9,
            frozen=False,
            adapter=Lora(embed_dim=8, depth=1, mlp_dim=32, rank=1),
        )
