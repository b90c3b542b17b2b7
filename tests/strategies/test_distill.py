"""Distillation: two phases, a teacher that is in nothing of the student, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmseg.models import EncoderDecoder
from torch import Tensor

from rs_adapt.engine.state import trained_tensors
from rs_adapt.errors import ConfigError
from rs_adapt.strategies import Distill, feature_loss, probability_loss
from rs_adapt.strategies.scoring import predict_scores

Tiny = Callable[..., Any]
Batch = Callable[..., dict[str, Any]]
WIDTHS = [8, 16, 24, 40]
ALL = torch.ones(2, 32, 32, dtype=torch.bool)


@pytest.fixture
def student(tiny: Tiny) -> Tiny:
    """Return a maker of a strategy whose student is a tiny ConvNeXt, and its teacher the tiny ViT."""

    def make(*, mean: float = 120.0, **arguments: Any) -> tuple[Distill, Any]:
        teacher = tiny()
        torch.manual_seed(1)
        segmentor = EncoderDecoder(
            backbone={"type": "rs_adapt.ConvNext", "widths": WIDTHS, "depths": [1, 1, 1, 1], "frozen": False},
            decode_head={"type": "rs_adapt.LinearHead", "in_channels": WIDTHS, "num_classes": 3},
            data_preprocessor={
                "type": "SegDataPreProcessor",
                **{"mean": [mean] * 3, "std": [50.0] * 3, "bgr_to_rgb": True, "size": (32, 32)},
                **{"pad_val": 0, "seg_pad_val": 255},
            },
            train_cfg={},
            test_cfg={"mode": "whole"},
        )
        model = Distill(segmentor=segmentor, teacher_channels=[32] * 4, **{"feature_iters": 1} | arguments).train()
        model.take_teacher(teacher)
        return model, teacher

    return make


def processed(model: Distill, batch: Batch, *regions: str) -> dict[str, Any]:
    raw = batch(0)
    data: dict[str, Any] = model.data_preprocessor({region: raw[region] for region in regions}, True)
    return data


def total(losses: dict[str, Tensor]) -> Tensor:
    summed = sum(value for name, value in losses.items() if "loss" in name)
    assert isinstance(summed, Tensor)
    return summed


def test_the_first_phase_learns_features_and_reads_no_label(student: Tiny, batch: Batch) -> None:
    model, teacher = student()
    data = processed(model, batch, "source", "target")
    for sample in data["source"]["data_samples"]:
        del sample.gt_sem_seg
    losses = model(**data, mode="loss")
    assert set(losses) == {"source.loss_features", "target.loss_features"}
    images = data["target"]["inputs"]
    # The teacher's mean is 120 and its deviation 60, as the student's is 120 and 50.
    wanted = teacher.extract_feat(images * 50 / 60)
    own = model.segmentor.extract_feat(images)
    assert [map_.shape[-1] for map_ in own] == [8, 4, 2, 1]
    expected = [
        feature_loss(
            projection(torch.nn.functional.interpolate(map_, size=other.shape[-2:], mode="bilinear")), other, ALL
        )
        for projection, map_, other in zip(model.projections, own, wanted, strict=True)
    ]
    assert torch.allclose(losses["target.loss_features"], torch.stack(expected).sum(), rtol=1e-4)
    total(losses).backward()
    assert all(value.grad is not None for value in model.projections.parameters())
    # Below the last map nothing is left out; the head waits.
    assert all(value.grad is not None for value in model.segmentor.backbone.parameters())
    assert all(value.grad is None for value in model.segmentor.decode_head.parameters())


def test_the_second_phase_learns_probabilities_and_labels(student: Tiny, batch: Batch) -> None:
    model, teacher = student(feature_iters=0, temperature=2.0, probability_weight=3.0, label_weight=0.5)
    data = processed(model, batch, "source", "target")
    losses = model(**data, mode="loss")
    for region in ("source", "target"):
        images = data[region]["inputs"]
        own = predict_scores(model.segmentor, images, {}).softmax(dim=1)
        wanted = predict_scores(teacher, images * 50 / 60, {}).softmax(dim=1)
        expected = 3 * probability_loss(own, wanted, ALL, temperature=2.0)
        assert torch.allclose(losses[f"{region}.loss_probabilities"], expected, rtol=1e-4)
        assert losses[f"{region}.agreement"] == (own.argmax(dim=1) == wanted.argmax(dim=1)).float().mean()
    labels = torch.stack([sample.gt_sem_seg.data[0] for sample in data["source"]["data_samples"]])
    scores = predict_scores(model.segmentor, data["source"]["inputs"], {})
    assert torch.allclose(
        losses["source.decode.loss_ce"], 0.5 * torch.nn.functional.cross_entropy(scores, labels), rtol=1e-3
    )
    assert not any("decode" in name for name in losses if name.startswith("target"))
    total(losses).backward()
    assert all(value.grad is not None for value in model.segmentor.parameters())
    assert all(value.grad is None for value in model.projections.parameters())


def test_phases_follow_the_count_of_iterations_which_the_state_holds(student: Tiny, batch: Batch) -> None:
    model, _ = student(feature_iters=2)
    data = processed(model, batch, "source", "target")
    phases = [set(model(**data, mode="loss")) for _ in range(3)]
    assert phases[0] == phases[1] == {"source.loss_features", "target.loss_features"}
    assert "target.loss_probabilities" in phases[2]
    other, _ = student(feature_iters=2)
    other.load_state_dict(model.state_dict())
    assert "target.loss_probabilities" in other(**data, mode="loss")


def test_source_alone_is_a_plain_batch(student: Tiny, batch: Batch) -> None:
    model, _ = student(feature_iters=1)
    data = model.data_preprocessor(batch(0)["source"], True)
    assert set(model(**data, mode="loss")) == {"source.loss_features"}
    assert {"source.loss_probabilities", "source.decode.loss_ce"} <= set(model(**data, mode="loss"))


def test_the_teacher_stays_and_is_in_nothing_of_the_student(student: Tiny, batch: Batch) -> None:
    model, teacher = student(feature_iters=1)
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    data = processed(model, batch, "source", "target")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        total(model(**data, mode="loss")).backward()
        optimizer.step()
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not teacher.training
    assert not any(value.requires_grad for value in teacher.parameters())
    of_teacher = {id(value) for value in teacher.parameters()}
    assert not any(id(value) in of_teacher for value in model.parameters())
    assert {name.partition(".")[0] for name in trained_tensors(model)} == {"segmentor", "projections", "iteration"}
    assert not any("projection" in name for name in trained_tensors(model.segmentor))


def test_the_teacher_sees_the_plain_view_and_the_student_the_distorted_one(student: Tiny, batch: Batch) -> None:
    model, _ = student(feature_iters=0)
    data = processed(model, batch, "source", "target")
    plain = dict(data["target"])
    expected = model(source=data["source"], target=plain, mode="loss")
    seen = dict(plain, plain=plain["inputs"], inputs=plain["inputs"].flip(0))
    found = model(source=data["source"], target=seen, mode="loss")
    flipped = dict(plain, inputs=plain["inputs"].flip(0))
    assert not torch.isclose(found["target.loss_probabilities"], expected["target.loss_probabilities"])
    both = model(source=data["source"], target=flipped, mode="loss")
    assert torch.isclose(both["target.loss_probabilities"], expected["target.loss_probabilities"], rtol=1e-4)


def test_padding_teaches_nothing(student: Tiny, batch: Batch) -> None:
    for feature_iters, name in ((1, "target.loss_features"), (0, "target.loss_probabilities")):
        model, _ = student(feature_iters=feature_iters)
        data = processed(model, batch, "source", "target")
        for sample in data["target"]["data_samples"]:
            sample.set_metainfo({"padding_size": (0, 32, 0, 0)})
        assert model(**data, mode="loss")[name] == 0


def test_wrong_values_are_refused(tiny: Tiny, student: Tiny) -> None:
    for key, value in (("temperature", 0.0), ("label_weight", -1.0), ("feature_iters", 0.5)):
        with pytest.raises(ConfigError, match=rf"strategy\.{key} is "):
            student(**{key: value})
    with pytest.raises(ConfigError, match="both 0, so the head would learn nothing"):
        student(probability_weight=0.0, label_weight=0.0)
    frozen = tiny(adapter=None)
    with pytest.raises(ConfigError, match=r"backbone is frozen and learns no features.* strategy\.feature_iters=0"):
        Distill(segmentor=frozen, feature_iters=3)
    assert len(Distill(segmentor=frozen, feature_iters=0).projections) == 0
