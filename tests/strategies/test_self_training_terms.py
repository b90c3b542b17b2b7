"""The terms of self-training on a real tiny segmentor: which are there, what each sees, and what they weigh."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from rs_adapt.errors import ConfigError
from rs_adapt.heads import LinearHead
from rs_adapt.strategies import SelfTraining
from rs_adapt.strategies import self_training as module

Tiny = Callable[..., Any]
Batch = Callable[..., dict[str, Any]]
FEATURES: dict[str, Any] = {"feature_weight": 1.0, "feature_min_share": 0.5}
AUGMENT: dict[str, Any] = {"jitter_prob": 1.0, "blur_prob": 1.0}


def made(segmentor: nn.Module, **settings: Any) -> SelfTraining:
    return SelfTraining(segmentor=segmentor, **{"warmup_iters": 0} | settings)


def losses(model: SelfTraining, raw: dict[str, Any], seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    found: dict[str, Tensor] = model(**model.data_preprocessor(raw, True), mode="loss")
    return found


def watched(model: SelfTraining, raw: dict[str, Any]) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The losses of a step, and the images that the backbone is shown in it: the source, the target for the teacher
    and in the first step for the student, the mixture, and with `mask_weight` the masked target."""
    images: list[Tensor] = []
    hook = model.segmentor.backbone.register_forward_pre_hook(lambda _, args: images.append(args[0].clone()))
    found = losses(model, raw)
    hook.remove()
    return found, images


@pytest.mark.parametrize(
    ("settings", "extra"),
    [
        ({}, []),
        ({"mask_weight": 1.0}, ["masked.decode.loss_ce"]),
        (FEATURES, ["source.loss_feature_distance"]),
        (FEATURES | {"mask_weight": 1.0}, ["masked.decode.loss_ce", "source.loss_feature_distance"]),
        ({"back_weight": 1.0}, ["back.decode.loss_ce"]),
        ({"rebuild_weight": 1.0}, ["rebuilt.decode.loss_ce"]),
        ({"distill_weight": 1.0}, ["source.loss_distillation"]),
        (FEATURES | {"distill_weight": 1.0}, ["source.loss_distillation", "source.loss_feature_distance"]),
        ({"back_weight": 1.0, "mask_weight": 1.0}, ["back.decode.loss_ce", "masked.decode.loss_ce"]),
    ],
)
def test_a_term_is_present_if_it_has_a_weight(tiny: Tiny, batch: Batch, settings: Any, extra: list[str]) -> None:
    found = losses(made(tiny(), **settings), batch())
    assert sorted(found) == sorted(["source.decode.loss_ce", "mix.decode.loss_ce", *extra])
    warming = losses(made(tiny(), warmup_iters=1, **settings), batch())
    assert sorted(warming) == [name for name in sorted(found) if name.startswith("source.")]
    # Terms stand beside each other: none changes another.
    for name, value in losses(made(tiny()), batch()).items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize(
    ("knob", "name"),
    [
        ("mix_weight", "mix.decode.loss_ce"),
        ("mask_weight", "masked.decode.loss_ce"),
        ("back_weight", "back.decode.loss_ce"),
        ("rebuild_weight", "rebuilt.decode.loss_ce"),
        ("distill_weight", "source.loss_distillation"),
        ("feature_weight", "source.loss_feature_distance"),
    ],
)
def test_a_loss_is_proportional_to_its_weight(tiny: Tiny, batch: Batch, knob: str, name: str) -> None:
    one, three = (losses(made(tiny(), **FEATURES | {knob: weight}), batch())[name] for weight in (1.0, 3.0))
    assert one > 0
    torch.testing.assert_close(three, 3 * one)


def test_masked_loss_is_computed_on_the_masked_target_with_the_teachers_labels(tiny: Tiny, batch: Batch) -> None:
    model, raw = made(tiny(), mask_weight=1.0, mask_ratio=0.5, mask_block_share=0.25), batch()
    found, (_, target, student, _, masked) = watched(model, raw)
    assert torch.equal(target, student)
    hidden = (masked == 0).all(dim=1, keepdim=True)
    assert 0 < hidden.float().mean() < 1
    assert torch.equal(masked, target.masked_fill(hidden, 0.0))
    # In the first iteration the teacher is the student.
    with torch.no_grad():
        meta = [{"img_shape": (32, 32)}] * 2
        labels = model.segmentor.encode_decode(target, meta).argmax(dim=1)
        logits = model.segmentor.encode_decode(masked, meta)
    torch.testing.assert_close(found["masked.decode.loss_ce"], nn.functional.cross_entropy(logits, labels))


def test_only_images_that_are_learnt_with_pseudo_labels_are_augmented(
    tiny: Tiny, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[list[Tensor]] = []
    original = LinearHead.loss
    monkeypatch.setattr(
        LinearHead,
        "loss",
        lambda self, features, samples, cfg: (
            labels.append([sample.gt_sem_seg.data for sample in samples]) or original(self, features, samples, cfg)
        ),
    )
    (_, plain), (_, strong) = (
        watched(made(tiny(), mask_weight=1.0, mask_ratio=0.0, **settings), batch()) for settings in ({}, AUGMENT)
    )
    same = [torch.equal(first, second) for first, second in zip(plain, strong, strict=True)]
    assert same == [True, True, True, False, False]
    # Masking hides nothing here, so that the masked image shows what was augmented.
    assert torch.equal(plain[4], plain[1])
    # The classes that are pasted are drawn before the augmentation draws, and no label is touched by it.
    for before, after in zip(labels[:3], labels[3:], strict=True):
        assert all(torch.equal(first, second) for first, second in zip(before, after, strict=True))


def test_mixed_image_and_labels_are_pasted_alike(tiny: Tiny, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    original = LinearHead.loss
    monkeypatch.setattr(
        LinearHead, "loss", lambda self, f, samples, cfg: given.append(samples) or original(self, f, samples, cfg)
    )
    model = made(tiny(), weighting="pixel", confidence=0.8)
    _, (source, target, _, mixed) = watched(model, batch())
    truth = torch.stack([sample.gt_sem_seg.data[0] for sample in given[0]])
    pseudo = model.label_target(target, given[1])
    pasted = (mixed == source).all(dim=1)
    assert torch.equal(pasted, ~(mixed == target).all(dim=1))
    for position, sample in enumerate(given[1]):
        here = pasted[position]
        assert len(truth[position][here].unique()) == 2  # of three classes
        assert torch.equal(sample.gt_sem_seg.data[0], torch.where(here, truth[position], pseudo.labels_BHW[position]))
        assert torch.equal(sample.gt_weight.data[0], torch.where(here, 1.0, pseudo.weights_BHW[position]))
    assert 0 < pseudo.weights_BHW.mean() < 1


def test_the_back_term_pastes_target_classes_with_their_labels_onto_the_source(
    tiny: Tiny, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    original = LinearHead.loss
    monkeypatch.setattr(
        LinearHead, "loss", lambda self, f, samples, cfg: given.append(samples) or original(self, f, samples, cfg)
    )
    model = made(tiny(), weighting="pixel", confidence=0.8, back_weight=1.0)
    _, (source, target, _, _, back) = watched(model, batch())
    truth = torch.stack([sample.gt_sem_seg.data[0] for sample in given[0]])
    pseudo = model.label_target(target, given[1])
    from_target = (back == target).all(dim=1)
    assert torch.equal(from_target, ~(back == source).all(dim=1))
    for position, sample in enumerate(given[2]):
        here = from_target[position]
        # Half of the classes of the pseudo-labels, rounded up, and every pixel of each.
        pasted = pseudo.labels_BHW[position][here].unique()
        assert len(pasted) == (len(pseudo.labels_BHW[position].unique()) + 1) // 2
        assert torch.equal(here, torch.isin(pseudo.labels_BHW[position], pasted))
        assert torch.equal(sample.gt_sem_seg.data[0], torch.where(here, pseudo.labels_BHW[position], truth[position]))
        assert torch.equal(sample.gt_weight.data[0], torch.where(here, pseudo.weights_BHW[position], 1.0))


def test_feature_distance_starts_at_zero_and_grows_with_the_adapter(tiny: Tiny, batch: Batch) -> None:
    model = made(tiny(scale_init=0.0), **FEATURES)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01)
    distances = []
    for _ in range(2):
        found = losses(model, batch())
        distances.append(found["source.loss_feature_distance"].item())
        loss, _ = model.parse_losses(found)
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.requires_grad]
        assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
        optimizer.step()
        optimizer.zero_grad()
    assert distances[0] == 0
    assert distances[1] > 0


def test_feature_distance_alone_draws_the_adapter_back(tiny: Tiny, batch: Batch) -> None:
    model, raw = made(tiny(), **FEATURES), batch()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
    distances = []
    for _ in range(4):
        distance = losses(model, raw)["source.loss_feature_distance"]
        distances.append(distance.item())
        optimizer.zero_grad()
        distance.backward()
        assert model.segmentor.decode_head.classifiers[0].weight.grad is None
        optimizer.step()
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < distances[0]


def test_feature_classes_choose_the_cells(tiny: Tiny, batch: Batch) -> None:
    def distance(classes: list[int] | None) -> float:
        settings = FEATURES | {"feature_classes": classes, "feature_min_share": 0.3}
        return losses(made(tiny(), **settings), batch())["source.loss_feature_distance"].item()

    assert distance([0, 1, 2]) == distance(None) > 0
    assert distance([]) == 0
    assert len({distance([0]), distance([1]), distance(None)}) == 3


def test_feature_distance_needs_a_frozen_backbone(tiny: Tiny) -> None:
    with pytest.raises(
        ConfigError, match=r"here the whole backbone is trained\. Set strategy\.feature_weight=0\.0, or"
    ):
        made(tiny(frozen=False, adapter=None), **FEATURES)
    made(tiny(frozen=False, adapter=None))


def test_without_adapter_no_second_pass_is_made_for_a_distance_of_zero(tiny: Tiny, batch: Batch) -> None:
    assert "source.loss_feature_distance" not in losses(made(tiny(adapter=None), **FEATURES), batch())


@pytest.mark.parametrize(
    ("settings", "equal"),
    # All pixels count alike, or all those of the masked target do: then the mean says as much as the map.
    [({}, {"mix", "masked"}), ({"weighting": "share", "confidence": 0.7}, {"masked"})],
)
def test_a_head_without_pixel_weights_gets_their_mean(
    tiny: Tiny, batch: Batch, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], equal: set[str]
) -> None:
    by_pixel = losses(made(tiny(), mask_weight=1.0, **settings), batch())
    monkeypatch.setattr(LinearHead, "takes_pixel_weights", False)
    by_mean = losses(made(tiny(), mask_weight=1.0, **settings), batch())
    assert {
        term
        for term in ("mix", "masked")
        if torch.allclose(by_pixel[f"{term}.decode.loss_ce"], by_mean[f"{term}.decode.loss_ce"])
    } == equal


def test_unsure_labels_count_less(tiny: Tiny, batch: Batch) -> None:
    full, half, nothing = (
        losses(made(tiny(), mask_weight=1.0, weighting="share", confidence=confidence), batch())
        for confidence in (0.0, 0.7, 1.0)
    )
    assert full["masked.decode.loss_ce"] > half["masked.decode.loss_ce"] > nothing["masked.decode.loss_ce"] == 0
    # What is pasted from the source counts in full.
    assert full["mix.decode.loss_ce"] > half["mix.decode.loss_ce"] > nothing["mix.decode.loss_ce"] > 0


def test_both_class_shares_are_followed_from_the_first_mixing_iteration_on(tiny: Tiny, batch: Batch) -> None:
    model = made(tiny(), warmup_iters=2, align=0.5)
    batches = []
    for seed in range(4):
        losses(model, batch(seed), seed)
        batches.append((int(model.labeler.source_batches), int(model.labeler.teacher_batches)))
    assert batches == [(0, 0), (0, 0), (1, 1), (2, 2)]
    assert not torch.equal(model.labeler.teacher_share_K, torch.full((3,), 1 / 3))


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_measuring_the_health_changes_no_weight(
    tiny: Tiny, batch: Batch, monkeypatch: pytest.MonkeyPatch, precision: torch.dtype
) -> None:
    trained = []
    for every in (1, 10**6):
        monkeypatch.setattr(module, "AGREEMENT_EVERY", every)
        model = made(tiny(), mask_weight=1.0, **FEATURES)
        model.iteration += 1  # so that 10**6 never comes
        optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
        for seed in range(2):
            with torch.autocast("cpu", dtype=precision, enabled=precision == torch.bfloat16):
                found = losses(model, batch(seed), seed)
            optimizer.zero_grad()
            model.parse_losses(found)[0].backward()
            optimizer.step()
        assert (model.health.compared_pixels > 0) == (every == 1)
        trained.append([p.clone() for p in model.parameters() if p.requires_grad])
    assert all(torch.equal(first, second) for first, second in zip(*trained, strict=True))
