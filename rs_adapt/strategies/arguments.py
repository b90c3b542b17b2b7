"""Checks of the numbers of self-training."""

from __future__ import annotations

from collections.abc import Sequence

from rs_adapt.errors import ConfigError
from rs_adapt.ranges import COUNT_OR_0, NOT_NEGATIVE, SHARE, SHARE_ABOVE_0, SHARE_BELOW_1, Range, check_ranges
from rs_adapt.strategies.class_mix import MIX_CLASSES

_RANGES = {
    "warmup_iters": COUNT_OR_0,
    "mix_weight": NOT_NEGATIVE,
    "ema_decay": SHARE_BELOW_1,
    # A larger factor would invert colours.
    "jitter": SHARE,
    "jitter_prob": SHARE,
    "blur_prob": SHARE,
    "feature_weight": NOT_NEGATIVE,
    "feature_min_share": SHARE,
    "distill_weight": NOT_NEGATIVE,
    "mask_weight": NOT_NEGATIVE,
    "mask_ratio": SHARE,
    "mask_block_share": SHARE_ABOVE_0,
    "rebuild_weight": NOT_NEGATIVE,
    "rebuild_ratio": SHARE,
    "back_weight": NOT_NEGATIVE,
    "class_match": SHARE,
}


def check_arguments(**numbers: object) -> None:
    """Refuse arguments of `SelfTraining` that are outside their range.

    Args:
        **numbers: Arguments by name.

    Raises:
        ConfigError: A value is no finite number, or outside its range.
    """
    check_ranges("strategy.", **{name: (value, _RANGES[name]) for name, value in numbers.items()})


def check_mix_classes(mix_classes: str) -> None:
    """Refuse a source of classes to paste that does not exist.

    Raises:
        ConfigError: It is not among those allowed.
    """
    if mix_classes not in MIX_CLASSES:
        raise ConfigError(f"strategy.mix_classes is {mix_classes!r}. Allowed: {', '.join(MIX_CLASSES)}.")


def check_classes(feature_classes: Sequence[int] | None, *, num_classes: int) -> None:
    """Refuse numbers of classes that do not exist.

    Args:
        feature_classes: Numbers of classes, or None for all.
        num_classes: K.

    Raises:
        ConfigError: One is not from 0 to K - 1.
    """
    if feature_classes is None:
        return
    numbers, allowed = list(feature_classes), Range(least=0, most=num_classes - 1, whole=True)
    if any(number not in allowed for number in numbers):
        raise ConfigError(
            f"strategy.feature_classes is {numbers!r}; it must be numbers of classes, each {allowed}, or None for all."
        )
