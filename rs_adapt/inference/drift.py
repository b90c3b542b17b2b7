"""How a model adapts to a scene, and the drift guard: what two predictions of the same tiles differ in. No torch.

Shapes: N tiles, H/W pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Tiles of a step.
BATCH_TILES = 4
# Below this share of pixels with the same class, most of the map would be a different one.
LEAST_AGREEMENT = 0.5
# Above this share of the area in other classes in the sum, the map would show a different region.
MOST_SHIFT = 0.35
# A class with this share of the pixels before may not fall below a tenth of it.
_COMMON_SHARE = 0.01
_STARVED_RATIO = 0.1


@dataclass(frozen=True, kw_only=True)
class AdaptationSettings:
    """How a model adapts to a scene before it is mapped.

    Attributes:
        steps: Steps of the optimizer, 1 or more.
        lr: Learning rate of the first step, above 0; it falls to 0 along a line.
        seed: Of the tiles that are drawn and of the mixing.
    """

    steps: int
    lr: float
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What adaptation changed on the tiles that it saw, without any label.

    Attributes:
        agreement: Share of pixels with the same class before and after.
        share_shift: Share of the pixels' classes that moved: half of the summed changes of the class shares, 0 to 1.
        starved: Numbers of the classes that almost vanished.
        confidence_before: Mean probability of the class, with the temperature of a calibrated pack.
        confidence_after: The same after the steps.
        is_finite: Whether losses and weights stayed finite.
    """

    agreement: float
    share_shift: float
    starved: tuple[int, ...]
    confidence_before: float
    confidence_after: float
    is_finite: bool = True

    @property
    def is_harmful(self) -> bool:
        """Whether the weights from before are to be used; the confidence is for people and decides nothing."""
        has_moved = self.agreement < LEAST_AGREEMENT or self.share_shift > MOST_SHIFT
        return not self.is_finite or bool(self.starved) or has_moved


def measure_drift(
    before: tuple[NDArray[np.uint8], NDArray[np.float32]],
    after: tuple[NDArray[np.uint8], NDArray[np.float32]],
    valid_NHW: NDArray[np.bool_],
    *,
    num_classes: int,
    is_finite: bool = True,
) -> Drift:
    """Compare a model before and after its adaptation.

    Args:
        before: Class and probability of each pixel before, uint8 and float32 (N, H, W).
        after: The same afterwards.
        valid_NHW: Pixels that are compared.
        num_classes: K.
        is_finite: Whether losses and weights stayed finite.
    """
    first_P, second_P = before[0][valid_NHW], after[0][valid_NHW]
    shares = [np.bincount(each_P, minlength=num_classes) / max(1, len(each_P)) for each_P in (first_P, second_P)]
    vanished = (shares[0] >= _COMMON_SHARE) & (shares[1] < _STARVED_RATIO * shares[0])
    return Drift(
        agreement=float(np.mean(first_P == second_P)),
        share_shift=float(np.abs(shares[1] - shares[0]).sum() / 2),
        starved=tuple(int(number) for number in np.flatnonzero(vanished)),
        confidence_before=float(before[1][valid_NHW].mean()),
        confidence_after=float(after[1][valid_NHW].mean()),
        is_finite=is_finite,
    )
