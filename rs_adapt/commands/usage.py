"""Usage errors in plain words: typer passes on what pydantic says of a value, which is written for programmers."""

from __future__ import annotations

import difflib
import re

_PLAIN = (
    (re.compile(r"Input should be a valid integer.*", re.DOTALL), "It must be a whole number."),
    (re.compile(r"Input should be a valid number.*", re.DOTALL), "It must be a number."),
    (re.compile(r"Input should be (greater|less) than or equal to (\S+)"), r"It must be \1 than or equal to \2."),
    (re.compile(r"Input should be (greater|less) than (\S+)"), r"It must be \1 than \2."),
)
_CHOICE = re.compile(r"(?:Value error, )?'(?P<value>[^']*)' is not one of (?P<choices>'[^\n]*')\.")


def plain_usage_error(message: str) -> str:
    """Return the message of a wrong value on the command line in plain words.

    A value that is not among the choices gets the nearest of them first. Other messages are returned as they are.

    Args:
        message: What typer says, such as `Value error, 'tset' is not one of 'test', 'val'.`.
    """
    if (match := _CHOICE.fullmatch(message)) is not None:
        choices = re.findall(r"'([^']*)'", match["choices"])
        near = difflib.get_close_matches(match["value"], choices, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        return f"There is no {match['value']!r}.{hint} Allowed: {', '.join(choices)}."
    for pattern, plain in _PLAIN:
        if pattern.fullmatch(message) is not None:
            return pattern.sub(plain, message)
    return message.removeprefix("Value error, ")
