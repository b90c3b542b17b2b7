"""Health of pseudo-labels: shares, confidence and agreement of hand-made labels, and what raises the alarm."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rs_adapt.strategies import health as module
from rs_adapt.strategies.health import (
    ClassShares,
    HealthSummary,
    PseudoLabelHealth,
    alarm_subjects,
    collapse_alarm,
)

CLASSES = ("background", "building", "road")
NO_PROOF = "Regions do differ in class shares, so this is no proof."


def labels(*values: int) -> Tensor:
    return torch.tensor(values).view(1, 2, -1)


def observe(health: PseudoLabelHealth) -> None:
    # Source: 8 pixels of which 2 are ignored; target: 4 labelled pixels, and the student agrees on 3 of them.
    health.observe(
        source_labels_BHW=labels(0, 0, 0, 1, 1, 2, 255, 255),
        teacher_labels_BHW=labels(0, 0, 1, 0, 255, 255),
        confidence_BHW=torch.tensor([1.0, 0.5, 0.25, 0.25, float("nan"), 9.0]).view(1, 2, 3),
        weights_BHW=torch.tensor([1.0, 0.5, 0.0, 1.0, 9.0, float("nan")]).view(1, 2, 3),
        student_labels_BHW=labels(0, 0, 2, 0, 1, 1),
    )


def observe_images(health: PseudoLabelHealth, number: int, teacher: list[int]) -> None:
    """Add `number` images of two source pixels, of class 0 and 1, and of the given pixels of the teacher."""
    labels_BHW = torch.tensor(teacher).expand(number, 1, -1)
    health.observe(
        source_labels_BHW=torch.tensor([0, 1]).expand(number, 1, -1),
        teacher_labels_BHW=labels_BHW,
        confidence_BHW=torch.ones(labels_BHW.shape),
        weights_BHW=torch.ones(labels_BHW.shape),
    )


def shares(source: list[float], teacher: list[float]) -> ClassShares:
    return ClassShares(source_share=tuple(source), teacher_share=tuple(teacher))


def test_shares_confidence_and_agreement_leave_ignored_pixels_out() -> None:
    health = PseudoLabelHealth(num_classes=3, ignore_index=255)
    observe(health)
    assert health.summary() == HealthSummary(
        source_share=(3 / 6, 2 / 6, 1 / 6),
        teacher_share=(3 / 4, 1 / 4, 0.0),
        confidence=0.5,
        weight=0.625,
        agreement=0.75,
    )


def test_an_ignore_index_among_the_classes_counts_nowhere_either() -> None:
    health = PseudoLabelHealth(num_classes=3, ignore_index=0)
    observe(health)
    found = health.summary()
    assert found is not None
    assert found.source_share == (0.0, 2 / 3, 1 / 3)
    assert found.teacher_share == (0.0, 1.0, 0.0)


def test_pixels_count_alike_whichever_iteration_they_are_in() -> None:
    health = PseudoLabelHealth(num_classes=3, ignore_index=255)
    observe(health)
    health.observe(
        source_labels_BHW=labels(2, 2),
        teacher_labels_BHW=labels(2, 2, 2, 2),
        confidence_BHW=torch.ones(1, 2, 2),
        weights_BHW=torch.full((1, 2, 2), 0.125),
    )
    found = health.summary()
    assert found is not None
    assert found.source_share == (3 / 8, 2 / 8, 3 / 8)
    assert found.teacher_share == (3 / 8, 1 / 8, 4 / 8)
    assert found.confidence == 0.75
    assert found.weight == (2.5 + 4 * 0.125) / 8
    # No student in the second iteration: the first one's agreement stands.
    assert found.agreement == 0.75


def test_without_a_student_there_is_no_agreement() -> None:
    health = PseudoLabelHealth(num_classes=3, ignore_index=255)
    one = torch.ones(1, 2, 1)
    health.observe(source_labels_BHW=labels(0, 1), teacher_labels_BHW=labels(0, 1), confidence_BHW=one, weights_BHW=one)
    found = health.summary()
    assert found is not None
    assert found.agreement is None


def test_nothing_observed_has_no_summary() -> None:
    health = PseudoLabelHealth(num_classes=3, ignore_index=255)
    assert health.summary() is None
    observe(health)
    health.reset()
    assert health.summary() is None
    health.observe(
        source_labels_BHW=labels(0, 1),
        teacher_labels_BHW=labels(255, 255),
        confidence_BHW=torch.ones(1, 2, 1),
        weights_BHW=torch.ones(1, 2, 1),
    )
    assert health.summary() is None


def test_a_summary_changes_nothing_and_the_state_dict_carries_all() -> None:
    health, restored = (PseudoLabelHealth(num_classes=3, ignore_index=255) for _ in range(2))
    observe(health)
    before = health.summary()
    assert health.summary() == before
    assert not list(health.parameters())
    observe_images(health, 200, [0, 1])
    health.reset()
    observe(health)
    restored.load_state_dict(health.state_dict())
    for each in (health, restored):
        observe(each)
        each.reset()
        observe(each)
    assert restored.summary() == health.summary()
    assert health.recent_shares() is not None
    assert restored.recent_shares() == health.recent_shares()


def test_a_state_without_weights_has_those_of_the_iterations_since() -> None:
    health, older = (PseudoLabelHealth(num_classes=3, ignore_index=255) for _ in range(2))
    observe(older)
    stored = {name: value for name, value in older.state_dict().items() if "weight" not in name}
    health.load_state_dict(stored | health.complete_older_state(stored))
    found = health.summary()
    assert found is not None
    assert (found.confidence, found.weight) == (0.5, None)
    observe(health)
    found = health.summary()
    assert found is not None
    assert (found.confidence, found.weight) == (0.5, 0.625)


def test_a_sum_of_many_pixels_stays_exact() -> None:
    # In float32 the sum would stop growing at 2 ** 24.
    health = PseudoLabelHealth(num_classes=3, ignore_index=255)
    observe(health)
    health.confidence_sum.fill_(2.0**25)
    observe(health)
    assert health.confidence_sum == 2**25 + 2


def test_recent_shares_wait_for_enough_images_and_outlive_a_reset() -> None:
    health = PseudoLabelHealth(num_classes=2, ignore_index=255)
    observe_images(health, 100, [0, 1])
    health.reset()
    assert health.recent_shares() is None
    observe_images(health, 64, [0, 1])
    assert health.recent_shares() is None  # not before the next reset
    health.reset()
    assert health.recent_shares() == shares([0.5, 0.5], [0.5, 0.5])


def test_recent_shares_forget_old_images() -> None:
    health = PseudoLabelHealth(num_classes=2, ignore_index=255)
    observe_images(health, 256, [0, 0])
    health.reset()
    observe_images(health, 256, [1, 1])
    health.reset()
    found = health.recent_shares()
    assert found is not None
    # 256 images have passed since the first 256: they count 1 / e.
    assert found.teacher_share == pytest.approx((1 / (math.e + 1), math.e / (math.e + 1)))


def test_processes_are_added_up_before_anything_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    health, other = (PseudoLabelHealth(num_classes=3, ignore_index=255) for _ in range(2))
    sent: list[Tensor] = []
    with monkeypatch.context() as patch:
        patch.setattr(module, "sum_over_ranks", lambda data: sent.append(data.clone()) or data)
        other.observe(
            source_labels_BHW=labels(2, 2),
            teacher_labels_BHW=labels(2, 2, 2, 2),
            confidence_BHW=torch.ones(1, 2, 2),
            weights_BHW=torch.full((1, 2, 2), 0.125),
        )
        patch.setattr(module, "sum_over_ranks", lambda data: data.add_(sent.pop(0)))
        observe(health)
    together = health.summary()
    assert together is not None
    assert together.teacher_share == (3 / 8, 1 / 8, 4 / 8)
    assert together.confidence == 0.75
    assert together.weight == (2.5 + 4 * 0.125) / 8
    # What a state file holds is of all processes: whoever goes on needs no other's.
    assert health.teacher_pixels.tolist() == [3, 1, 4]
    assert health.images == 2
    assert not sent


def test_observing_needs_no_gradient() -> None:
    health = PseudoLabelHealth(num_classes=3, ignore_index=255)
    health.observe(
        source_labels_BHW=labels(0, 1),
        teacher_labels_BHW=labels(0, 1),
        confidence_BHW=torch.ones(1, 2, 1, requires_grad=True),
        weights_BHW=torch.ones(1, 2, 1, requires_grad=True),
    )
    assert not health.confidence_sum.requires_grad
    assert not health.weight_sum.requires_grad


@pytest.mark.parametrize(
    ("source", "teacher"),
    [
        ([0.5, 0.3, 0.2], [0.5, 0.3, 0.2]),
        ([0.5, 0.3, 0.2], [0.94, 0.035, 0.025]),  # skewed, but no class below a tenth
        ([0.9, 0.095, 0.005], [0.99, 0.01, 0.0]),  # the source is nearly all one class, and road is rare there
    ],
)
def test_balanced_shares_raise_no_alarm(source: list[float], teacher: list[float]) -> None:
    assert collapse_alarm(shares(source, teacher), CLASSES) is None
    assert alarm_subjects(shares(source, teacher), CLASSES) == frozenset()


def test_a_starved_class_is_named_with_both_shares_and_a_remedy() -> None:
    found = shares([0.718, 0.082, 0.2], [0.8, 0.001, 0.199])
    assert collapse_alarm(found, CLASSES) == (
        "The teacher has almost stopped predicting building: 0.1 % of target pixels against 8.2 % in the source "
        "labels. Its pseudo-labels starve this class; try --set strategy.class_sampling.temperature=0.05, which "
        "samples rare classes more often. " + NO_PROOF
    )
    assert alarm_subjects(found, CLASSES) == {"building"}


def test_all_starved_classes_share_one_sentence() -> None:
    found = shares([0.5, 0.3, 0.15, 0.05], [0.94, 0.02, 0.01, 0.03])
    text = collapse_alarm(found, (*CLASSES, "water"))
    assert text is not None
    assert text.startswith(
        "The teacher has almost stopped predicting building and road: 2.0 % and 1.0 % of target pixels "
        "against 30.0 % and 15.0 % in the source labels. Its pseudo-labels starve these classes;"
    )
    found = shares([0.4, 0.3, 0.2, 0.1], [1.0, 0.0, 0.0, 0.0])
    text = collapse_alarm(found, (*CLASSES, "water"))
    assert text is not None
    assert "stopped predicting building, road and water: 0.0 %, 0.0 % and 0.0 % of" in text


def test_a_dominant_class_is_named_even_if_no_class_is_starved() -> None:
    found = shares([0.2, 0.8, 0.0], [0.04, 0.96, 0.0])
    assert collapse_alarm(found, CLASSES) == (
        "The teacher calls 96.0 % of target pixels building, while no class has more than 80.0 % of the source labels. "
        "Try --strategy dacs-conf, which gives unsure pseudo-labels less weight. " + NO_PROOF
    )
    assert alarm_subjects(found, CLASSES) == {"mostly building"}


def test_both_signs_are_reported_together() -> None:
    found = shares([0.5, 0.3, 0.2], [0.01, 0.01, 0.98])
    text = collapse_alarm(found, CLASSES)
    assert text is not None
    assert text.index("98.0 % of target pixels road") < text.index("stopped predicting background and building: 1.0 %")
    assert alarm_subjects(found, CLASSES) == {"mostly road", "background", "building"}
