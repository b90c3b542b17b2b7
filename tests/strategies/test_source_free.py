"""Source-free adaptation: what its losses are, what the anchor is, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.strategies import SourceFree
from rs_adapt.strategies.scoring import predict_scores

Tiny = Callable[..., Any]
Batch = Callable[..., dict[str, Any]]


def batch_of(model: SourceFree, batch: Batch, seed: int = 0) -> dict[str, Any]:
    data: dict[str, Any] = model.data_preprocessor({"target": batch(seed)["target"]}, True)
    return data


def weights_of(module: Any) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.named_parameters() if value.requires_grad}


def step(model: SourceFree, data: dict[str, Any], lr: float = 0.1) -> None:
    optimizer = torch.optim.SGD([value for value in model.parameters() if value.requires_grad], lr=lr)
    losses = model(**data, mode="loss")
    sum(value for name, value in losses.items() if "loss" in name).backward()
    optimizer.step()


def test_the_anchor_stays_the_model_of_the_first_iteration(tiny: Tiny, batch: Batch) -> None:
    model = SourceFree(segmentor=tiny(), ema_decay=0.5).train()
    # As `--from` does: after the strategy is built.
    with torch.no_grad():
        for value in model.segmentor.decode_head.parameters():
            value.mul_(1.5)
    begun = weights_of(model.segmentor)
    for seed in range(3):
        step(model, batch_of(model, batch, seed))
    anchor, now, teacher = model.anchor.weights(), weights_of(model.segmentor), model.ema.weights()
    assert all(torch.equal(anchor[name], value) for name, value in begun.items())
    assert any(not torch.equal(now[name], value) for name, value in begun.items())
    assert any(not torch.equal(teacher[name], now[name]) for name in begun)


def test_losses_are_those_of_mixed_images_and_of_the_anchor(tiny: Tiny, batch: Batch) -> None:
    model = SourceFree(segmentor=tiny(), mix_weight=0.5, anchor_weight=2.0).train()
    data = batch_of(model, batch)
    images = data["target"]["inputs"]
    torch.manual_seed(3)
    losses = model(**data, mode="loss")
    # Before the first step student, teacher and anchor are the same model.
    scores = predict_scores(model.segmentor, images, {}).detach()
    labels, shares = scores.argmax(dim=1), scores.softmax(dim=1)
    torch.manual_seed(3)
    pasted = []
    for other in (1, 0):
        values = labels[other].unique()
        order = torch.randperm(len(values))
        pasted.append(torch.isin(labels[other], values[order[: (len(values) + 1) // 2]]))
    paste = torch.stack(pasted)
    mixed = torch.where(paste[:, None], images.flip(0), images)
    expected = predict_scores(model.segmentor, mixed, {}).log_softmax(dim=1)
    targets = torch.where(paste[:, None], shares.flip(0), shares)
    of_anchor = -(targets * expected).sum(dim=1).mean()
    of_labels = torch.nn.functional.nll_loss(expected, torch.where(paste, labels.flip(0), labels))
    assert torch.allclose(losses["anchor.loss"], 2 * of_anchor, atol=1e-5)
    assert torch.allclose(losses["mix.decode.loss_ce"], 0.5 * of_labels, atol=1e-5)
    assert losses["teacher.anchor_agreement"] == 1
    assert torch.allclose(losses["teacher.confidence"], shares.max(dim=1).values.mean(), atol=1e-6)


def test_without_its_weight_the_anchor_gives_no_loss(tiny: Tiny, batch: Batch) -> None:
    model = SourceFree(segmentor=tiny(), anchor_weight=0.0).train()
    assert "anchor.loss" not in model(**batch_of(model, batch), mode="loss")


def test_padding_gets_no_label_and_no_anchor(tiny: Tiny, batch: Batch) -> None:
    model = SourceFree(segmentor=tiny()).train()
    data = batch_of(model, batch)
    for sample in data["target"]["data_samples"]:
        sample.set_metainfo({"padding_size": (0, 8, 0, 8)})
    before = data["target"]["inputs"].clone()
    torch.manual_seed(0)
    labels = model.label_target(data["target"]["inputs"], data["target"]["data_samples"]).labels_BHW
    assert (labels[:, -8:] == 255).all()
    assert (labels[:, :-8, :-8] != 255).all()
    assert torch.isfinite(model(**data, mode="loss")["anchor.loss"])
    assert torch.equal(before, data["target"]["inputs"])


@pytest.mark.parametrize(("key", "value"), [("anchor_weight", -1.0), ("mix_weight", float("nan")), ("ema_decay", 1.0)])
def test_numbers_outside_their_range_are_refused(tiny: Tiny, key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"strategy\.{key} is "):
        SourceFree(segmentor=tiny(), **{key: value})


def test_several_processes_are_refused(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rs_adapt.strategies.source_free.rank_and_world_size", lambda: (0, 2))
    with pytest.raises(ConfigError, match="runs in one process"):
        SourceFree(segmentor=tiny())
