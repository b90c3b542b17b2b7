"""Human-readable texts in a configuration or manifest; a run stays the same when only they change."""

from __future__ import annotations

from typing import Any

from rs_adapt.config.added_keys import without_added_keys
from rs_adapt.config.literals import parse_literals
from rs_adapt.config.text import tree_to_python

# Keys at any depth whose values change no result.
WORDING = (
    "title",
    "paper",
    "reason",
    "recipe",
    "how_to_get",
    "by_hand",
    "note",
    "licence",
    "conditions",
    "citation",
    "url",
    "mirrors",
    "alternative",
)


def without_wording(text: str, *, file: str) -> str:
    """Return a configuration without its human-readable texts (titles, licences, notes) and later defaults.

    Two configurations that are equal after this describe the same run.

    Args:
        text: A resolved configuration as Python, the content of a run's `config.py`.
        file: The file that holds the text, for errors.

    Raises:
        ConfigError: The text is not Python, or holds anything but literals.
    """
    tree = parse_literals(text, file=file, remedy="Copy the run again.").values
    return tree_to_python(_drop(without_added_keys(tree)))


def _drop(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _drop(inner) for key, inner in value.items() if key not in WORDING}
    return type(value)(_drop(inner) for inner in value) if isinstance(value, list | tuple) else value
