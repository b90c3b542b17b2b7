"""Self-training around a toy segmentor: when it mixes, what the teacher sees, and what is never looked at."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.models import EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from rs_adapt.registry import MODELS
from rs_adapt.strategies import SelfTraining

SIZE = 8


@MODELS.register_module(force=True)
class ToyBackbone(nn.Module):
    """A frozen scale and a trainable shift."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Parameter(torch.ones(()), requires_grad=False)
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        return (x * self.frozen + self.shift,)


@MODELS.register_module(force=True)
class ToyHead(nn.Module):
    """Scores are the first two bands times a weight; the loss is the mean label, and labels are remembered."""

    align_corners, num_classes, out_channels, ignore_index, score_kind = False, 2, 2, 255, "logits"

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen: list[Tensor] = []

    def loss(self, features: tuple[Tensor], samples: list[SegDataSample], train_cfg: Any) -> dict[str, Tensor]:
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples])
        self.seen.append(labels)
        return {"loss_toy": self.weight * features[0].mean() + 1.0, "acc_toy": features[0].detach().mean()}

    def predict(self, features: tuple[Tensor], metas: list[dict[str, Any]], test_cfg: Any) -> Tensor:
        return self.weight * features[0][:, :2]


@pytest.fixture
def segmentor() -> EncoderDecoder:
    init_default_scope("mmseg")
    return EncoderDecoder(
        backbone={"type": "rs_adapt.ToyBackbone"},
        decode_head={"type": "rs_adapt.ToyHead"},
        data_preprocessor={"type": "SegDataPreProcessor", "mean": [0.0] * 3, "std": [1.0] * 3, "size": (SIZE, SIZE)},
        train_cfg={},
        test_cfg={"mode": "whole"},
    )


def raw(value: float, label: int | None, size_px: int = SIZE) -> dict[str, Any]:
    sample = SegDataSample(metainfo={"img_shape": (size_px, size_px), "ori_shape": (size_px, size_px)})
    if label is not None:
        sample.gt_sem_seg = PixelData(data=torch.full((1, size_px, size_px), label))
    # Band 1 above band 0: the teacher calls everything class 1.
    image = torch.stack([torch.full((size_px, size_px), v) for v in (value, value + 1, 0.0)])
    return {"inputs": [image], "data_samples": [sample]}


def step(model: SelfTraining, target_px: int = SIZE) -> dict[str, Tensor]:
    batch = model.data_preprocessor({"source": raw(2.0, 0), "target": raw(5.0, None, target_px)}, True)
    return model(**batch, mode="loss")


def test_mixing_begins_after_the_warm_up_and_is_weighted(segmentor: EncoderDecoder) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=2, mix_weight=0.5)
    names = [sorted(step(model)) for _ in range(3)]
    source = ["source.decode.acc_toy", "source.decode.loss_toy"]
    assert names == [source, source, ["mix.decode.acc_toy", "mix.decode.loss_toy", *source]]
    losses = step(model)
    # One source class: it is pasted whole, so the mixed image is the source image, and half its loss is added.
    torch.testing.assert_close(losses["mix.decode.loss_toy"], 0.5 * losses["source.decode.loss_toy"])
    torch.testing.assert_close(losses["mix.decode.acc_toy"], losses["source.decode.acc_toy"])


def test_teacher_labels_the_target_and_padding_gets_none(segmentor: EncoderDecoder) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=0)
    batch = model.data_preprocessor({"source": raw(2.0, 0), "target": raw(5.0, None, SIZE - 3)}, True)["target"]
    labels, weight = model.label_target(batch["inputs"], batch["data_samples"])
    assert (labels[:, : SIZE - 3, : SIZE - 3] == 1).all()
    assert (labels[:, SIZE - 3 :] == 255).all()
    assert (labels[:, :, SIZE - 3 :] == 255).all()
    assert weight == 1


def test_teacher_is_the_average_and_not_the_student(segmentor: EncoderDecoder) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=0, ema_decay=0.99)
    step(model)
    with torch.no_grad():
        segmentor.decode_head.weight.fill_(-1.0)  # the student now calls everything class 0
    batch = model.data_preprocessor({"source": raw(2.0, 0), "target": raw(5.0, None)}, True)["target"]
    labels, _ = model.label_target(batch["inputs"], batch["data_samples"])
    assert (labels == 1).all()
    assert segmentor.decode_head.weight == -1.0
    assert segmentor.training
    assert (segmentor.encode_decode(batch["inputs"], [{}]).argmax(dim=1) == 0).all()


def test_confidence_scales_the_mixed_loss(segmentor: EncoderDecoder) -> None:
    # softmax of scores one apart: 0.73 for the winner.
    sure, unsure = (step(SelfTraining(segmentor=segmentor, warmup_iters=0, confidence=value)) for value in (0.7, 0.75))
    assert unsure["mix.decode.loss_toy"] == 0
    torch.testing.assert_close(sure["mix.decode.loss_toy"], 0.5 * sure["source.decode.loss_toy"])


def test_gradients_reach_the_student_only(segmentor: EncoderDecoder) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=0)
    loss, _ = model.parse_losses(step(model))
    loss.backward()
    assert segmentor.decode_head.weight.grad is not None
    assert segmentor.backbone.frozen.grad is None
    assert sorted(model.ema.weights()) == ["backbone.shift", "decode_head.weight"]


def test_target_labels_are_not_read_even_if_a_batch_holds_them(segmentor: EncoderDecoder) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=0)
    batch = model.data_preprocessor({"source": raw(2.0, 0), "target": raw(5.0, None)}, True)

    class Forbidden:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("a target label was read")

    object.__setattr__(batch["target"]["data_samples"][0], "_gt_sem_seg", Forbidden())
    model(**batch, mode="loss")
    assert len(segmentor.decode_head.seen) == 2
