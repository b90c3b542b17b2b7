"""Names as users spell them, and the message for names that do not exist."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def normalize(name: str) -> str:
    """Return a name as file stems spell it: lower case, with `_` for `-`."""
    return name.strip().replace("-", "_").lower()


def unknown_name_message(kind: str, name: str, known: Sequence[str]) -> str:
    """Return the sentence for a name that does not exist: the nearest names first, then all of them.

    Args:
        kind: Kind of the named thing, such as `backbone`.
        name: The name as it was given.
        known: The names that exist.
    """
    spelled = [item.replace("_", "-") for item in known]
    near = difflib.get_close_matches(normalize(name).replace("_", "-"), spelled, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"There is no {kind} {name!r}.{hint} Known: {', '.join(spelled) or 'none'}."
