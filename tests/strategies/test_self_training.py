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

from rs_adapt.errors import ConfigError
from rs_adapt.registry import MODELS
from rs_adapt.strategies import SelfTraining
from rs_adapt.strategies import self_training as module

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
        self.samples: list[SegDataSample] = []
        self.predicted_in_training: list[bool] = []

    def loss(self, features: tuple[Tensor], samples: list[SegDataSample], train_cfg: Any) -> dict[str, Tensor]:
        labels = torch.stack([sample.gt_sem_seg.data[0] for sample in samples])
        self.seen.append(labels)
        self.samples = samples
        return {"loss_toy": self.weight * features[0].mean() + 1.0, "acc_toy": features[0].detach().mean()}

    def predict(self, features: tuple[Tensor], metas: list[dict[str, Any]], test_cfg: Any) -> Tensor:
        self.predicted_in_training.append(self.training)
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


def raw(value: float, label: int | None, size_px: int = SIZE, left: int | None = None) -> dict[str, Any]:
    """One image of a constant colour with a label, and another one in its left half if that is told."""
    sample = SegDataSample(metainfo={"img_shape": (size_px, size_px), "ori_shape": (size_px, size_px)})
    if label is not None:
        sample.gt_sem_seg = PixelData(data=torch.full((1, size_px, size_px), label))
        if left is not None:
            sample.gt_sem_seg.data[..., : size_px // 2] = left
    # Band 1 above band 0: the teacher calls everything class 1.
    image = torch.stack([torch.full((size_px, size_px), v) for v in (value, value + 1, 0.0)])
    return {"inputs": [image], "data_samples": [sample]}


def step(model: SelfTraining, target_px: int = SIZE, left: int | None = None) -> dict[str, Tensor]:
    source, target = raw(2.0, 0, left=left), raw(5.0, None, target_px)
    batch = model.data_preprocessor({"source": source, "target": target}, True)
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
    pseudo = model.label_target(batch["inputs"], batch["data_samples"])
    expected = torch.full((1, SIZE, SIZE), 255)
    expected[:, : SIZE - 3, : SIZE - 3] = 1
    assert torch.equal(pseudo.labels_BHW, expected)
    assert torch.equal(pseudo.weights_BHW, (expected == 1).float())


def test_teacher_is_the_average_and_not_the_student(segmentor: EncoderDecoder) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=0, ema_decay=0.99)
    step(model)
    with torch.no_grad():
        segmentor.decode_head.weight.fill_(-1.0)  # the student now calls everything class 0
    batch = model.data_preprocessor({"source": raw(2.0, 0), "target": raw(5.0, None)}, True)["target"]
    assert (model.label_target(batch["inputs"], batch["data_samples"]).labels_BHW == 1).all()
    assert segmentor.decode_head.weight == -1.0
    # Labels are given without drop-out, and the student is left in training.
    assert segmentor.training
    assert not any(segmentor.decode_head.predicted_in_training)
    assert (segmentor.encode_decode(batch["inputs"], [{}]).argmax(dim=1) == 0).all()


def test_a_head_without_pixel_weights_has_its_loss_scaled_by_their_mean(segmentor: EncoderDecoder) -> None:
    def mixed(confidence: float, target_px: int = SIZE) -> tuple[Tensor, Tensor]:
        torch.manual_seed(0)  # the same half is pasted each time
        model = SelfTraining(segmentor=segmentor, warmup_iters=0, weighting="share", confidence=confidence)
        losses = step(model, target_px, left=1)
        assert "gt_weight" not in segmentor.decode_head.samples[0]
        return losses["mix.decode.loss_toy"], segmentor.decode_head.seen[-1]

    # The teacher's softmax of scores one apart: 0.73 for the winner, everywhere.
    sure, labels = mixed(0.7)
    unsure, _ = mixed(0.75)
    # Half of the pixels are of the source and count 1, half have labels that count 0.
    assert sorted(labels.flatten().tolist()) in ([0] * 32 + [1] * 32, [1] * 64)
    torch.testing.assert_close(unsure, 0.5 * sure)
    # Ignored pixels of the source have no say, whether they are pasted or not.
    for seed in range(6):
        torch.manual_seed(seed)
        model = SelfTraining(segmentor=segmentor, warmup_iters=0, weighting="share", confidence=0.75)
        found = step(model, left=255)["mix.decode.loss_toy"]
        ignored = bool((segmentor.decode_head.seen[-1] == 255).any())
        assert bool(found == 0) == ignored
    # Padding of the target has no label and no say: half of 8 x 8 is source, the target adds some of 5 x 5.
    _, padded = mixed(0.7, SIZE - 3)
    cut, _ = mixed(0.75, SIZE - 3)
    labelled = int((padded != 255).sum())
    assert 32 < labelled < 64
    whole, _ = mixed(0.7, SIZE - 3)
    torch.testing.assert_close(cut, 32 / labelled * whole)


def test_gradients_reach_the_student_only(segmentor: EncoderDecoder) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=0)
    loss, _ = model.parse_losses(step(model))
    loss.backward()
    assert segmentor.decode_head.weight.grad is not None
    assert segmentor.backbone.frozen.grad is None
    assert sorted(model.ema.weights()) == ["backbone.shift", "decode_head.weight"]


def test_target_labels_are_not_read_even_if_a_batch_has_them(segmentor: EncoderDecoder) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=0)
    batch = model.data_preprocessor({"source": raw(2.0, 0), "target": raw(5.0, None)}, True)

    class Forbidden:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("a target label was read")

    object.__setattr__(batch["target"]["data_samples"][0], "_gt_sem_seg", Forbidden())
    model(**batch, mode="loss")
    assert len(segmentor.decode_head.seen) == 2


def test_the_teacher_labels_the_plain_view_and_the_student_learns_from_the_distorted_one(
    segmentor: EncoderDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SelfTraining(segmentor=segmentor, warmup_iters=0, mask_weight=1.0, mask_ratio=0.0)
    target = raw(5.0, None, SIZE - 3)
    plain = target["inputs"][0]
    # In the distorted view band 0 is above band 1: a teacher that saw it would call everything class 0.
    target = target | {"inputs": [plain.flip(0)], "plain": [plain]}
    batch = model.data_preprocessor({"source": raw(2.0, 255), "target": target}, True)
    size = SIZE - 3
    assert torch.equal(batch["target"]["plain"][0, :, :size, :size], plain)
    assert torch.equal(batch["target"]["inputs"][0, :, :size, :size], plain.flip(0))
    assert batch["target"]["data_samples"][0].padding_size == (0, 3, 0, 3)
    seen: list[Tensor] = []
    segmentor.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    # Nothing is pasted, so that the mixed image is the target's.
    monkeypatch.setattr(module, "class_mix", lambda labels, **_: torch.zeros_like(labels, dtype=torch.bool))
    model(**batch, mode="loss")
    _, teacher, agreement, mixed, masked = seen
    assert torch.equal(teacher, batch["target"]["plain"])
    assert torch.equal(agreement, batch["target"]["plain"])
    assert torch.equal(mixed, batch["target"]["inputs"])
    assert torch.equal(masked, batch["target"]["inputs"])
    for labels in segmentor.decode_head.seen[1:]:
        assert labels[0, :size, :size].unique().tolist() == [1]
        assert (labels == 255).sum() == SIZE**2 - size**2


def test_classes_of_the_batch_are_mixed_on_request(segmentor: EncoderDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    original = module.class_mix
    monkeypatch.setattr(module, "class_mix", lambda labels, *, classes_of: asked.append(classes_of) or original(labels))
    for settings in ({}, {"mix_classes": "batch"}):
        step(SelfTraining(segmentor=segmentor, warmup_iters=0, **settings))
    assert asked == ["image", "batch"]
    with pytest.raises(ConfigError, match=r"strategy\.mix_classes is 'half'\. Allowed: image, batch"):
        SelfTraining(segmentor=segmentor, warmup_iters=0, mix_classes="half")
