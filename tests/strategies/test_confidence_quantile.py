"""The surest share of the pixels: by hand, over batches, by class, within the resolution, through a state."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.strategies import PseudoLabeler
from rs_adapt.strategies import confidence_quantile as module_of_quantiles
from rs_adapt.strategies.confidence_quantile import ConfidenceQuantile


def quantile(
    share: float, *, per_class: bool = False, momentum: float = 0.99, num_classes: int = 2
) -> ConfidenceQuantile:
    return ConfidenceQuantile(num_classes=num_classes, share=share, per_class=per_class, momentum=momentum)


def sure(module: ConfidenceQuantile, confidence: Tensor, labels: Tensor, labelled: Tensor | None = None) -> Tensor:
    shape = (1, 1, -1)
    everywhere = torch.ones_like(labels, dtype=torch.bool) if labelled is None else labelled
    found: Tensor = module(confidence.view(shape), labels.view(shape), everywhere.view(shape))
    return found.flatten()


def test_the_surest_share_of_the_labelled_pixels_counts() -> None:
    confidence = torch.tensor([0.3, 0.9, 0.5, 0.99, 0.7, 1.0, 0.6, 0.8, 0.4, 0.95])
    labels = torch.zeros(10, dtype=torch.int64)
    for share, least in ((0.1, 1.0), (0.3, 0.95), (0.5, 0.8), (0.51, 0.7), (1.0, 0.3)):
        assert torch.equal(sure(quantile(share), confidence, labels), confidence >= least), share
    # Without the five that have no label, among them the surest, three of five are those from 0.5 on.
    labelled = confidence < 0.75
    expected = labelled & (confidence >= 0.5)
    assert torch.equal(sure(quantile(0.6), confidence, labels, labelled), expected)


def test_the_share_is_that_of_all_pixels_or_of_those_of_each_class() -> None:
    # Class 0 is labelled with 0.9 and more, class 1 with less than 0.6.
    easy, hard = torch.linspace(0.9, 0.999, 50), torch.linspace(0.3, 0.6, 50)
    confidence, labels = torch.cat([easy, hard]), torch.tensor([0] * 50 + [1] * 50)
    together = sure(quantile(0.5), confidence, labels)
    assert torch.equal(together, labels == 0)
    by_class = sure(quantile(0.5, per_class=True), confidence, labels)
    # The bins are narrower than the steps of the easy class, and two of the hard one share one.
    assert by_class[:50].sum() == 25
    assert 25 <= by_class[50:].sum() <= 27


def test_the_quantile_is_of_recent_batches_and_not_of_the_batch() -> None:
    module, labels = quantile(0.5, momentum=0.5), torch.zeros(100, dtype=torch.int64)
    easy, hard = torch.linspace(0.8, 0.9, 100), torch.linspace(0.5, 0.6, 100)
    assert sure(module, easy, labels).sum() == pytest.approx(50, abs=5)
    # Both count half: the median lies between them.
    assert sure(module, hard, labels).sum() == 0
    for _ in range(8):
        last = sure(module, hard, labels)
    # 1 / 2^9 of the weight is left on the easy ones.
    assert last.sum() == pytest.approx(50, abs=8)
    # A batch without any label changes nothing.
    before = [value.clone() for value in module.buffers()]
    sure(module, easy, labels, torch.zeros(100, dtype=torch.bool))
    assert all(torch.equal(first, second) for first, second in zip(before, module.buffers(), strict=True))


@pytest.mark.parametrize("power", [1, 2, 4])
def test_no_more_than_one_bin_is_sure_beyond_the_share(power: int) -> None:
    # A teacher that is sure of most pixels has them in the narrow bins near 1.
    confidence = 1 - 0.8 * torch.rand(200_000, generator=torch.Generator().manual_seed(0)) ** power
    labels = torch.zeros(200_000, dtype=torch.int64)
    for share in (0.05, 0.33, 0.6, 0.9):
        assert share <= sure(quantile(share), confidence, labels).float().mean() <= share + 0.01
    # Equal ones can be told apart by nothing.
    assert sure(quantile(0.1), torch.ones(7), torch.zeros(7, dtype=torch.int64)).all()


def test_processes_share_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    confidence = torch.linspace(0.3, 0.99, 100)
    labels = (torch.arange(100) % 2).long()
    whole, half = (quantile(0.4, per_class=True) for _ in range(2))
    expected = sure(whole, confidence, labels)
    counts = whole.counts_KC.flatten().long()
    monkeypatch.setattr(module_of_quantiles, "sum_over_ranks", lambda own: counts if (own <= counts).all() else own)
    assert torch.equal(sure(half, confidence[:50], labels[:50]), expected[:50])
    assert torch.equal(half.counts_KC, whole.counts_KC)


def test_a_class_that_comes_back_after_long_has_a_threshold() -> None:
    module, labels = quantile(0.5, per_class=True, momentum=0.0), torch.zeros(4, dtype=torch.int64)
    sure(module, torch.full((4,), 0.99), labels + 1)
    sure(module, torch.full((4,), 0.9), labels)
    assert sure(module, torch.tensor([0.3, 0.4, 0.5, 0.6]), labels + 1).tolist() == [False, False, True, True]


def labeler(**settings: object) -> PseudoLabeler:
    return PseudoLabeler(**{"num_classes": 3, "kind": "logits", "weighting": "pixel"} | settings)  # type: ignore[arg-type]


def scores(seed: int) -> Tensor:
    return 3 * torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


VALID = torch.ones(2, 16, 16, dtype=torch.bool)


def test_pseudo_labels_take_the_share_as_text() -> None:
    label = labeler(confidence="60%", border_px=2)
    pseudo = label(scores(0), VALID)
    inner = torch.zeros_like(VALID)
    inner[:, 2:14, 2:14] = True
    assert pseudo.weights_BHW[inner].mean() == pytest.approx(0.6, abs=0.02)
    assert not pseudo.weights_BHW[~inner].any()
    cut = pseudo.confidence_BHW[inner].sort(descending=True).values[int(0.6 * inner.sum())]
    assert (pseudo.weights_BHW.bool() | (pseudo.confidence_BHW <= cut + 0.01))[inner].all()
    # All pixels weigh the share of the sure ones, as with a threshold.
    shared = labeler(confidence="60%", weighting="share")(scores(0), VALID).weights_BHW
    assert shared.unique().numel() == 1
    assert float(shared[0, 0, 0]) == pytest.approx(0.6, abs=0.02)


def test_a_restored_labeler_continues_with_its_distribution() -> None:
    first, second = (labeler(confidence="25%", per_class=True) for _ in range(2))
    for seed in range(3):
        first(scores(seed), VALID)
    assert {"quantile.counts_KC", "quantile.batches"} < set(first.state_dict())
    second.load_state_dict(first.state_dict())
    for one, other in zip(first(scores(3), VALID), second(scores(3), VALID), strict=True):
        assert torch.equal(one, other)
    # With a probability there is nothing more in the state than before.
    assert not [name for name in labeler(confidence=0.9).state_dict() if "quantile" in name]


def test_the_share_holds_again_soon_after_the_teacher_has_become_surer() -> None:
    label = labeler(confidence="50%")
    for seed in range(40):
        label(scores(seed), VALID)
    shares = [float(label(4 * scores(seed), VALID).weights_BHW.mean()) for seed in range(40, 70)]
    assert shares[0] > 0.75
    # Ten batches are the memory: 0.9^20 of the old ones are left after twenty.
    assert shares[20] < 0.6
    assert shares[-1] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("text", ["0%", "101%", "60", "-5%", "most"])
def test_wrong_shares_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^strategy\.confidence is '.*such as '60%'"):
        labeler(confidence=text)
    with pytest.raises(ConfigError, match=r"weighting is 'none', so strategy\.confidence"):
        labeler(confidence="60%", weighting="none")
    with pytest.raises(ConfigError, match=r"share is 0"):
        quantile(0)
