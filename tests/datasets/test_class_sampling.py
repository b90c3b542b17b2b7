"""Rare-class sampling: the closed form, how often tiles come, crops that show the class, and counts that are kept."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets import DomainStream, TileDataset, class_sampling
from rs_adapt.datasets.class_sampling import (
    RareClassSampling,
    choose_temperature,
    class_counts,
    class_probabilities,
)
from rs_adapt.errors import ConfigError

Paint = Callable[..., dict[str, Any]]
SETTINGS: dict[str, Any] = {"temperature": 0.1, "min_share": 0.1, "min_crop_ratio": 0.5, "max_tries": 10}


@pytest.fixture
def paint(write_tiles: Callable[..., dict[str, Any]]) -> Paint:
    """Return a function that writes tiles of 8 x 8 px whose first pixels have the classes that are told."""

    def write(*shares: dict[int, int], size_px: int = 8, crop_px: int | None = None) -> dict[str, Any]:
        settings = write_tiles(len(shares), size_px=size_px)
        for number, pixels in enumerate(shares):
            label = np.zeros(size_px**2, np.uint8)
            values = np.repeat(list(pixels), list(pixels.values()))
            label[: len(values)] = values
            path = Path(settings["ann_dir"]) / f"{number}.png"
            Image.fromarray(label.reshape(size_px, size_px)).save(path)
        if crop_px is not None:
            settings["pipeline"].insert(-1, {"type": "mmseg.RandomCrop", "crop_size": (crop_px, crop_px)})
        return settings

    return write


def sampling(settings: dict[str, Any], **changes: Any) -> RareClassSampling:
    return RareClassSampling(TileDataset(**settings), **SETTINGS | changes)


def tile(sample: dict[str, Any]) -> int:
    return int(Path(sample["data_samples"].img_path).stem)


def drawn(settings: dict[str, Any], draws: int, *, seed: int = 0, **changes: Any) -> list[int]:
    stream = DomainStream(
        labelled=TileDataset(**settings), unlabelled=None, seed=seed, class_sampling=SETTINGS | changes
    )
    return [tile(stream[draw]) for draw in range(draws)]


def test_probabilities_are_the_closed_form() -> None:
    found = class_probabilities(np.array([70, 20, 10]), 0.5, np.array([True, True, True]))
    weights = [exp(0.3 / 0.5), exp(0.8 / 0.5), exp(0.9 / 0.5)]
    np.testing.assert_allclose(found, np.array(weights) / sum(weights))


def test_classes_without_tiles_are_never_drawn() -> None:
    # The share of class 1 is still counted: 0.1 of all pixels are of class 2.
    found = class_probabilities(np.array([70, 20, 10]), 0.5, np.array([True, False, True]))
    weights = [exp(0.3 / 0.5), 0.0, exp(0.9 / 0.5)]
    np.testing.assert_allclose(found, np.array(weights) / sum(weights))


@pytest.mark.parametrize(("temperature", "rarest"), [(1e-4, 1.0), (1e6, 1 / 3)])
def test_temperature_goes_from_the_rarest_class_alone_to_all_alike(temperature: float, rarest: float) -> None:
    found = class_probabilities(np.array([10**9, 10**8, 10**7]), temperature, np.ones(3, dtype=bool))
    assert found[2] == pytest.approx(rarest, abs=1e-5)
    assert found.sum() == pytest.approx(1)


def test_the_chosen_temperature_gives_the_least_class_the_most_pixels() -> None:
    # Tiles of the rare class hold 40 % of it. With p of the draws for it, its share is 0.4 p and that of the middle one
    # 0.1 p + 0.5 (1 - p) in the limit of no draw for the frequent one.
    counts, present = np.array([80, 15, 5]), np.array([True, True, True])
    tiles = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.5, 0.1, 0.4]])

    def least(temperature: float) -> float:
        return float((class_probabilities(counts, temperature, present) @ tiles).min())

    chosen = choose_temperature(counts, tiles, present)
    assert least(chosen) >= max(least(temperature) for temperature in np.geomspace(1e-3, 10, 2000)) - 1e-3
    assert 1e-3 < chosen < 1
    # At equal shares every temperature is as good: the one that changes least.
    assert choose_temperature(np.array([10, 10]), np.eye(2), np.array([True, True])) == 10
    # A class without a tile has no share to care for.
    without = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert choose_temperature(np.array([80, 15, 5]), without, np.array([True, True, False])) < 10


def test_a_chosen_temperature_is_stated(paint: Paint) -> None:
    auto = sampling(paint({}, {1: 20}, {1: 10, 2: 10}, {2: 30}), temperature="auto")
    same = sampling(paint({}, {1: 20}, {1: 10, 2: 10}, {2: 30}), temperature=auto.temperature)
    assert auto.probabilities_K.tolist() == same.probabilities_K.tolist()
    assert auto.shares_K.sum() == pytest.approx(1)
    assert f"at the temperature {auto.temperature:g} (auto)" in auto.note()
    rarest = int(auto.shares_K.argmin())
    assert f"{auto.dataset.metainfo['classes'][rarest]}, has {auto.shares_K[rarest]:.1%}" in auto.note()


def test_rare_tiles_are_drawn_at_the_rate_of_the_closed_form(paint: Paint) -> None:
    # One of four tiles holds class 1 on half of its pixels: shares 224 / 256 and 32 / 256.
    found = Counter(drawn(paint({}, {}, {1: 32}, {}), 400))
    rare = exp((1 - 32 / 256) / 0.1)
    probability = rare / (rare + exp((1 - 224 / 256) / 0.1))
    # Class 0 stands in all four tiles.
    expected = probability + (1 - probability) / 4
    assert expected > 0.99
    assert found[2] / 400 == pytest.approx(expected, abs=0.02)
    even = Counter(drawn(paint({}, {}, {1: 32}, {}), 400, temperature=1e6))
    # Half of the draws want class 1, and a quarter of the others meet the same tile: 0.625, s.d. 0.024.
    assert even[2] / 400 == pytest.approx(0.625, abs=0.08)
    assert min(even[number] for number in range(4)) > 20


def test_a_tile_with_too_little_of_a_class_is_not_drawn_for_it(paint: Paint) -> None:
    # 6 of 64 pixels are below a tenth, 7 are above.
    assert [list(tiles) for tiles in sampling(paint({1: 6}, {1: 7, 2: 50})).tiles] == [[0, 1], [1], [1]]
    assert sampling(paint({1: 6}, {1: 6})).probabilities_K.tolist() == [1.0, 0.0, 0.0]


def test_a_share_of_the_samples_is_drawn_by_class_and_the_others_alike(paint: Paint) -> None:
    settings = paint({}, {}, {1: 32}, {})
    found = Counter(drawn(settings, 800, temperature=0.01, drawn_share=0.5))
    # Drawn by class, almost all are the tile of class 1; of the others a quarter: 0.625, s.d. 0.017.
    assert found[2] / 800 == pytest.approx(0.625, abs=0.06)
    assert min(found[number] for number in range(4)) > 60
    half = sampling(settings, temperature=0.01, drawn_share=0.5)
    # Half of one half of the tile, and half of an eighth of all tiles.
    assert half.shares_K[1] == pytest.approx(0.5 * 0.5 + 0.5 * 0.125, abs=1e-3)
    assert half.note().startswith("50% of the source tiles are drawn by their classes")


def test_a_share_of_one_draws_what_it_drew_without_one(paint: Paint) -> None:
    settings = paint({}, {1: 20}, {1: 10, 2: 10}, {2: 30})
    assert drawn(settings, 30) == drawn(settings, 30, drawn_share=1.0)
    assert drawn(settings, 30) != drawn(settings, 30, drawn_share=0.5)


def test_same_seed_and_position_same_sample(paint: Paint) -> None:
    settings = paint({}, {1: 20}, {1: 10, 2: 10}, {2: 30}, crop_px=4)

    def stream(seed: int) -> DomainStream:
        return DomainStream(
            labelled=TileDataset(**settings), unlabelled=None, seed=seed, class_sampling=SETTINGS | {"temperature": 1.0}
        )

    def seen(sample: dict[str, Any]) -> tuple[Any, ...]:
        return tile(sample), sample["inputs"].tolist(), sample["data_samples"].gt_sem_seg.data.tolist()

    first = [seen(stream(0)[draw]) for draw in range(12)]
    again = stream(0)
    np.random.random(7)  # noqa: NPY002 - what else draws must not matter
    assert [seen(again[draw]) for draw in reversed(range(12))] == first[::-1]
    other = stream(1)
    assert [seen(other[draw]) for draw in range(12)] != first


def test_target_images_are_still_drawn_in_permutations(paint: Paint) -> None:
    settings = paint({}, {}, {1: 32}, {})
    both = DomainStream(
        labelled=TileDataset(**settings), unlabelled=TileDataset(**settings), seed=0, class_sampling=SETTINGS
    )
    plain = DomainStream(labelled=TileDataset(**settings), unlabelled=TileDataset(**settings), seed=0)
    targets = [tile(both[draw]["target"]) for draw in range(8)]
    assert targets == [tile(plain[draw]["target"]) for draw in range(8)]
    assert sorted(targets) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_crops_are_drawn_again_until_they_show_the_class(paint: Paint) -> None:
    # Two rows of 16 x 16 px: most crops of 4 px do not touch them.
    settings = paint({1: 32}, size_px=16, crop_px=4)

    def share(max_tries: int) -> list[float]:
        rare = sampling(settings, temperature=0.01, max_tries=max_tries)
        return [float((rare.sample()["data_samples"].gt_sem_seg.data == 1).float().mean()) for _ in range(60)]

    once, often = share(1), share(100)
    assert min(once) == 0
    # min_crop_ratio * min_share; one row of a crop is a quarter of it.
    assert min(often) >= 0.05


def test_after_the_last_try_the_crop_is_taken_as_it_is(paint: Paint, monkeypatch: pytest.MonkeyPatch) -> None:
    rare = sampling(paint({1: 32}, size_px=16, crop_px=4), max_tries=3, min_crop_ratio=100.0)
    tries = []
    original = TileDataset.__getitem__
    monkeypatch.setattr(TileDataset, "__getitem__", lambda self, i: tries.append(i) or original(self, i))
    assert rare.sample()["inputs"].shape == (3, 4, 4)
    assert len(tries) == 3


def test_counts_equal_the_pixels_of_each_class(paint: Paint) -> None:
    settings = paint({1: 5, 2: 3, 255: 6}, {2: 64})
    assert class_counts(TileDataset(**settings)).tolist() == [[50, 5, 3], [0, 0, 64]]
    # Value 0 is then no data, and class k is stored as k + 1.
    stored = paint({1: 5, 2: 3, 3: 6}, {2: 64})
    assert class_counts(TileDataset(**stored | {"reduce_zero_label": True})).tolist() == [[5, 3, 6], [0, 64, 0]]


def test_counts_are_cached_until_a_label_changes(paint: Paint, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = paint({1: 5}, {2: 64})
    counted: list[str] = []
    original = class_sampling._count
    monkeypatch.setattr(class_sampling, "_count", lambda path, *rest: counted.append(path) or original(path, *rest))

    def counts() -> list[list[int]]:
        return class_counts(TileDataset(**settings)).tolist()

    first = counts()
    assert len(counted) == 2
    (kept,) = (own_home / "label_counts").iterdir()
    # Pairs of value and number of pixels.
    assert json.loads(kept.read_text())["content"] == [[[0, 59], [1, 5]], [[2, 64]]]
    assert counts() == first == [[59, 5, 0], [0, 0, 64]]
    assert len(counted) == 2

    label = Path(settings["ann_dir"]) / "0.png"
    for value, time_ns in ((1, 1), (0, 2)):
        # Without compression, so that both are of one size; and however coarse the clock of the file system is.
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(label, compress_level=0)
        os.utime(label, ns=(0, time_ns))
        assert counts()[0][value] == 64
    assert len(counted) == 6


@pytest.mark.parametrize("text", ["[[1, 2", "[[1, 2, 3]]", '[["a"]]', "[[1], [2]]"])
def test_a_damaged_file_of_counts_is_replaced(paint: Paint, own_home: Path, text: str) -> None:
    dataset = TileDataset(**paint({1: 5}, {2: 64}))
    first = class_counts(dataset)
    (kept,) = (own_home / "label_counts").iterdir()
    before = kept.read_text()
    kept.write_text(text)
    assert np.array_equal(class_counts(dataset), first)
    assert kept.read_text() == before


def test_a_cache_that_cannot_be_written_stops_nothing(paint: Paint, own_home: Path) -> None:
    (own_home / "label_counts").write_text("a file where the folder should be")
    assert class_counts(TileDataset(**paint({1: 5}))).tolist() == [[59, 5, 0]]


@pytest.mark.parametrize(
    "change",
    [
        *({"temperature": 0.0}, {"min_share": 1.0}, {"min_share": -0.1}, {"min_crop_ratio": -1}, {"max_tries": 0}),
        *({"drawn_share": 0.0}, {"drawn_share": 1.5}),
    ],
)
def test_values_out_of_range_are_refused(paint: Paint, change: dict[str, Any]) -> None:
    ((key, value),) = change.items()
    allowed = "(larger than 0|from 0 to below 1|[01] or larger|above 0, up to 1)"
    with pytest.raises(ConfigError, match=rf"^strategy\.class_sampling\.{key} is {value}; it must be {allowed}"):
        sampling(paint({}), **change)


def test_error_without_a_class_to_sample_by_names_the_remedy(paint: Paint) -> None:
    settings = paint({1: 22, 2: 21})
    with pytest.raises(ConfigError, match=r"region: no tile .* more than 40\.00%.*Lower .*min_share, or set .*=None"):
        sampling(settings, min_share=0.4)
