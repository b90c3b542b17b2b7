"""Ranges of numbers, and one sentence for a number outside its range. Loads nothing but the standard library."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from rs_adapt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Range:
    """Finite numbers between two bounds.

    Attributes:
        least: Lower bound; None for none.
        most: Upper bound; None for none.
        open_least: Whether the lower bound itself is excluded.
        open_most: Whether the upper bound itself is excluded.
        whole: Whether only whole numbers are meant.
    """

    least: float | None = None
    most: float | None = None
    open_least: bool = False
    open_most: bool = False
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        """Return whether a value is a number of the range; true and false are none."""
        return self.is_number(value) and self._is_inside(value)

    def is_number(self, value: object) -> bool:
        """Return whether a value is a finite number, and whole where that is asked."""
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        # A whole number may be too large for a float, and is finite.
        return isinstance(value, Integral) or math.isfinite(value)

    def allowed(self, value: object) -> str:
        """Return the end of the sentence "VALUE is ...; it must be ..." for a value outside the range."""
        bounds = str(self)
        if self.is_number(value):
            return bounds
        kind = "a whole number" if self.whole else "a finite number"
        return f"{kind}, {bounds}" if bounds else kind

    def __str__(self) -> str:
        """Return the bounds in words; empty for a range without bounds."""
        least, most = (None if bound is None else f"{bound:g}" for bound in (self.least, self.most))
        if least is None:
            return "" if most is None else f"{'below ' if self.open_most else 'at most '}{most}"
        if most is None:
            return f"larger than {least}" if self.open_least else f"{least} or larger"
        upper = f"below {most}" if self.open_most else most
        return f"above {least}, up to {upper}" if self.open_least else f"from {least} to {upper}"

    def _is_inside(self, value: object) -> bool:
        number: Any = value
        if self.least is not None and not (number > self.least if self.open_least else number >= self.least):
            return False
        return self.most is None or bool(number < self.most if self.open_most else number <= self.most)


ANY = Range()
SHARE = Range(least=0, most=1)
SHARE_BELOW_1 = Range(least=0, most=1, open_most=True)
SHARE_ABOVE_0 = Range(least=0, most=1, open_least=True)
POSITIVE = Range(least=0, open_least=True)
NOT_NEGATIVE = Range(least=0)
COUNT = Range(least=1, whole=True)
COUNT_OR_0 = Range(least=0, whole=True)
BYTE = Range(least=0, most=255, whole=True)


def check_ranges(owner: str, **values: tuple[object, Range]) -> None:
    """Refuse numbers outside their range: `check_ranges("Lora", rank=(rank, COUNT))`.

    Args:
        owner: The class that takes the values, or the start of their configuration keys with its dot, for the message.
        **values: Value and range by name.

    Raises:
        ConfigError: A value is no finite number, or outside its range.
    """
    for name, (value, allowed) in values.items():
        if value not in allowed:
            raise ConfigError(f"{_place(owner, name)} is {value!r}; it must be {allowed.allowed(value)}.")


def check_numbers(
    owner: str, allowed: Range, values: Mapping[str, Sequence[object]], *, length: int | None = None
) -> None:
    """Refuse lists that hold anything but numbers of one range.

    Args:
        owner: As in `check_ranges`.
        allowed: The range of every number.
        values: Lists by name.
        length: How many numbers each list must have; None for any number of them.

    Raises:
        ConfigError: A list has a different length, or one of its values is outside the range.
    """
    for name, numbers in values.items():
        wrong = [number for number in numbers if number not in allowed]
        if wrong or (length is not None and len(numbers) != length):
            expected = "numbers" if length is None else f"{length} numbers"
            bounds = allowed.allowed(wrong[0]) if wrong else str(allowed)
            each = f", each {bounds}" if bounds else ""
            raise ConfigError(f"{_place(owner, name)} is {list(numbers)!r}; it must be {expected}{each}.")


def _place(owner: str, name: str) -> str:
    return f"{owner}{name}" if owner.endswith(".") else f"{owner}: {name}"
