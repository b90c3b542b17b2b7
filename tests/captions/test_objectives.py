"""The objectives of compositional contrast, against values that are worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.captions.objectives import caption_contrast, embedding_distance, grounded_contrast

E1, E2, E3 = torch.eye(3)
IMAGES = torch.stack([E1, E2])
# The first caption fits, the second lies between its image and a third direction.
TEXTS = torch.stack([E1, (E2 + E3) / math.sqrt(2)])
# Of the first pair: its own image's direction and an unrelated one; of the second: twice an unrelated one.
NEGATIVES = torch.stack([torch.stack([E1, E3]), torch.stack([E3, E3])])
SCALE = 2.0


def log_share(own: float, *others: float) -> float:
    return -math.log(math.exp(own) / sum(map(math.exp, (own, *others))))


ROOT = SCALE / math.sqrt(2)
TO_IMAGES = (log_share(SCALE, 0.0) + log_share(ROOT, 0.0)) / 2


def unit(*shape: int) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape))), dim=-1)


def test_plain_contrast_is_the_mean_of_both_directions() -> None:
    # Images and texts meet symmetrically here, so both directions are equal.
    assert caption_contrast(IMAGES, TEXTS, SCALE).item() == pytest.approx(TO_IMAGES, abs=1e-6)


def test_the_own_negatives_join_the_denominator_of_an_image_alone() -> None:
    # Equation 4: image 1 sees captions (2, 0) and its negatives (2, 0); image 2 captions (0, root 2), negatives (0, 0).
    from_images = (log_share(SCALE, 0.0, SCALE, 0.0) + log_share(ROOT, 0.0, 0.0, 0.0)) / 2
    loss = caption_contrast(IMAGES, TEXTS, SCALE, negative_BKC=NEGATIVES)
    assert loss.item() == pytest.approx((from_images + TO_IMAGES) / 2, abs=1e-6)


def test_the_pool_of_the_batch_has_every_negative_in_every_denominator() -> None:
    # All four negatives: image 1 sees (2, 0, 0, 0), image 2 sees zeros.
    from_images = (log_share(SCALE, 0.0, SCALE, 0, 0, 0) + log_share(ROOT, 0.0, 0, 0, 0, 0)) / 2
    loss = caption_contrast(IMAGES, TEXTS, SCALE, negative_BKC=NEGATIVES, pool="batch")
    assert loss.item() == pytest.approx((from_images + TO_IMAGES) / 2, abs=1e-6)


def test_one_pair_has_the_same_loss_with_either_pool() -> None:
    image, text, negative = unit(1, 5), unit(1, 5).flip(1), unit(1, 3, 5)
    losses = [caption_contrast(image, text, 3.0, negative_BKC=negative, pool=pool) for pool in ("own", "batch")]
    torch.testing.assert_close(losses[0], losses[1])


def test_grounded_contrast_compares_a_pair_with_its_own_negatives_alone() -> None:
    expected = (log_share(SCALE, SCALE, 0.0) + log_share(ROOT, 0.0, 0.0)) / 2
    assert grounded_contrast(IMAGES, TEXTS, NEGATIVES, SCALE).item() == pytest.approx(expected, abs=1e-6)


def test_grounded_contrast_does_not_depend_on_other_pairs() -> None:
    anchor, positive, negative = unit(4, 6), unit(4, 6).flip(1), unit(4, 3, 6)
    alone = [grounded_contrast(anchor[i : i + 1], positive[i : i + 1], negative[i : i + 1], 10.0) for i in range(4)]
    torch.testing.assert_close(grounded_contrast(anchor, positive, negative, 10.0), torch.stack(alone).mean())


def test_more_negatives_never_lower_the_loss() -> None:
    anchor, positive, negative = unit(4, 6), unit(4, 6).flip(1), unit(4, 3, 6)
    few = grounded_contrast(anchor, positive, negative[:, :1], 10.0)
    assert grounded_contrast(anchor, positive, negative, 10.0) > few


def test_distance_is_a_sum_of_squares() -> None:
    # Orthogonal vectors of length 1 lie at a squared distance of 2; opposite ones at 4.
    pairs = [(IMAGES, torch.stack([E2, E2])), (NEGATIVES, -NEGATIVES)]
    assert embedding_distance(pairs).item() == pytest.approx(2 + 4 * 4)
    assert embedding_distance([(IMAGES.repeat(3, 1), IMAGES.flip(0).repeat(3, 1))]).item() == pytest.approx(3 * 2 * 2)
