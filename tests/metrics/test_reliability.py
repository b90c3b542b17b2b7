"""Counts by confidence, against numbers worked out by hand."""

from __future__ import annotations

import pytest
import torch

from rs_adapt.metrics.reliability import NUM_BINS, ReliabilityCounter


def test_pixels_are_counted_by_confidence() -> None:
    # Four pixels of two classes; the last has no label.
    probabilities_KHW = torch.tensor([[[0.9, 0.75, 0.3, 0.5]], [[0.1, 0.25, 0.7, 0.5]]])
    labels_HW = probabilities_KHW.argmax(dim=0)
    truth_HW = torch.tensor([[0, 1, 1, 255]])
    counter = ReliabilityCounter()
    counter.add(probabilities_KHW, labels_HW, truth_HW)
    measured = counter.measured("south test")
    assert measured is not None
    assert (measured.split, measured.tiles, measured.temperature) == ("south test", 1, 1.0)
    filled = {index: each for index, each in enumerate(measured.bins) if each.pixels}
    assert len(measured.bins) == NUM_BINS
    assert {index: (each.pixels, each.right) for index, each in filled.items()} == {10: (1, 1), 11: (1, 0), 13: (1, 1)}
    assert filled[11].confidence == pytest.approx(0.75)
    # (|0.9 - 1| + |0.75 - 0| + |0.7 - 1|) / 3
    assert measured.ece_pct == pytest.approx(100 * 1.15 / 3, abs=1e-3)


def test_the_sums_depend_neither_on_the_order_of_tiles_nor_on_their_size() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities_NKHW = torch.rand(3, 4, 8, 8, generator=generator).softmax(dim=1)
    labels_NHW = probabilities_NKHW.argmax(dim=1)
    truth_NHW = torch.randint(0, 4, (3, 8, 8), generator=generator)
    whole, parts = ReliabilityCounter(), ReliabilityCounter()
    for index in (0, 1, 2):
        whole.add(probabilities_NKHW[index], labels_NHW[index], truth_NHW[index])
    for index in (2, 0, 1):
        for rows in (slice(5, 8), slice(0, 5)):
            parts.add(probabilities_NKHW[index][:, rows], labels_NHW[index][rows], truth_NHW[index][rows])
    first, second = whole.measured("a"), parts.measured("a")
    assert first is not None
    assert second is not None
    assert first.bins == second.bins


def test_without_a_labelled_pixel_nothing_is_measured() -> None:
    counter = ReliabilityCounter(ignore_index=7)
    counter.add(torch.ones(1, 2, 2), torch.zeros(2, 2, dtype=torch.long), torch.full((2, 2), 7))
    assert counter.measured("south test") is None
