"""Endless training streams whose every sample is a function of the seed and its position alone.

Order and augmentation do not depend on the number of workers, on what else draws random numbers, or on where a run was
interrupted: a run that resumes at position p sees exactly the samples that it would have seen.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info
from torch.utils.data import Dataset, Sampler

from rs_adapt.datasets.class_sampling import ClassSampling, RareClassSampling
from rs_adapt.datasets.labelled_tiles import leave_out_unlabelled
from rs_adapt.datasets.sample import Sample
from rs_adapt.datasets.tile_dataset import TileDataset
from rs_adapt.ranges import COUNT_OR_0, check_ranges
from rs_adapt.registry import DATA_SAMPLERS, DATASETS


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Run a block with `random` and `numpy.random` seeded by `key`, and put their states back afterwards."""
    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - what mmcv's transforms draw from
    first, second = (int(word) for word in np.random.SeedSequence(key).generate_state(2))
    random.seed(first)
    np.random.seed(second)  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002


@DATASETS.register_module()
class DomainStream(Dataset[Sample]):
    """Draws from a labelled set and, for adaptation, from an unlabelled one, each shuffled on its own.

    Draw d takes tile `permutation(d // n)[d % n]` of a set of n tiles, so each set is gone through completely before a
    tile comes again, and source and target are paired differently in every round.

    Args:
        labelled: The set to learn from: a `TileDataset` or its config. Tiles without a labelled pixel are left out.
            None where the strategy reads no labels; then there is an unlabelled set.
        unlabelled: The target images, without labels; None where the strategy does not look at the target.
        seed: Seed of order and augmentation, 0 or larger.
        class_sampling: Arguments of `RareClassSampling`: labelled tiles are then drawn by their classes, with
            replacement, instead of in permutations; None for permutations.
    """

    def __init__(
        self,
        *,
        labelled: Dataset[Sample] | dict[str, object] | None,
        unlabelled: Dataset[Sample] | dict[str, object] | None,
        seed: int,
        class_sampling: ClassSampling | None = None,
    ) -> None:
        check_ranges("DomainStream", seed=(seed, COUNT_OR_0))
        self.labelled: Any = _build(labelled)
        if isinstance(self.labelled, TileDataset):
            leave_out_unlabelled(self.labelled)
        self.unlabelled: Any = _build(unlabelled)
        self.seed = seed
        self.rare = RareClassSampling(self.labelled, **class_sampling) if class_sampling else None
        self._permutations: dict[int, tuple[int, np.ndarray[Any, Any]]] = {}

    @property
    def metainfo(self) -> dict[str, object]:
        """Classes and palette of the labelled set, else of the unlabelled one."""
        return dict((self.unlabelled if self.labelled is None else self.labelled).metainfo)

    def __len__(self) -> int:
        """Tiles of the larger set; the stream itself has no end."""
        return max(len(tiles) for tiles in (self.labelled, self.unlabelled) if tiles is not None)

    def __getitem__(self, draw: int) -> Sample:
        """Return the sample at a position of the stream: of one set, or `{"source": ..., "target": ...}` of two.

        Without a labelled set it is `{"target": ...}`, for a strategy to tell from labelled samples.
        """
        if self.labelled is None:
            return {"target": self._sample(self.unlabelled, 1, draw)}
        source = self._sample(self.labelled, 0, draw) if self.rare is None else self._rare_sample(draw)
        if self.unlabelled is None:
            return source
        return {"source": source, "target": self._sample(self.unlabelled, 1, draw)}

    def _rare_sample(self, draw: int) -> Sample:
        assert self.rare is not None
        with seeded(self.seed, 0, draw):
            return self.rare.sample()

    def _sample(self, dataset: Any, stream: int, draw: int) -> Sample:
        round_number, position = divmod(draw, len(dataset))
        cached = self._permutations.get(stream)
        if cached is None or cached[0] != round_number:
            order = np.random.default_rng((self.seed, stream, round_number)).permutation(len(dataset))
            cached = self._permutations[stream] = (round_number, order)
        with seeded(self.seed, stream, draw):
            sample: Sample = dataset[int(cached[1][position])]
        return sample


@DATA_SAMPLERS.register_module()
class DrawSampler(Sampler[int]):
    """Counts 0, 1, 2, ... without end; with several processes each takes every world-size-th number.

    Args:
        dataset: The stream; only its length is used, as what loggers call an epoch.
        seed: Accepted because mmengine passes it; the stream holds the seed.
    """

    def __init__(self, dataset: Any, seed: int | None = None) -> None:
        self._size = len(dataset)
        self._rank, self._world_size = get_dist_info()
        self._start = 0

    def skip(self, num_samples: int) -> None:
        """Start at the position after `num_samples` draws of this process (mmengine calls it on resume)."""
        self._start = num_samples

    def __iter__(self) -> Iterator[int]:
        """Yield stream positions."""
        return itertools.count(self._rank + self._start * self._world_size, self._world_size)

    def __len__(self) -> int:
        """Draws that go once through the larger set."""
        return self._size


def _build(dataset: Any) -> Any:
    return DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
