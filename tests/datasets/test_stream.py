"""Streams: complete rounds, independent shuffles, and samples that depend on seed and position only."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import DataLoader

from rs_adapt.datasets import DomainStream, DrawSampler, TileDataset
from rs_adapt.datasets.stream import seeded
from rs_adapt.errors import DataError


class Numbers:
    """A set whose samples hold their index and random numbers of both global generators."""

    metainfo: ClassVar[dict[str, Any]] = {"classes": ["a"]}

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"index": index, "draw": (random.random(), float(np.random.random()))}  # noqa: NPY002


def test_each_round_goes_through_the_whole_set_in_a_new_order() -> None:
    stream = DomainStream(labelled=Numbers(7), unlabelled=None, seed=3)
    rounds = [[stream[7 * number + i]["index"] for i in range(7)] for number in range(3)]
    assert all(sorted(order) == list(range(7)) for order in rounds)
    assert rounds[0] != rounds[1] != rounds[2]


def test_source_and_target_are_shuffled_independently() -> None:
    stream = DomainStream(labelled=Numbers(20), unlabelled=Numbers(20), seed=0)
    pairs = [(stream[i]["source"]["index"], stream[i]["target"]["index"]) for i in range(400)]
    partners = Counter(target for source, target in pairs if source == 5)
    # The reference pairs a source tile with the same target tile in every round.
    assert len(partners) > 5


def test_smaller_set_is_repeated_more_often() -> None:
    stream = DomainStream(labelled=Numbers(2), unlabelled=Numbers(6), seed=0)
    assert len(stream) == 6
    assert sorted(Counter(stream[i]["source"]["index"] for i in range(6)).values()) == [3, 3]


def test_sample_depends_on_seed_and_position_only() -> None:
    first = DomainStream(labelled=Numbers(5), unlabelled=Numbers(9), seed=1)
    again = DomainStream(labelled=Numbers(5), unlabelled=Numbers(9), seed=1)
    for _ in range(11):
        random.random()
        np.random.random()  # noqa: NPY002
    expected = [first[i] for i in range(12)]
    assert [again[i] for i in reversed(range(12))] == expected[::-1]
    assert DomainStream(labelled=Numbers(5), unlabelled=Numbers(9), seed=2)[0] != expected[0]


def test_global_generators_are_left_alone() -> None:
    before = (random.getstate(), np.random.get_state()[1].tolist())  # noqa: NPY002
    with seeded(1, 2, 3):
        random.random()
        np.random.random()  # noqa: NPY002
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


@pytest.mark.parametrize("num_workers", [0, 2])
def test_loader_that_skips_equals_one_that_went_there(num_workers: int) -> None:
    def batches(skip: int, count: int) -> list[Any]:
        stream = DomainStream(labelled=Numbers(5), unlabelled=None, seed=0)
        sampler = DrawSampler(stream)
        sampler.skip(skip)
        loader = DataLoader(stream, batch_size=2, sampler=sampler, num_workers=num_workers, collate_fn=list)
        return list(itertools.islice(iter(loader), count))

    assert batches(6, 3) == batches(0, 6)[3:]


def test_processes_share_the_stream_without_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = []
    for rank in (0, 1):
        monkeypatch.setattr("rs_adapt.datasets.stream.get_dist_info", lambda rank=rank: (rank, 2))
        sampler = DrawSampler(Numbers(5))
        sampler.skip(2)
        draws += list(itertools.islice(sampler, 3))
    assert sorted(draws) == [4, 5, 6, 7, 8, 9]


def label(arguments: dict[str, Any], number: int, value: int) -> None:
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(Path(arguments["ann_dir"]) / f"{number}.png")


def drawn_tiles(arguments: dict[str, Any], count: int) -> list[str]:
    stream = DomainStream(labelled=TileDataset(**arguments), unlabelled=None, seed=3)
    return [Path(stream[draw]["data_samples"].img_path).stem for draw in range(count)]


def test_tiles_without_a_labelled_pixel_are_never_drawn(write_tiles) -> None:
    arguments = write_tiles(5)
    before = drawn_tiles(arguments, 10)
    assert sorted(before) == sorted("0123401234")
    label(arguments, 1, 255)
    label(arguments, 4, 255)
    assert sorted(drawn_tiles(arguments, 6)) == sorted("023023")
    label(arguments, 1, 0)
    label(arguments, 4, 2)
    assert drawn_tiles(arguments, 10) == before


def test_a_set_without_any_labelled_pixel_is_refused(write_tiles) -> None:
    arguments = write_tiles(2)
    label(arguments, 0, 255)
    label(arguments, 1, 255)
    with pytest.raises(DataError, match="none of its 2 tiles has a labelled pixel"):
        DomainStream(labelled=TileDataset(**arguments), unlabelled=None, seed=3)
