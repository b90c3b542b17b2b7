"""Values with their own grammar: layers as `first 3` or `last 6`, and durations as a share of the schedule."""

from __future__ import annotations

import re
from typing import Any

from rs_adapt.errors import ConfigError

_DEPTH_WORD = re.compile(r"(first|last) (\d+)")
_PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def is_layers(value: Any) -> bool:
    """Return whether a value names transformer layers: `first N`, `last N` or a sequence of layer numbers."""
    if isinstance(value, str):
        return _DEPTH_WORD.fullmatch(value) is not None
    return isinstance(value, list | tuple) and all(type(item) is int for item in value)


def is_duration(value: Any) -> bool:
    """Return whether a value is a number of iterations or a percentage such as `20%`."""
    return type(value) is int or (isinstance(value, str) and _PERCENTAGE.fullmatch(value) is not None)


def resolve_layers(value: str | list[int] | tuple[int, ...], *, depth: int, key: str) -> tuple[int, ...]:
    """Return layer numbers, from 0 and in order.

    Args:
        value: `first N`, `last N` with 0 <= N <= depth, or distinct layer numbers below depth.
        depth: The number of transformer layers.
        key: The config key, for the error.

    Raises:
        ConfigError: The value does not name layers, or names some that do not exist.
    """
    allowed = f"Allowed: 'first N' or 'last N' with N up to {depth}, or layer numbers from 0 to {depth - 1}."
    if not is_layers(value):
        raise ConfigError(f"{key} is {value!r}. {allowed}")
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
