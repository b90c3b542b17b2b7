"""Pseudo-labels: argmax, nothing on padding and borders, weights, class thresholds and alignment by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.strategies import PseudoLabeler, PseudoLabels
from rs_adapt.strategies.pseudo_labels import inside_border, probabilities

VALID = torch.tensor([[[True, True], [True, False]]])


def two_classes(*probability: float) -> Tensor:
    """Scores (1, 2, 2, 2) of four pixels from their probabilities of class 1."""
    one = torch.tensor(probability).view(1, 2, 2)
    return torch.stack([1 - one, one], dim=1)


def labeler(**settings: Any) -> PseudoLabeler:
    return PseudoLabeler(**{"num_classes": 2, "kind": "scores"} | settings)


def known() -> Tensor:
    return two_classes(0.9, 0.51, 0.2, 0.99)


def test_labels_are_the_most_probable_class_and_padding_gets_none() -> None:
    pseudo: PseudoLabels = labeler()(known(), VALID)
    assert pseudo.labels_BHW.tolist() == [[[1, 1], [0, 255]]]
    assert pseudo.labels_BHW.dtype == torch.int64
    torch.testing.assert_close(pseudo.confidence_BHW, torch.tensor([[[0.9, 0.51], [0.8, 0.99]]]))
    assert labeler(ignore_index=7)(known(), VALID).labels_BHW[0, 1, 1] == 7


@pytest.mark.parametrize(("kind", "scores"), [("scores", 7 * known()), ("logits", known().log() + 3)])
def test_scores_and_logits_give_the_same_labels(kind: Any, scores: Tensor) -> None:
    pseudo = labeler(kind=kind, weighting="pixel", confidence=0.79)(scores, VALID)
    torch.testing.assert_close(pseudo.confidence_BHW, torch.tensor([[[0.9, 0.51], [0.8, 0.99]]]))
    assert pseudo.weights_BHW.tolist() == [[[1, 0], [1, 0]]]


def test_pixels_that_no_query_claims_are_unsure() -> None:
    # Nothing at all, almost nothing of unequal shares, sums below, at and above 1.
    scores = torch.tensor([[0, 0, 0], [1e-3, 1e-5, 1e-6], [0.4, 0.1, 0.1], [0.9, 0.05, 0.05], [1.8, 0.1, 0.1]])
    expected = [[1 / 3] * 3, [0.33400, 0.33301, 0.33300], [0.53333, 0.23333, 0.23333], [0.9, 0.05, 0.05]]
    found = probabilities(scores.T[None, :, None], "scores")[0, :, 0].T
    torch.testing.assert_close(found, torch.tensor([*expected, [0.9, 0.05, 0.05]]), atol=1e-5, rtol=0)
    pseudo = labeler(weighting="pixel", confidence=0.6)(torch.tensor([1e-3, 1e-6]).expand(1, 2, 2, 2).mT, VALID)
    assert not pseudo.weights_BHW.any()


@pytest.mark.parametrize(
    ("weighting", "confidence", "expected"),
    [
        ("none", None, [[1, 1], [1, 0]]),
        # Sure at 0.79: 0.9 and 1 - 0.2; the 0.99 is padding and counts neither above nor below the line.
        ("share", 0.79, [[2 / 3, 2 / 3], [2 / 3, 0]]),
        ("pixel", 0.79, [[1, 0], [1, 0]]),
        ("share", 0.0, [[1, 1], [1, 0]]),
        ("share", 1.0, [[0, 0], [0, 0]]),
    ],
)
def test_weights_follow_the_weighting(weighting: str, confidence: float | None, expected: list[list[float]]) -> None:
    pseudo = labeler(weighting=weighting, confidence=confidence)(known(), VALID)
    torch.testing.assert_close(pseudo.weights_BHW, torch.tensor([expected], dtype=torch.float32))


def test_the_share_is_taken_over_the_whole_batch() -> None:
    scores, valid = torch.cat([two_classes(0.9, 0.9, 0.9, 0.9), known()]), torch.cat([~torch.zeros_like(VALID), VALID])
    weights = labeler(weighting="share", confidence=0.79)(scores, valid).weights_BHW
    torch.testing.assert_close(weights[valid], torch.full((7,), 6 / 7))


@pytest.mark.parametrize("settings", [{}, {"weighting": "share", "confidence": 0.5}, {"align": 1.0}])
def test_batch_of_padding_has_no_label_and_moves_no_mean(settings: dict[str, Any]) -> None:
    label = labeler(**settings, momentum=0.5)
    before = {name: value.clone() for name, value in label.state_dict().items()}
    pseudo = label(known(), torch.zeros_like(VALID))
    assert (pseudo.labels_BHW == 255).all()
    assert not pseudo.weights_BHW.any()
    assert all(torch.equal(value, before[name]) for name, value in label.state_dict().items())


def test_class_thresholds_follow_the_running_means() -> None:
    label = labeler(weighting="pixel", confidence=0.8, per_class=True, momentum=0.75)
    # Class 1 on 0.76 and 0.6, class 0 on 0.95: the first batch is the mean, so class 1's threshold is
    # 0.8 * 0.68 / 0.95 = 0.57 at once.
    assert label(two_classes(0.76, 0.6, 0.05, 0.99), VALID).weights_BHW.flatten().tolist() == [1, 1, 1, 0]
    torch.testing.assert_close(label.class_confidence_K, torch.tensor([0.95, 0.68]))
    # Steps of 1/2 and 1/3, then of 1 - 0.75: class 1 on 0.9 and 0.52, threshold 0.8 * 0.695 / 0.925 = 0.60.
    means = [(0.925, 0.695), (2.75 / 3, 0.70), (0.9125, 0.7025), (0.909375, 0.704375)]
    for mean in means:
        assert label(two_classes(0.9, 0.52, 0.1, 0.99), VALID).weights_BHW.flatten().tolist() == [1, 0, 1, 0]
        torch.testing.assert_close(label.class_confidence_K, torch.tensor(mean))
    # A class without a pixel keeps its mean and its number of batches.
    label(two_classes(0.05, 0.05, 0.05, 0.99), VALID)
    torch.testing.assert_close(label.class_confidence_K, torch.tensor([0.75 * 0.909375 + 0.25 * 0.95, 0.704375]))
    assert label.class_batches_K.tolist() == [6, 5]


def test_a_class_that_never_had_a_pixel_lowers_no_threshold() -> None:
    label = labeler(weighting="pixel", confidence=0.9, per_class=True)
    # Only class 0 is ever labelled, on 0.7 and 0.8: it is the surest class, with the threshold of all.
    assert not label(two_classes(0.3, 0.2, 0.3, 0.99), VALID).weights_BHW.any()


def test_the_most_confident_class_has_the_highest_threshold() -> None:
    scores, valid = torch.rand(2, 5, 16, 16) ** 6, torch.ones(2, 16, 16, dtype=torch.bool)
    plain = PseudoLabeler(num_classes=5, kind="scores", weighting="pixel", confidence=0.8)(scores, valid)
    label = PseudoLabeler(num_classes=5, kind="scores", weighting="pixel", confidence=0.8, per_class=True, momentum=0.0)
    scaled = label(scores, valid)
    assert torch.equal(scaled.labels_BHW, plain.labels_BHW)
    assert (scaled.weights_BHW >= plain.weights_BHW).all()
    surest = plain.labels_BHW == label.class_confidence_K.argmax()
    assert torch.equal(scaled.weights_BHW[surest], plain.weights_BHW[surest])
    assert scaled.weights_BHW.sum() > plain.weights_BHW.sum()


def test_source_shares_leave_ignored_pixels_out() -> None:
    label = labeler(momentum=0.5)
    label.observe_source(torch.tensor([[[0, 1, 1], [1, 255, 255]]]))
    torch.testing.assert_close(label.source_share_K, torch.tensor([0.25, 0.75]))
    label.observe_source(torch.full((1, 2, 3), 255))
    torch.testing.assert_close(label.source_share_K, torch.tensor([0.25, 0.75]))


@pytest.mark.parametrize(
    ("align", "labels"),
    [
        (0.0, [[0, 0], [0, 0]]),
        # Class 1 has 0.4, 0.4, 0.4 and 0.1: a share of 0.325 against 0.5 in the source. At 1 the 0.4 becomes
        # 0.4 * 0.5 / 0.325 = 0.62 against 0.6 * 0.5 / 0.675 = 0.44; at 0.5 it is 0.496 against 0.516, and the edge is
        # at log(0.6 / 0.4) / log(0.675 / 0.325) = 0.555.
        (0.5, [[0, 0], [0, 0]]),
        (0.6, [[1, 1], [1, 0]]),
        (1.0, [[1, 1], [1, 0]]),
    ],
)
def test_alignment_lifts_a_starved_class_over_the_threshold(align: float, labels: list[list[int]]) -> None:
    label = labeler(align=align, momentum=0.0)
    label.observe_source(torch.tensor([[[0, 1]]]))
    pseudo = label(two_classes(0.4, 0.4, 0.4, 0.1), torch.ones_like(VALID))
    assert pseudo.labels_BHW.tolist() == [labels]
    # Confidence is the teacher's own: 0.4 in a label that only alignment gives.
    confidence = [0.4 if row else 0.6 for row in labels[0]]
    torch.testing.assert_close(pseudo.confidence_BHW[0, 0], torch.tensor(confidence))
    if align:
        torch.testing.assert_close(label.teacher_share_K, torch.tensor([0.675, 0.325]))


def test_alignment_follows_running_means_and_not_the_batch() -> None:
    label = labeler(align=1.0, momentum=0.9)
    label.observe_source(torch.tensor([[[0, 1]]]))
    starved, ample = two_classes(0.4, 0.4, 0.4, 0.1), two_classes(0.4, 0.9, 0.9, 0.9)
    everywhere = torch.ones_like(VALID)
    # The first batch is the mean, and the second counts half: class 1 has 0.775, then 0.55 of the teacher's shares, so
    # 0.4 is not enough. Its share falls to 0.325 in the end.
    label(ample, everywhere)
    found, shares = [], []
    for _ in range(30):
        found.append(int(label(starved, everywhere).labels_BHW[0, 0, 0]))
        shares.append(float(label.teacher_share_K[1]))
    assert (found[0], found[-1]) == (0, 1)
    # Equal weights up to the tenth batch, then steps of 1 - 0.9.
    expected = [0.325 + 0.45 / n if n <= 10 else 0.325 + 0.045 * 0.9 ** (n - 10) for n in range(2, 32)]
    torch.testing.assert_close(torch.tensor(shares), torch.tensor(expected))


@pytest.mark.parametrize("warm_up", [0, 80, 1000])
def test_alignment_leaves_a_teacher_with_the_sources_shares_alone_from_its_first_batch(warm_up: int) -> None:
    label = labeler(align=0.5)
    # 5 % of class 1. Means that start at 1/2 would multiply it by up to 2.2, and the other by as little as 0.7.
    source, scores = torch.tensor([[[0] * 19 + [1]]]), two_classes(0.05, 0.05, 0.05, 0.05)
    for _ in range(warm_up):
        label.observe_source(source)
    for _ in range(120):
        label.observe_source(source)
        label(scores, torch.ones_like(VALID))
        torch.testing.assert_close(label.source_share_K, torch.tensor([0.95, 0.05]))
        torch.testing.assert_close(label.teacher_share_K, torch.tensor([0.95, 0.05]))


def test_older_states_continue_with_their_means() -> None:
    older, restored = (labeler(align=1.0, weighting="pixel", confidence=0.5, per_class=True) for _ in range(2))
    fed = {
        "class_confidence_K": torch.tensor([0.9, 1.0]),
        "source_share_K": torch.tensor([0.7, 0.3]),
        "teacher_share_K": torch.tensor([0.6, 0.4]),
    }
    restored.load_state_dict(fed | restored.complete_older_state(fed))
    restored.observe_source(torch.tensor([[[0, 0]]]))
    restored(two_classes(0.2, 0.2, 0.2, 0.2), VALID)
    # Steps of 0.01, as that version had, but for class 1's confidence, which it had not seen.
    torch.testing.assert_close(restored.source_share_K, torch.tensor([0.703, 0.297]))
    torch.testing.assert_close(restored.teacher_share_K, torch.tensor([0.602, 0.398]))
    torch.testing.assert_close(restored.class_confidence_K, torch.tensor([0.899, 1.0]))
    assert restored.class_batches_K[1] == 0
    # In the warm-up the teacher has no shares yet: both begin together.
    warming = fed | {"teacher_share_K": torch.tensor([0.5, 0.5])}
    older.load_state_dict(warming | older.complete_older_state(warming))
    older.observe_source(torch.tensor([[[0, 1]]]))
    torch.testing.assert_close(older.source_share_K, torch.tensor([0.5, 0.5]))


def test_full_alignment_with_the_batchs_means_gives_the_sources_shares() -> None:
    scores = 1e6 * torch.rand(2, 4, 32, 32) ** 3 * torch.tensor([4.0, 2.0, 1.0, 0.1])[:, None, None]
    valid = torch.ones(2, 32, 32, dtype=torch.bool)
    label = PseudoLabeler(num_classes=4, kind="scores", align=1.0, momentum=0.0)
    label.observe_source(torch.tensor([[[0] * 4 + [1] * 3 + [2] * 2 + [3]]]))
    pseudo = label(scores, valid)
    probability = scores / scores.sum(dim=1, keepdim=True)
    aligned = probability * (torch.tensor([0.4, 0.3, 0.2, 0.1]) / probability.mean(dim=(0, 2, 3)))[:, None, None]
    torch.testing.assert_close(aligned.mean(dim=(0, 2, 3)), torch.tensor([0.4, 0.3, 0.2, 0.1]))
    assert torch.equal(pseudo.labels_BHW, aligned.argmax(dim=1))
    # The class that the teacher starves gets labels that it had not before.
    plain = PseudoLabeler(num_classes=4, kind="scores")(scores, valid).labels_BHW
    assert (pseudo.labels_BHW == 3).sum() > (plain == 3).sum()


def test_alignment_changes_nothing_where_teacher_and_source_agree() -> None:
    label = labeler(align=1.0, momentum=0.0)
    label.observe_source(torch.tensor([[[0] * 13 + [1] * 7]]))
    scores = two_classes(0.6, 0.4, 0.2, 0.2)  # mean 0.35
    assert torch.equal(label(scores, torch.ones_like(VALID)).labels_BHW, scores.argmax(dim=1))


def test_border_gets_no_label_and_counts_in_the_share() -> None:
    scores, valid = torch.ones(1, 2, 5, 6), torch.ones(1, 5, 6, dtype=torch.bool)
    valid[..., 5] = False  # padding to the right: the image is 5 x 5
    pseudo = labeler(weighting="share", confidence=0.5, border_px=1)(scores, valid)
    inner = torch.zeros_like(valid)
    inner[:, 1:4, 1:4] = True
    assert torch.equal(pseudo.labels_BHW != 255, inner)
    torch.testing.assert_close(pseudo.weights_BHW, 9 / 25 * inner.float())


@pytest.mark.parametrize("border_px", [0, 1, 2, 3])
def test_border_of_a_padded_image_is_its_own(border_px: int) -> None:
    valid = torch.zeros(2, 7, 9, dtype=torch.bool)
    valid[0, 1:6, 2:8] = True
    valid[1] = True
    expected = torch.zeros_like(valid)
    expected[0, 1 + border_px : 6 - border_px, 2 + border_px : 8 - border_px] = True
    expected[1, border_px : 7 - border_px, border_px : 9 - border_px] = True
    assert torch.equal(inside_border(valid, border_px), expected)


def test_running_means_are_in_the_state_dict() -> None:
    settings = {"weighting": "pixel", "confidence": 0.7, "per_class": True, "align": 1.0, "momentum": 0.5}
    label, restored = labeler(**settings), labeler(**settings)
    assert sorted(label.state_dict()) == [
        *("class_batches_K", "class_confidence_K", "source_batches", "source_share_K"),
        *("teacher_batches", "teacher_share_K"),
    ]
    label.observe_source(torch.tensor([[[0, 0, 0, 1]]]))
    label(known(), VALID)
    restored.load_state_dict(label.state_dict())
    for first, second in zip(label(known(), VALID), restored(known(), VALID), strict=True):
        assert torch.equal(first, second)
    assert not list(label.parameters())


def test_no_gradient_flows_into_the_teacher() -> None:
    scores = known().requires_grad_()
    pseudo = labeler(weighting="share", confidence=0.5, align=0.5)(scores, VALID)
    assert not pseudo.weights_BHW.requires_grad
    assert not pseudo.confidence_BHW.requires_grad


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weighting": "soft"}, r"weighting is 'soft'\. Allowed: none, share, pixel"),
        ({"confidence": 0.9}, r"'none', so strategy\.confidence and .*no effect\. Set weighting to 'share' or 'pixel'"),
        ({"per_class": True}, r"per_class would have no effect.*per_class to False"),
        ({"weighting": "share"}, r"is 'share' and strategy\.confidence is None: it needs a probability from 0 to 1"),
        ({"weighting": "pixel", "confidence": 2}, r"strategy\.confidence is 2: it needs a probability"),
        ({"weighting": "share", "confidence": "high"}, r"strategy\.confidence is 'high': it needs a probability"),
        ({"align": -0.1}, r"strategy\.align is -0\.1; it must be from 0 to 1"),
        ({"align": 1.5}, r"strategy\.align is 1\.5"),
        ({"border_px": -1}, r"strategy\.border_px is -1; it must be 0 or larger"),
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        labeler(**settings)
