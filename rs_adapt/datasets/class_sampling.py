"""Rare-class sampling: crops that hold a rare class of the source are drawn more often than chance would."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config.paths import home
from rs_adapt.config.words import check_temperature
from rs_adapt.datasets.checks import fingerprint
from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.tile_dataset import TileDataset
from rs_adapt.documents import read_sealed, write_sealed
from rs_adapt.errors import ConfigError, UnreadableFile
from rs_adapt.pictures import open_picture
from rs_adapt.ranges import COUNT, NOT_NEGATIVE, SHARE_ABOVE_0, SHARE_BELOW_1, check_ranges


class ClassSampling(TypedDict):
    """The arguments of `RareClassSampling` that a configuration gives."""

    temperature: float | str
    min_share: float
    min_crop_ratio: float
    max_tries: int
    # Configurations of version 0.1.0 lack it.
    drawn_share: NotRequired[float]


class RareClassSampling:
    """Chooses a class, then a tile that holds it, then a crop that still shows it.

    DAFormer (Hoyer et al., arXiv 2111.14887, equations 4 and 5): `P(c) = softmax((1 - f_c) / T)` with `f_c` the share
    of class c in the pixels of all labels. Classes that no tile holds in sufficient number are left out. Draws come
    from numpy's global state, which the stream seeds for each sample.

    Args:
        dataset: A labelled set.
        temperature: T, above 0; the smaller, the more the rarest class is drawn. Or "auto": see `choose_temperature`.
        min_share: Share of a tile's pixels that a class must exceed for the tile to stand for it, from 0 to below
            1.
        min_crop_ratio: A crop must show at least `min_crop_ratio * min_share` of its pixels as the class; 0 or larger.
        max_tries: Crops drawn at most for one sample, 1 or more; the last one is taken whatever it shows.
        drawn_share: Share of the samples that are drawn by their classes, above 0 and at most 1; the others are drawn
            from all tiles alike. Classes that are rare in the source and not in the target are then learned without
            that the model forgets which classes are frequent.

    Attributes:
        temperature: T, also where it was chosen.
        shares_K: Expected share of each class in the labelled pixels of all tiles that are drawn, before the crop.

    Raises:
        ConfigError: A value is out of range, or no class is frequent enough in any tile.
    """

    def __init__(
        self,
        dataset: TileDataset,
        *,
        temperature: float | str,
        min_share: float,
        min_crop_ratio: float,
        max_tries: int,
        drawn_share: float = 1.0,
    ) -> None:
        check_ranges(
            "strategy.class_sampling.",
            min_share=(min_share, SHARE_BELOW_1),
            min_crop_ratio=(min_crop_ratio, NOT_NEGATIVE),
            max_tries=(max_tries, COUNT),
            drawn_share=(drawn_share, SHARE_ABOVE_0),
        )
        check_temperature(temperature, key="strategy.class_sampling.temperature")
        self.dataset = dataset
        self.min_crop_share = min_share * min_crop_ratio
        self.max_tries = max_tries
        self.drawn_share = drawn_share
        counts_NK = class_counts(dataset)
        share_NK = counts_NK / counts_NK.sum(axis=1, keepdims=True).clip(1)
        self.tiles = [np.flatnonzero(share_NK[:, k] > min_share) for k in range(counts_NK.shape[1])]
        present = np.array([len(tiles) > 0 for tiles in self.tiles])
        if not present.any():
            raise ConfigError(
                f"{dataset.name}: no tile holds any class on more than {min_share:.2%} of its pixels, so there is "
                "nothing to sample by. Lower strategy.class_sampling.min_share, or set "
                "strategy.class_sampling.temperature=None."
            )
        counts_K = counts_NK.sum(axis=0)
        tile_shares_KK = np.stack([share_NK[tiles].sum(axis=0) / max(len(tiles), 1) for tiles in self.tiles])
        is_auto = isinstance(temperature, str)
        self.temperature = choose_temperature(counts_K, tile_shares_KK, present) if is_auto else float(temperature)
        self.probabilities_K = class_probabilities(counts_K, self.temperature, present)
        by_class_K = self.probabilities_K @ tile_shares_KK
        self.shares_K = drawn_share * by_class_K + (1 - drawn_share) * share_NK.mean(axis=0)

    def note(self) -> str:
        """Return a sentence on the temperature and on the rarest class among the drawn tiles."""
        # Classes without a tile are never asked for.
        shares_K = np.where(self.probabilities_K > 0, self.shares_K, np.inf)
        rarest = int(shares_K.argmin())
        drawn = "Source tiles" if self.drawn_share == 1 else f"{self.drawn_share:.0%} of the source tiles"
        return (
            f"{drawn} are drawn by their classes at the temperature {self.temperature:g} (auto): the rarest class "
            f"in training, {self.dataset.metainfo['classes'][rarest]}, has {shares_K[rarest]:.1%} of the pixels."
        )

    def sample(self) -> Sample:
        """Draw one sample of the set."""
        # No draw where there is nothing to decide: runs without such a share keep their samples.
        if self.drawn_share < 1 and np.random.random() >= self.drawn_share:  # noqa: NPY002 - see the class
            return self.dataset[int(np.random.randint(len(self.dataset)))]  # noqa: NPY002
        wanted = int(np.random.choice(len(self.tiles), p=self.probabilities_K))  # noqa: NPY002 - see the class
        tile = int(np.random.choice(self.tiles[wanted]))  # noqa: NPY002
        for _ in range(self.max_tries):
            sample = self.dataset[tile]
            label = np.asarray(sample["data_samples"].gt_sem_seg.data)
            if (label == wanted).mean() >= self.min_crop_share:
                break
        return sample


def class_probabilities(
    counts_K: NDArray[np.int64], temperature: float, present_K: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """`softmax((1 - share) / temperature)` over the classes that are present, 0 for the others."""
    share_K = counts_K / max(int(counts_K.sum()), 1)
    logits_K = np.where(present_K, (1 - share_K) / temperature, -np.inf)
    weights_K = np.exp(logits_K - logits_K.max())
    return np.asarray(weights_K / weights_K.sum(), dtype=np.float64)


def choose_temperature(
    counts_K: NDArray[np.int64], tile_shares_KK: NDArray[np.float64], present_K: NDArray[np.bool_]
) -> float:
    """Return the temperature at which the class with the fewest pixels in drawn tiles has the most of them.

    At a low temperature all tiles are drawn for the rarest class, at a high one for all classes alike; in between, the
    least of the classes' shares has a maximum. It is looked for among 401 temperatures from 0.001 to 10, in steps of
    2.3 %; of equal ones the highest, which changes least, is taken.

    Args:
        counts_K: Pixels of each class in all labels.
        tile_shares_KK: Mean share of each class (column) in the tiles that stand for a class (row).
        present_K: Classes that a tile stands for, at least one; shares of the others are not looked at.
    """
    candidates = np.geomspace(10, 1e-3, 401)
    least = [
        (class_probabilities(counts_K, temperature, present_K) @ tile_shares_KK)[present_K].min()
        for temperature in candidates
    ]
    return float(f"{candidates[int(np.argmax(np.round(least, 9)))]:.3g}")


def class_counts(dataset: TileDataset) -> NDArray[np.int64]:
    """Return the pixels of each class in each tile of a labelled set, (N, K)."""
    first = 1 if dataset.reduce_zero_label else 0
    return label_counts(dataset)[:, first : first + len(dataset.metainfo["classes"])]


def label_counts(dataset: TileDataset) -> NDArray[np.int64]:
    """Return the pixels of each label value in each tile of a labelled set, (N, 256); cached between runs."""
    tiles = [dataset.get_data_info(index)["seg_map_path"] for index in range(len(dataset))]
    cache = home() / "label_counts" / f"{fingerprint(tiles)}.json"
    # A damaged cache is made again.
    with suppress(FileNotFoundError, UnreadableFile):
        cached = read_sealed(cache)
        if len(cached) == len(tiles):
            return _dense(cached)
    with ThreadPoolExecutor(max_workers=8) as pool:
        counts = list(pool.map(_count, tiles))
    # The file only saves time: a cache that cannot be written to stops no run.
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(cache, counts)
    return _dense(counts)


def _count(path: str) -> list[list[int]]:
    """Return pairs of label value and number of pixels."""
    with open_picture(path) as image:
        values, counts = np.unique(np.asarray(image), return_counts=True)
    return [[int(value), int(count)] for value, count in zip(values, counts, strict=True)]


def _dense(counts: list[list[list[int]]]) -> NDArray[np.int64]:
    counts_NV = np.zeros((len(counts), 256), dtype=np.int64)
    for tile, pairs in enumerate(counts):
        for value, count in pairs:
            counts_NV[tile, value] = count
    return counts_NV
