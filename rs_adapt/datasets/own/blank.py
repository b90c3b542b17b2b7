"""Black and white pixels that count as image: they may be without data, though no file says so (H/W pixels)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

# Share of a scene's pixels from which on they are reported.
_REPORTED_SHARE = 0.05
_COLOURS = ("black", "white")


def count_blank(rgb_HW3: NDArray[np.uint8], valid_HW: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the number of pixels with data, and of those that are black and white among them, shape (3,).

    Args:
        rgb_HW3: Colours, uint8, shape (H, W, 3).
        valid_HW: Where there is an image, bool, shape (H, W).
    """
    counts = [np.count_nonzero((rgb_HW3 == value).all(axis=-1) & valid_HW) for value in (0, 255)]
    return np.array([np.count_nonzero(valid_HW), *counts], dtype=np.int64)


def describe_blank(counts: Mapping[str, NDArray[np.int64]], role: str) -> list[str]:
    """Return a sentence for each colour that fills much of a scene.

    Args:
        counts: Counts of `count_blank` by scene.
        role: The region, as its table is called in the bench's file.
    """
    notes = []
    for place, colour in enumerate(_COLOURS, start=1):
        shares = {scene: count_3[place] / max(1, count_3[0]) for scene, count_3 in counts.items()}
        blank = [scene for scene, share in shares.items() if share >= _REPORTED_SHARE]
        if not blank:
            continue
        worst = max(blank, key=shares.__getitem__)
        more = f" ({len(blank)} scenes have many such pixels)" if len(blank) > 1 else ""
        notes.append(
            f"warning: {100 * shares[worst]:.1f} % of {worst} is {colour} in all bands and counts as image{more}: if "
            f"it shows nothing there, state the value of pixels without data (nodata = ... in [{role}])"
        )
    return notes
