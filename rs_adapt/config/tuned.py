"""Values of a method that were tuned for one bench and setting: which a cell uses, and on what they were chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from rs_adapt.config import axes
from rs_adapt.errors import RsAdaptError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

_ADAPTER = "model.backbone.adapter."
# Version 0.1.0 tuned Earth-Adapter for the two benches for small machines, in all settings. Its runs record no values
# of their own beside `config.py`, and its packs none at all.
_OF_0_1_0 = {
    ("earth_adapter", setting, bench): {"rank": 64, "scale_init": 1.0}
    for setting in ("da", "dg", "ss")
    for bench in ("synthetic", "dubai_urban2coast")
}
_CHOSEN_IN_0_1_0 = (
    "by version 0.1.0, on the target's test score of seed 0 of the synthetic bench, which is the score of its tables"
)
_NOT_STATED = "on what the method's file does not state"


def values_in_file(method: str, setting: str, bench: str) -> Mapping[str, object]:
    """Return the values that a method's file holds for a bench and a setting; empty where it holds none.

    Raises:
        ConfigError: The file cannot be read.
    """
    tuned = axes.peek("method", method).get("tuned") or {}
    values: Mapping[str, object] = tuned.get(setting, {}).get(bench, {})
    return values


def values_of_0_1_0(method: str, setting: str, bench: str) -> Mapping[str, object]:
    """Return the values that version 0.1.0 used for a cell without `--untuned`.

    Raises:
        ConfigError: The method's file cannot be read.
    """
    return _OF_0_1_0.get((method, setting, bench)) or values_in_file(method, setting, bench)


def without_overridden(values: Mapping[str, T], overrides: Iterable[str]) -> dict[str, T]:
    """Return the tuned values that no override replaced.

    Args:
        values: By setting of the adapter.
        overrides: `key=value` texts.
    """
    keys = {text.partition("=")[0].strip() for text in overrides}
    return {name: value for name, value in values.items() if f"{_ADAPTER}{name}" not in keys}


def describe_choice(method: str, setting: str, bench: str) -> str:
    """Return on what the tuned values of a cell were chosen, in the words of the method's file (`tuned_on`)."""
    if (method, setting, bench) in _OF_0_1_0:
        return _CHOSEN_IN_0_1_0
    try:
        return str(axes.peek("method", axes.find("method", method)).get("tuned_on") or _NOT_STATED)
    except RsAdaptError:
        # The run was made with a method that is not on this machine.
        return _NOT_STATED
