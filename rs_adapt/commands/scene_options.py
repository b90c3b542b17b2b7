"""Options that say how scenes are read, for the verbs that map scenes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import typer

Number = TypeVar("Number", int, float)
PANEL = "How scenes are read"

Bands = Annotated[
    str | None,
    typer.Option("--bands", help="Red, green, blue, such as 4,3,2 (default: as trained).", rich_help_panel=PANEL),
]
Stretch = Annotated[
    str | None,
    typer.Option(
        "--stretch",
        help="LOW,HIGH become black and white; scene: percentiles of each scene (default: as trained).",
        rich_help_panel=PANEL,
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="Region of your own bench whose bands and stretch apply (default: the target).",
        rich_help_panel=PANEL,
    ),
]
Asset = Annotated[
    str | None,
    typer.Option(
        "--asset", help="Asset of STAC items (default: that with role data or visual).", rich_help_panel=PANEL
    ),
]
Parts = Annotated[
    list[Path] | None,
    typer.Option("--parts", help="Further folders in which parts of VRTs and items may lie.", rich_help_panel=PANEL),
]


def parse_bands(text: str | None) -> list[int] | None:
    """Return the numbers of `--bands`.

    Raises:
        BadParameter: It is no list of whole numbers.
    """
    if text is None:
        return None
    return parse_numbers(text, int, "--bands", "whole numbers. Allowed: three, such as 4,3,2")


def parse_stretch(text: str | None) -> list[float] | Literal["scene"] | None:
    """Return the values of `--stretch`, or `scene`.

    Raises:
        BadParameter: It is no list of numbers.
    """
    if text is None or text == "scene":
        return None if text is None else "scene"
    return parse_numbers(text, float, "--stretch", "numbers. Allowed: two, such as 200,3000, or scene")


def parse_numbers(text: str, kind: Callable[[str], Number], option: str, allowed: str) -> list[Number]:
    """Return the numbers of a list with commas.

    Args:
        text: The list.
        kind: Of each number.
        option: The option, for the message.
        allowed: What the option takes, in words.

    Raises:
        BadParameter: It is no such list.
    """
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of {allowed}.", param_hint=option) from None
