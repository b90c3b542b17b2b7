"""The words for the classes of a mean that divide them into seen and unseen ones, and the name of such a mean.

With an open vocabulary the score is hIoU, the harmonic mean of the mIoU of the classes with labels in training and of
those without; `protocol.classes` is then `SEEN | UNSEEN`. Everywhere else it is the mIoU.
"""

from __future__ import annotations

from collections.abc import Sequence

MIOU, HIOU = "mIoU", "hIoU"
# The setting of an open vocabulary, and the key of benches that divide their classes into seen and unseen ones.
OPEN = "ov"
# Between the two groups.
BETWEEN = "|"


def has_groups(classes: str | Sequence[str] | None) -> bool:
    """Return whether words for the classes of a mean divide them into seen and unseen ones."""
    return isinstance(classes, str) and BETWEEN in classes


def mean_name(classes: str | Sequence[str] | None) -> str:
    """Return the name of the mean over classes: hIoU where they are in two groups, else mIoU.

    Args:
        classes: `protocol.classes`, as words or names; None where nothing states it.
    """
    return HIOU if has_groups(classes) else MIOU


def seen_words(classes: str) -> str:
    """Return the words for the seen classes alone; the words themselves where there are no groups."""
    return classes.partition(BETWEEN)[0].strip()
