"""Scores of a teacher over an image and its mirror image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from rs_adapt.strategies import SelfTraining
from rs_adapt.strategies.pseudo_labels import probabilities
from rs_adapt.strategies.scoring import predict_over_mirrors, predict_scores

IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ["logits", "scores"])
def test_it_is_the_mean_of_both_views(tiny: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    model = tiny()
    monkeypatch.setattr(model.decode_head, "score_kind", kind)
    plain, mirrored = (predict_scores(model, x, {}) for x in (IMAGES, IMAGES.flip(-1)))
    found = predict_over_mirrors(model, IMAGES, {})
    if kind == "logits":
        expected = (plain.softmax(dim=1) + mirrored.flip(-1).softmax(dim=1)) / 2
        torch.testing.assert_close(probabilities(found, kind), expected)
    else:
        torch.testing.assert_close(found, (plain + mirrored.flip(-1)) / 2)
    # A mirrored image has mirrored labels, which one view alone does not give.
    torch.testing.assert_close(predict_over_mirrors(model, IMAGES.flip(-1), {}), found.flip(-1))
    assert not torch.allclose(mirrored, plain.flip(-1), atol=1e-3)


def test_the_teacher_has_it_where_the_strategy_says_so(tiny: Callable[..., Any], batch: Callable[..., Any]) -> None:
    labels = {}
    for mirror in (False, True):
        model = SelfTraining(segmentor=tiny(), warmup_iters=0, teacher_mirror=mirror)
        target = model.data_preprocessor(batch(), True)["target"]
        labels[mirror] = model.label_target(**target).confidence_BHW
        scores = (predict_over_mirrors if mirror else predict_scores)(model.segmentor, target["inputs"], {})
        torch.testing.assert_close(labels[mirror], scores.softmax(dim=1).amax(dim=1))
    assert not torch.allclose(labels[False], labels[True])
