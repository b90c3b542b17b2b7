"""Names of tensors in two layouts: a table of templates that is read in both directions.

In a template `#` means the number of a layer and `*` for `weight` or `bias`; both sides of a row have the same
ones in the same order.
"""

from __future__ import annotations

import re

_GROUPS = {"#": r"(\d+)", "*": "(weight|bias)"}


def pattern(template: str) -> str:
    """Return the regular expression that matches names of a template."""
    return "".join(_GROUPS.get(part) or re.escape(part) for part in re.split(r"([#*])", template))


def expansion(template: str) -> str:
    r"""Return the template with `\1`, `\2` for its marks, for `re.Match.expand`."""
    marks = iter(range(1, len(template)))
    return re.sub(r"[#*]", lambda _: rf"\{next(marks)}", template)


def translate(name: str, rows: list[tuple[str, str]]) -> str | None:
    """Return the name in the other layout by the first row (template of `name`, other template) that fits, or None."""
    for template, other in rows:
        if match := re.fullmatch(pattern(template), name):
            return match.expand(expansion(other))
    return None
