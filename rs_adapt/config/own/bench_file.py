"""The TOML file of a bench of your own as a record: every key with its meaning, its default and what it may be.

`rs-adapt data init` writes a commented example, `rs-adapt list schemas bench` prints the JSON schema for editors.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rs_adapt.config.own.bench_values import (
    AboveZero,
    Bands,
    ClassColour,
    LabelItem,
    Name,
    Nodata,
    ResizeRatio,
    Share,
    Stretch,
)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ClassEntry(_Table):
    """A class of the map, in `[[class]]`; the order of the tables is the order of the class indices."""

    name: str = Field(description="Name of the class.")
    colour: ClassColour = Field(description="Colour in maps: '#3C1098', or red, green and blue from 0 to 255.")


class LabelsTable(_Table):
    """How the labels of a region are read, and what in them becomes which class."""

    path: str | None = Field(
        default=None,
        description="Folder of the labels, or one file; relative to `root`. Needed unless `files` lists them.",
    )
    kind: Literal["values", "colours", "polygons"] = Field(
        default="values",
        description="values: one band of class values; colours: painted images; polygons: vector files.",
    )
    suffix: str | None = Field(
        default=None,
        description="End of a label's file name, after its image's name. Default: .png; polygons: .geojson.",
    )
    name: str | None = Field(
        default=None,
        description="Instead of `suffix`: the label's file name, such as *_mask.png beside `pattern` = *_sat.jpg; each "
        "wildcard stands for the same text as in `pattern`.",
    )
    legend: str | None = Field(
        default=None,
        description="A data set of `rs-adapt data list` whose class names may stand in `classes` and `ignore`.",
    )
    nodata: Nodata | None = Field(
        default=None,
        description="Value of pixels without label data in rasters, in place of the one that the files declare; 'none' "
        "where every pixel has data. Default: what each file declares.",
    )
    column: str | None = Field(
        default=None,
        description="Attribute of the polygons that names the class; needed for polygons.",
    )
    background: str | None = Field(
        default=None,
        description="Class of the pixels outside all polygons. Default: these pixels are ignored.",
    )
    layer: str | int | None = Field(
        default=None,
        description="Layer of the polygons' file, by name or by number from 1; needed where several hold features.",
    )
    crs: str | None = Field(
        default=None,
        description="Reference system of the polygons, such as EPSG:32632, where the file states none or a wrong one.",
    )
    aoi: str | None = Field(
        default=None,
        description="A file of polygons inside which labels are complete; relative to `root`. Pixels outside have no "
        "label, and a scene without polygons is background. Default: a polygon has to lie on each scene.",
    )
    aoi_layer: str | int | None = Field(
        default=None,
        description="Layer of the file that `aoi` names.",
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

    name: Name | None = Field(
        default=None,
        description="Short name, part of folder names. Default: `source` or `target`.",
    )
    images: str | None = Field(
        default=None,
        description="Folder of GeoTIFFs of any size, or of jpg and png images, or one such file; relative to `root`.",
    )
    pattern: str = Field(
        default="*",
        description="Which files of the folder, such as area_*.tif; **/*.tif takes those of folders below it too.",
    )
    files: str | None = Field(
        default=None,
        description="Instead of `images`: a text file with one line an image and, after a comma, its label; relative "
        "to `root`. Paths in it are relative to its folder.",
    )
    bands: Bands | None = Field(
        default=None,
        description="Bands that become red, green and blue, counted from 1.",
    )
    stretch: Stretch = Field(
        default=None,
        description="Values that become black and white: [low, high], one pair a band, or 'scene' for percentiles 2 "
        "and 98 of each scene. Default: percentiles shared by all 16-bit scenes; 8-bit images stay as they are.",
    )
    nodata: Nodata | None = Field(
        default=None,
        description="Value of pixels without data, in place of the one that the files declare; 'none' where every "
        "pixel has data. Default: what each file declares.",
    )
    gsd_m: AboveZero | None = Field(
        default=None,
        description="Ground sampling distance in metres.",
    )
    val: list[str] = Field(
        default=[],
        description="Scenes held out for scoring, by name without ending; * is allowed.",
    )
    val_share: Share | None = Field(
        default=None,
        description="Share of the scenes held out instead of `val`; a single scene is divided into blocks. 0 "
        "trains on all. Default: 0.2",
    )
    labels: LabelsTable | None = Field(
        default=None,
        description="The labels; the target may have none.",
    )

    @model_validator(mode="after")
    def _check_files(self) -> RegionTable:
        if (self.images is None) == (self.files is None):
            raise ValueError(
                "images is missing: a folder of images, or one image"
                if self.files is None
                else "images and files both name the images: keep one of them"
            )
        if self.files is not None and (self.pattern != "*" or (self.labels and self.labels.name)):
            raise ValueError("pattern and labels.name choose files of a folder, and files lists them: leave them out")
        if self.labels is not None and self.labels.path is None and self.files is None:
            raise ValueError("labels.path is missing: the folder of the labels, or a file of polygons")
        if self.labels is not None and self.labels.suffix is not None and self.labels.name is not None:
            raise ValueError("labels.suffix and labels.name both name the labels: keep one of them")
        if self.val and self.val_share is not None:
            raise ValueError("val and val_share both choose the validation tiles: keep one of them")
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
    lr: AboveZero = Field(
        default=1e-4,
        description="Learning rate of AdamW.",
    )
    resize_ratio: ResizeRatio = Field(
        default=[0.5, 2.0],
        description="Smallest and largest factor by which training tiles are resized.",
    )
    photometric: bool = Field(
        default=False,
        description="Whether brightness, contrast, saturation and hue are varied at random. Off by default: "
        "the hue of aerial images tells classes apart, such as vegetation from soil.",
    )


class BenchFile(_Table):
    """A bench of your own: a labelled region to learn from, a region to map, and the classes of the map."""

    name: Name = Field(description="Short name of small letters, digits and _; part of folder names.")
    title: str | None = Field(
        default=None,
        description="One line for tables and reports. Default: the name.",
    )
    gsd_m: AboveZero | None = Field(
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
    parts: list[str] | None = Field(
        default=None,
        description="Folders outside of the bench's own that parts of a VRT may lie in; relative to `root`.",
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
        if self.target.val_share == 0:
            raise ValueError("target.val_share is 0, so its labels score nothing: leave target.labels out")
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
