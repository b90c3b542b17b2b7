"""The kinds of values in a bench's TOML file: how each is checked, and how the JSON schema describes it."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from rs_adapt.errors import ConfigError

Colour = tuple[int, int, int]
# A label value, a colour, an attribute of polygons, or a class of a legend: the kind of labels decides.
LabelItem = Annotated[
    object,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer"},
                {"type": "string"},
                {"type": "array", "items": {"type": "integer"}, "minItems": 3, "maxItems": 3},
            ]
        }
    ),
]

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_HEX = re.compile(r"#[0-9a-fA-F]{6}")


def as_colour(value: object) -> Colour:
    """Return a colour (red, green, blue; 0 to 255 each) from three numbers, or from a text such as `#3C1098`.

    Raises:
        ValueError: The value is neither.
    """
    if isinstance(value, str) and _HEX.fullmatch(value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    if (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(type(one) is int and 0 <= one <= 255 for one in value)
    ):
        red, green, blue = value
        return red, green, blue
    raise ValueError("a colour is three numbers 0 to 255, or a text such as '#3C1098'")


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a name consists of lower-case letters, digits and _")
    return value


def _check_share(value: float) -> float:
    if not 0 <= value < 1:
        raise ValueError("it must be from 0 to below 1")
    return value


def _as_given(value: object, check: ValidatorFunctionWrapHandler) -> Any:
    # A whole number stays one: prepared tiles are found by a hash over the numbers as they are written.
    check(value)
    return value


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_resize_ratio(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) != 2 or not all(map(_is_number, value)) or value[0] >= value[1]:
        raise ValueError("it must be 2 numbers, smallest first")
    return value


def _as_bands(value: object) -> list[Any]:
    if not isinstance(value, list) or len(value) != 3 or not all(type(band) is int and band >= 1 for band in value):
        raise ValueError("it must be 3 whole numbers from 1")
    return value


def _as_stretch(value: object) -> str | list[list[float]]:
    if value == "scene":
        return "scene"
    pairs: list[object] = list(value) if isinstance(value, list) and len(value) == 3 else [value] * 3
    ranges = [pair for pair in pairs if isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))]
    if len(ranges) < 3 or not all(low < high for low, high in ranges):
        raise ValueError('it must be [low, high], three of these for red, green and blue, or "scene"')
    return [[low, high] for low, high in ranges]


def _as_nodata(value: object) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if value != "none" and not is_number:
        raise ValueError('it must be a number, or "none" where every pixel has data; not-a-number never counts as data')
    return value


_PAIR_SCHEMA = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
Name = Annotated[str, AfterValidator(_check_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})]
ClassColour = Annotated[
    Colour,
    BeforeValidator(as_colour),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{_HEX.pattern}$"},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 0, "maximum": 255},
                    "minItems": 3,
                    "maxItems": 3,
                },
            ]
        }
    ),
]
AboveZero = Annotated[float, Field(gt=0), WrapValidator(_as_given)]
Share = Annotated[
    float,
    Field(json_schema_extra={"minimum": 0, "exclusiveMaximum": 1}),
    AfterValidator(_check_share),
    WrapValidator(_as_given),
]
ResizeRatio = Annotated[
    list[float], BeforeValidator(_as_resize_ratio), WrapValidator(_as_given), WithJsonSchema(_PAIR_SCHEMA)
]
Bands = Annotated[
    list[int],
    BeforeValidator(_as_bands),
    WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 3, "maxItems": 3}),
]
Stretch = Annotated[
    Any,
    BeforeValidator(_as_stretch),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "scene"},
                _PAIR_SCHEMA,
                {"type": "array", "items": _PAIR_SCHEMA, "minItems": 3, "maxItems": 3},
            ]
        }
    ),
]

Nodata = Annotated[
    Any,
    BeforeValidator(_as_nodata),
    WithJsonSchema({"anyOf": [{"const": "none"}, {"type": "number"}]}),
]


def show_path(path: Path) -> str:
    """Return a path as it is written in messages; signs that cannot be printed are spelled out."""
    return str(path) if str(path).isprintable() else repr(str(path))


def hint_at_path(path: Path) -> str:
    """Return a sentence on how to write a path that does not exist, where it shows what may be wrong; else nothing."""
    text = str(path)
    if "\\" in text or not text.isprintable():
        return " Write the folders of a path with /, such as C:/data/images: \\ begins a sign of its own in TOML."
    if any(sign in text for sign in "*?["):
        return " A folder is named without wildcards: they stand in pattern, such as images = 'img', pattern = '*.tif'."
    return ""


class Place:
    """A table of a bench's file, for errors.

    Args:
        file: The bench's file.
        table: The dotted name of the table.
    """

    def __init__(self, file: Path, table: str) -> None:
        self.file, self.table = file, table

    def key(self, key: str) -> str:
        """Return the dotted name of a key."""
        return f"{self.table}.{key}"

    def error(self, key: str, fault: str) -> ConfigError:
        """Return an error about a key."""
        return ConfigError(f"{self.file}: {self.key(key)} {fault}.")
