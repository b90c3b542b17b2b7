"""What an mIoU is the mean of: some classes, or, with an open vocabulary, seen and unseen classes in equal parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, kw_only=True)
class SeenUnseen:
    """The harmonic mean `2 s u / (s + u)` of the mIoU `s` of seen and `u` of unseen classes; 0 where both are 0.

    The usual headline of generalized zero-shot segmentation (hIoU; Xian et al., SPNet, CVPR 2019, section 5): a model
    that knows the classes of its training alone scores 0.

    Args:
        seen: Indices of the classes with labels in training, at least one.
        unseen: Indices of the classes without, at least one.
    """

    seen: tuple[int, ...]
    unseen: tuple[int, ...]


# Indices of classes whose IoU is averaged; None for all classes.
MeanOver: TypeAlias = Sequence[int] | SeenUnseen | None
