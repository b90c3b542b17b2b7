"""Values with their own grammar: layers as `first 3`, durations and pixels as shares, decays of a schedule, `auto`."""

from __future__ import annotations

import re
from typing import Any

from rs_adapt.errors import ConfigError
from rs_adapt.ranges import POSITIVE

# A number that follows from the data.
AUTO = "auto"
_ALL_LAYERS = "all"
_DEPTH_WORD = re.compile(r"(first|last) (\d+)")
_PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_DECAY_OF_SCHEDULE = re.compile(r"(0?\.\d+) at (\d+)")


def is_layers(value: Any) -> bool:
    """Return whether a value names transformer layers: `all`, `first N`, `last N` or a sequence of layer numbers."""
    if isinstance(value, str):
        return value == _ALL_LAYERS or _DEPTH_WORD.fullmatch(value) is not None
    return isinstance(value, list | tuple) and all(type(item) is int for item in value)


def is_duration(value: Any) -> bool:
    """Return whether a value is a number of iterations or a percentage such as `20%`."""
    return type(value) is int or (isinstance(value, str) and _PERCENTAGE.fullmatch(value) is not None)


def is_decay(value: Any) -> bool:
    """Return whether a value is a number, or a decay with its schedule such as `0.99 at 20000`."""
    if isinstance(value, str):
        return _DECAY_OF_SCHEDULE.fullmatch(value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def resolve_layers(value: str | list[int] | tuple[int, ...], *, depth: int, key: str) -> tuple[int, ...]:
    """Return layer numbers, from 0 and in order.

    Args:
        value: `all`, `first N`, `last N` with 0 <= N <= depth, or distinct layer numbers below depth.
        depth: The number of transformer layers.
        key: The config key, for the error.

    Raises:
        ConfigError: The value does not name layers, or names some that do not exist.
    """
    allowed = f"Allowed: 'all', 'first N' or 'last N' with N up to {depth}, or layer numbers from 0 to {depth - 1}."
    if not is_layers(value):
        raise ConfigError(f"{key} is {value!r}. {allowed}")
    if value == _ALL_LAYERS:
        return tuple(range(depth))
    if isinstance(value, str):
        match = _DEPTH_WORD.fullmatch(value)
        assert match is not None
        count = int(match[2])
        if count > depth:
            raise ConfigError(f"{key} is {value!r}, but the backbone has {depth} layers. {allowed}")
        return tuple(range(count)) if match[1] == "first" else tuple(range(depth - count, depth))
    if len(set(value)) != len(value) or any(not 0 <= layer < depth for layer in value):
        raise ConfigError(f"{key} is {tuple(value)}, but the backbone has {depth} layers. {allowed}")
    return tuple(sorted(value))


def resolve_duration(value: int | str, *, total_iters: int, key: str) -> int:
    """Return a duration in iterations; a percentage of the schedule is rounded down.

    Raises:
        ConfigError: The value is neither a number nor a percentage, or it is negative.
    """
    if not is_duration(value) or (isinstance(value, int) and value < 0):
        raise ConfigError(
            f"{key} is {value!r}. Allowed: a number of iterations (0 or more), or a percentage such as '20%'."
        )
    if isinstance(value, int):
        return value
    match = _PERCENTAGE.fullmatch(value)
    assert match is not None
    return int(total_iters * float(match[1]) / 100)


def resolve_decay(value: float | str, *, total_iters: int, key: str) -> float:
    """Return the share of an average that is left after one iteration.

    A text such as `0.99 at 20000` is a decay that was published for a schedule: it holds for schedules of that length
    and longer ones. A shorter schedule gets the decay with the same half-life relative to its length,
    `0.99 ** (20000 / iterations)`, because an average over more iterations than a run has is the mean of all its
    weights, the random start among them.

    Args:
        value: A number, which is returned as it is, or such a text.
        total_iters: Iterations of the schedule, at least 1.
        key: The config key, for the error.

    Raises:
        ConfigError: The value is neither; the range of a number is checked where it is used.
    """
    match = _DECAY_OF_SCHEDULE.fullmatch(value) if isinstance(value, str) else None
    if not isinstance(value, str) and is_decay(value):
        return value
    if match is None or int(match[2]) < 1:
        raise ConfigError(
            f"{key} is {value!r}. Allowed: a number from 0 to below 1, or a decay with the schedule that it was "
            "published for, such as '0.99 at 20000' (iterations)."
        )
    return float(float(match[1]) ** max(1.0, int(match[2]) / total_iters))


def resolve_share(value: str, *, key: str) -> float:
    """Return a percentage such as `25%` as a share, above 0 and at most 1.

    Raises:
        ConfigError: The text is no percentage, or is not above 0 and at most 100.
    """
    match = _PERCENTAGE.fullmatch(value)
    share = float(match[1]) / 100 if match else 0.0
    if not 0 < share <= 1:
        raise ConfigError(f"{key} is {value!r}: allowed is a percentage above 0% and up to 100%, such as '25%'.")
    return share


def resolve_sure_share(value: str, *, key: str) -> float:
    """Return the share of the labelled pixels that count as sure, above 0 and at most 1.

    Args:
        value: A percentage such as `60%`: the surest 60 % of the pixels count, whatever their probabilities are.
        key: The config key, for the error.

    Raises:
        ConfigError: The text is no percentage, or is not above 0 and at most 100.
    """
    match = _PERCENTAGE.fullmatch(value)
    share = float(match[1]) / 100 if match else 0.0
    if not 0 < share <= 1:
        raise ConfigError(
            f"{key} is {value!r}: it needs a probability from 0 to 1, such as 0.968, or the share of the pixels that "
            "count as sure, above 0% and up to 100%, such as '60%'."
        )
    return share


def check_temperature(value: object, *, key: str) -> None:
    """Refuse a temperature of class sampling that is neither a number above 0 nor `auto`.

    Args:
        value: The temperature.
        key: The config key, for the error.

    Raises:
        ConfigError: It is neither.
    """
    if value != AUTO and value not in POSITIVE:
        raise ConfigError(
            f"{key} is {value!r}; it must be {POSITIVE.allowed(value)}, or {AUTO!r} for the temperature at which the "
            "least drawn class has the most pixels."
        )
