"""Evidence of hand-made predictions, whose numbers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from rs_adapt.errors import DataError
from rs_adapt.judging.compare import compare_predictions
from rs_adapt.judging.evidence import neighbourhood_density
from rs_adapt.judging.indicators import compare_indicators, share_distance
from rs_adapt.judging.pairs import PairPrediction, RasterPlace
from rs_adapt.metrics.label_free import LabelFreeMetric
from rs_adapt.strategies.pseudo_labels import probabilities


def one_hot(labels: list[list[int]], *, sure: float = 1.0) -> NDArray[np.float32]:
    """Return the probabilities (3, H, W) of a model that is equally sure everywhere."""
    labels_HW = np.array(labels)
    rest = (1 - sure) / 2
    return np.where(np.arange(3)[:, None, None] == labels_HW, sure, rest).astype(np.float32)


def pair(
    run: list[list[int]], against: list[list[int]], *, image: str = "a.png", sure: float = 1.0, valid: object = True
) -> PairPrediction:
    """Return two predictions of an image."""
    run_KHW = one_hot(run, sure=sure)
    return PairPrediction(
        image=image,
        run_KHW=run_KHW,
        against_KHW=one_hot(against),
        valid_HW=np.broadcast_to(np.array(valid, dtype=bool), run_KHW.shape[1:]),
        read_pixels=lambda: np.zeros((*run_KHW.shape[1:], 3), dtype=np.uint8),
    )


def test_the_joint_counts_are_those_of_the_hand_made_maps() -> None:
    pairs = [
        pair([[0, 0, 1], [2, 2, 1]], [[0, 1, 1], [2, 0, 1]], sure=0.8),
        # The masked column would differ everywhere.
        pair([[0, 1], [0, 1]], [[0, 2], [0, 2]], image="b.png", sure=0.8, valid=[[True, False], [True, False]]),
    ]
    evidence, views = compare_predictions(pairs, num_classes=3, num_images=2, pictures=3)
    assert evidence.joint_KK.tolist() == [[3, 0, 1], [1, 2, 0], [0, 0, 1]]
    assert evidence.num_pixels == 8
    assert evidence.agreement == 6 / 8
    assert evidence.run.class_shares == (4 / 8, 2 / 8, 2 / 8)
    assert evidence.against.class_shares == (4 / 8, 3 / 8, 1 / 8)
    assert evidence.run.confidence == pytest.approx(0.8)
    expected = -(0.8 * math.log(0.8) + 0.2 * math.log(0.1)) / math.log(3)
    assert evidence.run.entropy == pytest.approx(expected)
    assert evidence.against.confidence == 1
    assert evidence.against.entropy == 0
    assert [view.image for view in views] == ["a.png"]
    assert views[0].share == 2 / 6
    assert views[0].most == (0, 2)


def test_entropy_and_information_maximisation_are_those_of_the_training() -> None:
    rng = np.random.default_rng(0)
    scores_KHW = rng.random((4, 5, 6)).astype(np.float32)
    probabilities_KHW = probabilities(torch.from_numpy(scores_KHW)[None], "scores")[0].numpy()
    both = PairPrediction(
        image="a",
        run_KHW=probabilities_KHW,
        against_KHW=probabilities_KHW,
        valid_HW=np.ones((5, 6), dtype=bool),
        read_pixels=lambda: np.zeros((5, 6, 3), dtype=np.uint8),
    )
    evidence, views = compare_predictions([both], num_classes=4, num_images=1, pictures=3)
    metric = LabelFreeMetric(kind="scores", prefix="x")
    metric.process({}, [{"seg_logits": {"data": torch.from_numpy(scores_KHW)}}])  # type: ignore[typeddict-item]
    recorded = metric.compute_metrics(metric.results)
    assert evidence.run.entropy == pytest.approx(recorded["entropy"], abs=1e-6)
    assert evidence.run.info_max == pytest.approx(recorded["info_max"], abs=1e-6)
    assert evidence.run == evidence.against
    assert views == ()


def test_the_largest_differences_come_first_and_others_are_not_read() -> None:
    pairs = [
        pair([[0, 0], [0, 0]], [[0, 0], [0, 1]], image="one"),
        pair([[0, 0], [0, 0]], [[1, 1], [1, 2]], image="four"),
        pair([[0, 0], [0, 0]], [[1, 1], [0, 0]], image="two"),
        pair([[0, 0], [0, 0]], [[2, 2], [0, 0]], image="two too"),
    ]
    _, views = compare_predictions(pairs, num_classes=3, num_images=4, pictures=2)
    assert [view.image for view in views] == ["four", "two"]
    assert views[0].most == (1, 0)


def test_images_without_a_pixel_are_refused() -> None:
    with pytest.raises(DataError, match="No pixel of the images has data"):
        compare_predictions([pair([[0]], [[1]], valid=False)], num_classes=3, num_images=1, pictures=1)


def test_density_of_known_neighbourhoods() -> None:
    # Four equal points: each sees the other three alike, the largest possible entropy.
    assert neighbourhood_density(np.tile([[0.7, 0.3]], (4, 1)).astype(np.float32)) == pytest.approx(1)
    # Two groups of two: each point sees its twin, and the two others at a similarity of 0.
    groups_PK = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=np.float32)
    far = math.exp(-20) / (1 + 2 * math.exp(-20))
    expected = (-2 * far * math.log(far) - (1 - 2 * far) * math.log(1 - 2 * far)) / math.log(3)
    assert neighbourhood_density(groups_PK) == pytest.approx(expected, rel=1e-6)
    assert math.isnan(neighbourhood_density(groups_PK[:2]))


def test_indicators_favour_the_better_value_by_their_direction() -> None:
    pairs = [pair([[0, 0, 1], [2, 2, 1]], [[0, 1, 1], [2, 0, 1]], sure=0.8)]
    evidence, _ = compare_predictions(pairs, num_classes=3, num_images=1, pictures=0)
    found = {item.name: item for item in compare_indicators(evidence.run, evidence.against, (1 / 3, 1 / 3, 1 / 3))}
    assert found["confidence"].favours == "against"
    assert found["entropy"].favours == "against"
    # RUN has two pixels of each class, as the source; AGAINST has 2, 3 and 1.
    assert found["share_distance"].run == pytest.approx(0)
    assert found["share_distance"].against == pytest.approx(1 / 6)
    assert found["share_distance"].favours == "run"
    same = compare_indicators(evidence.run, evidence.run, None)
    assert {item.favours for item in same} == {"neither"}
    assert "share_distance" not in {item.name for item in same}


def test_share_distance_is_half_the_sum_of_the_differences() -> None:
    assert share_distance((1, 0), (0, 1)) == 1
    assert share_distance((0.5, 0.5), (0.25, 0.75)) == 0.25


def test_places_follow_the_transform() -> None:
    place = RasterPlace.of("EPSG:32632", (0.5, 0.0, 400000.0, 0.0, -0.5, 5500000.0))
    assert place.name == "EPSG:32632"
    assert place.locate(10.5, 4) == (400005.25, 5499998.0)
