"""Labelled training tiles that teach something: those with at least one labelled pixel."""

from __future__ import annotations

import numpy as np

from rs_adapt.datasets.class_sampling import class_counts
from rs_adapt.datasets.tile_dataset import TileDataset
from rs_adapt.errors import DataError


def leave_out_unlabelled(dataset: TileDataset) -> int:
    """Remove the tiles of a labelled set in which every pixel is ignored.

    They have no loss: a batch of them alone moves no weight, and the matching of Mask2Former has nothing to match. A
    set without such tiles stays as it is, to the order of its tiles.

    Args:
        dataset: The set; it is changed.

    Returns:
        Number of tiles that are left out.

    Raises:
        DataError: No tile has a labelled pixel.
    """
    has_labels_N = class_counts(dataset).any(axis=1)
    if not has_labels_N.any():
        raise DataError(
            f"{dataset.name}: none of its {len(dataset)} tiles has a labelled pixel, so there is nothing to learn. "
            "Check its labels: `rs-adapt data verify` prints the values that they hold."
        )
    num_left_out = int(np.count_nonzero(~has_labels_N))
    if num_left_out:
        dataset.get_subset_([int(index) for index in np.flatnonzero(has_labels_N)])
    return num_left_out
