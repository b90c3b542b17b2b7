"""Consoles for texts that anybody may have written: no markup, no emoji codes, no control characters."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from rs_adapt.render.plain_text import printable


class PlainConsole(Console):
    """A console of rich that prints texts, also those in tables and status lines, as they are.

    A name such as `road [paved]` keeps its brackets, and none can change colours or move the cursor. What has a style
    is a `Text` of `styled`, or has it by `style=`.
    """

    def __init__(self, *, stderr: bool = False, width: int | None = None, highlight: bool = False) -> None:
        super().__init__(stderr=stderr, width=width, highlight=highlight, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a text without markup; see the class."""
        return super().render_str(printable(text), **options)


def styled(text: str, style: str) -> Text:
    """Return a text with a style of rich, such as `red`; it is shown as it is otherwise."""
    return Text(printable(text), style=style)
