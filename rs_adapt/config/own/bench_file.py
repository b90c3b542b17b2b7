"""The TOML file of a bench of your own as a record: every key with its meaning, its default and what it may be.

`rs-adapt data init` writes a commented example, `rs-adapt list schemas bench` prints the JSON schema for editors.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)

from rs_adapt.errors import ConfigError

Colour = tuple[int, int, int]
# A label value, a colour, an attribute of polygons, or a class of a legend: the kind of labels decides.
LabelItem = Annotated[
    object,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 255},
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
        raise ValueError("a name is of small letters, digits and _")
    return value


def _check_share(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError("it must be above 0 and below 1")
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


_PAIR_SCHEMA = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_Name = Annotated[str, AfterValidator(_check_name), WithJsonSchema({"type": "string", "pattern": f"^{_NAME.pattern}$"})]
_Colour = Annotated[
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
_AboveZero = Annotated[float, Field(gt=0), WrapValidator(_as_given)]
_Share = Annotated[
    float,
    Field(json_schema_extra={"exclusiveMinimum": 0, "exclusiveMaximum": 1}),
    AfterValidator(_check_share),
    WrapValidator(_as_given),
]
_ResizeRatio = Annotated[
    list[float], BeforeValidator(_as_resize_ratio), WrapValidator(_as_given), WithJsonSchema(_PAIR_SCHEMA)
]
_Bands = Annotated[
    list[int],
    BeforeValidator(_as_bands),
    WithJsonSchema({"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 3, "maxItems": 3}),
]
_Stretch = Annotated[
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


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ClassEntry(_Table):
    """A class of the map, in `[[class]]`; the order of the tables is the order of the class indices."""

    name: str = Field(description="Name of the class.")
    colour: _Colour = Field(description="Colour in maps and pictures: '#3C1098', or red, green and blue from 0 to 255.")


class LabelsTable(_Table):
    """How the labels of a region are read, and what in them becomes which class."""

    path: str = Field(description="Folder of the labels, or a file of polygons; relative to `root`.")
    kind: Literal["values", "colours", "polygons"] = Field(
        default="values",
        description="values: one band of class values; colours: painted images; polygons: vector files.",
    )
    suffix: str | None = Field(
        default=None,
        description="End of a label's file name, after its image's name. Default: .png; polygons: .geojson.",
    )
    legend: str | None = Field(
        default=None,
        description="A data set of `rs-adapt data list` whose class names may stand in `classes` and `ignore`.",
    )
    column: str | None = Field(
        default=None,
        description="Attribute of the polygons that names the class; needed for polygons.",
    )
    background: str | None = Field(
        default=None,
        description="Class of the pixels outside all polygons. Default: these pixels are ignored.",
    )
    ignore: list[LabelItem] | None = Field(
        default=None,
        description="Label values, colours or attributes that are left out of training and scores.",
    )
    classes: dict[str, list[LabelItem]] | None = Field(
        default=None,
        description="Class name -> the label values, colours, attributes or legend names that become it.",
    )


class RegionTable(_Table):
    """A region: its images, how their bands are read, which of them are held out, and their labels."""

    name: _Name | None = Field(
        default=None,
        description="Short name, part of folder names. Default: `source` or `target`.",
    )
    images: str = Field(description="Folder of GeoTIFFs of any size, or of jpg and png images; relative to `root`.")
    pattern: str = Field(
        default="*",
        description="Which files of the folder, such as area_*.tif.",
    )
    bands: _Bands | None = Field(
        default=None,
        description="Bands that become red, green and blue, counted from 1.",
    )
    stretch: _Stretch = Field(
        default=None,
        description="Values that become black and white: [low, high], one pair a band, or 'scene' for percentiles 2 "
        "and 98 of each scene. Default: percentiles shared by all 16-bit scenes; 8-bit images stay as they are.",
    )
    gsd_m: _AboveZero | None = Field(
        default=None,
        description="Ground sampling distance in metres.",
    )
    val: list[str] = Field(
        default=[],
        description="Scenes held out for scoring, by name without ending; * is allowed.",
    )
    val_share: _Share | None = Field(
        default=None,
        description="Share of the scenes held out instead of `val`; of a single scene its lower rows. Default: 0.2",
    )
    labels: LabelsTable | None = Field(
        default=None,
        description="The labels; the target may have none.",
    )

    @model_validator(mode="after")
    def _check_held_out(self) -> RegionTable:
        if self.val and self.val_share is not None:
            raise ValueError("val and val_share say the same in two ways: keep one of them")
        if self.labels is None and (self.val or self.val_share is not None):
            raise ValueError("val has no meaning without labels to score on: leave it out")
        return self


class TrainTable(_Table):
    """Defaults of training on the bench; options of `rs-adapt train` override them."""

    backbone: str = Field(
        default="dinov2_l",
        description="See `rs-adapt list backbones`.",
    )
    head: str = Field(
        default="mask2former",
        description="See `rs-adapt list heads`.",
    )
    method: str = Field(
        default="earth_adapter",
        description="See `rs-adapt list methods`.",
    )
    iters: int = Field(
        default=20000,
        ge=1,
        description="Training iterations.",
    )
    eval_every: int | None = Field(
        default=None,
        ge=1,
        description="Iterations from one evaluation to the next. Default: `iters` / 10.",
    )
    batch_size: int = Field(
        default=2,
        ge=1,
        description="Crops per region and iteration.",
    )
    lr: _AboveZero = Field(
        default=1e-4,
        description="Learning rate of AdamW.",
    )
    resize_ratio: _ResizeRatio = Field(
        default=[0.5, 2.0],
        description="Smallest and largest factor by which training tiles are resized.",
    )
    photometric: bool = Field(
        default=True,
        description="Whether brightness, contrast, saturation and hue are varied.",
    )


class BenchFile(_Table):
    """A bench of your own: a labelled region to learn from, a region to map, and the classes of the map."""

    name: _Name = Field(description="Short name of small letters, digits and _; part of folder names.")
    title: str | None = Field(
        default=None,
        description="One line for tables and reports. Default: the name.",
    )
    gsd_m: _AboveZero | None = Field(
        default=None,
        description="Ground sampling distance (m), where the target has none.",
    )
    tile_px: int = Field(
        default=512,
        ge=16,
        description="Side of the tiles (px) that scenes are cut into.",
    )
    stride_px: int | None = Field(
        default=None,
        ge=1,
        description="Step (px) from tile to tile. Default: `tile_px`.",
    )
    crop_px: int | None = Field(
        default=None,
        ge=16,
        description="Side of the training crops (px). Default: `tile_px`.",
    )
    root: str | None = Field(
        default=None,
        description="Folder that paths are relative to. Default: the folder of this file.",
    )
    classes: list[ClassEntry] | None = Field(
        default=None,
        alias="class",
        description="Two or more classes, in index order.",
    )
    bridge: str | None = Field(
        default=None,
        description="A class bridge that names the classes: a shipped one, or a file.",
    )
    train: TrainTable = Field(default_factory=TrainTable, description="Defaults of training.")
    source: RegionTable = Field(description="The region with labels to learn from.")
    target: RegionTable = Field(description="The region to map; its labels are only ever used to score.")

    @model_validator(mode="after")
    def _check_sizes(self) -> BenchFile:
        for key, value, least in (("crop_px", self.crop_px, 16), ("stride_px", self.stride_px, 1)):
            if value is not None and value > self.tile_px:
                raise ValueError(f"{key} is {value}; it must be {least} to {self.tile_px}, the tile_px")
        return self


class ClassBridge(BaseModel):
    """A file that names classes, and for each of several legends the names that become them (`[<legend>]`)."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, dict[str, list[str]]]

    classes: list[ClassEntry] = Field(alias="class")

    def legend(self, name: str) -> dict[str, list[str]] | None:
        """Return class name -> names of a legend that become it; `ignore` has those left out. None if not there."""
        return self.__pydantic_extra__.get(name)


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
