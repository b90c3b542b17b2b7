"""Windows of a label on the grid of its image, as all kinds of labels are read (H/W pixels)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

IGNORE = 255
REMEDY = "Name them under a class in [...labels.classes], or in labels.ignore."


@dataclass(frozen=True, kw_only=True)
class LabelWindow:
    """A window of a label.

    Attributes:
        classes_HW: Class indices, uint8, shape (H, W); `IGNORE` where the label is ignored or has no data.
        no_data_HW: Whether the label has no data or does not reach, bool, shape (H, W).
        contents: Pixels by value, colour or attribute of the label, as text; those without data are left out.
        hidden: Pixels by value of the label, as text, where its file declares them to be without data.
    """

    classes_HW: NDArray[np.uint8]
    no_data_HW: NDArray[np.bool_]
    contents: Counter[str]
    hidden: Counter[str] = field(default_factory=Counter)
