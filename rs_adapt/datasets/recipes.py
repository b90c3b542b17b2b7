"""Recipes of tiles that are made on this machine: `bench.prepare`, by its `kind`, as typed records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from rs_adapt.errors import ConfigError
from rs_adapt.progress import OnProgress

_FROZEN = ConfigDict(frozen=True)

# A value of a label file, an RGB colour, or the text of a polygon's attribute.
LabelItem: TypeAlias = int | str | tuple[int, int, int]


class TileFacts(BaseModel):
    """The facts of a bench that its tiles depend on."""

    model_config = _FROZEN

    tile_px: int
    classes: tuple[str, ...]
    reduce_zero_label: bool
    ignore_index: int


class SyntheticRecipe(BaseModel):
    """Scenes that are drawn, `kind = "synthetic"`; `regions` are names that `region_named` knows."""

    model_config = _FROZEN

    kind: Literal["synthetic"]
    seed: int
    scenes: dict[str, int]
    size_px: int
    stride_px: int
    regions: tuple[str, ...] = ("north", "south")


class SyntheticClassesRecipe(BaseModel):
    """Images of scene classes that are drawn, `kind = "synthetic_classes"`; `images` counts a class's by part."""

    model_config = _FROZEN

    kind: Literal["synthetic_classes"]
    seed: int
    images: dict[str, int]
    size_px: int
    regions: tuple[str, ...]


class SyntheticComposeRecipe(BaseModel):
    """Drawn tiles with captions, `kind = "synthetic_compose"`.

    Attributes:
        kind: See above.
        seed: Seed of scenes, tiles and texts.
        pairs: Captions to train on.
        items: Items of each kind by scored part.
        num_scenes: Scenes of the training tiles; the scored parts have half as many each.
        scene_px: Side of a scene.
    """

    model_config = _FROZEN

    kind: Literal["synthetic_compose"]
    seed: int
    pairs: int
    items: dict[Literal["val", "test"], int]
    num_scenes: int
    scene_px: int


class ImagesRecipe(BaseModel):
    """A folder of labelled images that is cut into tiles, `kind = "images"`."""

    model_config = _FROZEN

    kind: Literal["images"]
    image_dir: str
    label_dir: str
    image_suffix: str
    label_suffix: str
    regions: dict[str, tuple[str, ...]]
    crops: tuple[str, ...]
    val_crops: tuple[str, ...]
    stride_px: int
    how_to_get: str


class LabelSource(BaseModel):
    """The labels of a region, and how they are read.

    Attributes:
        kind: Whether they hold class values, colours, or polygons.
        path: Folder of the labels, or one file of polygons for all images.
        suffix: Ending of their names.
        column: Attribute of the polygons that names their class; None for rasters.
        background: Index of the class outside all polygons; None ignores these pixels.
        to_index: Pairs of a label's content and the index of its class.
        ignore: Contents of labels that are ignored.
        nodata: Value of a raster's pixels without data, in place of the file's own; "none" for a raster without such
            pixels. None for the file's.
        name: Name of a label, whose wildcards repeat those of the images' pattern; None where `suffix` names it.
        layer: Layer of the polygons, by name or by number from 1; None where the file has one.
        crs: Reference system of the polygons, in place of the one that the file states; None keeps that.
        aoi: A file of polygons inside which labels are complete; None where polygons have to lie on each scene.
        aoi_layer: Layer of that file, as `layer`.
    """

    model_config = _FROZEN

    kind: Literal["values", "colours", "polygons"]
    path: str
    suffix: str
    column: str | None
    background: int | None
    to_index: tuple[tuple[LabelItem, int], ...]
    ignore: tuple[LabelItem, ...]
    nodata: float | Literal["none"] | None = None
    name: str | None = None
    layer: int | str | None = None
    crs: str | None = None
    aoi: str | None = None
    aoi_layer: int | str | None = None


class SceneRegion(BaseModel):
    """A region of your own scenes.

    Attributes:
        name: Name of the region and of its folder.
        images: Folder of the scenes, or the one file.
        pattern: Names of the scenes, with wildcards.
        bands: Numbers from 1 of the bands that become red, green and blue; None for the first three.
        stretch: Values that become 0 and 255 in red, green and blue; "scene" for each scene's own percentiles; None for
            percentiles of the region.
        val: Patterns of the scenes that are scored.
        val_share: Share of the scenes that are scored, 0 to 1; None where `val` names them.
        labels: None for a region without labels.
        nodata: Value of pixels without data, in place of the files' own; "none" for scenes without such pixels. None
            for the files'.
        files: List of the scenes and their labels, instead of `images`; None without one.
        gsd_m: Ground size of a pixel in metres, as the bench's file states it; None where it does not.
    """

    model_config = _FROZEN

    name: str
    images: str
    pattern: str
    bands: tuple[int, int, int] | None
    stretch: tuple[tuple[float, float], ...] | Literal["scene"] | None
    val: tuple[str, ...]
    val_share: float | None
    labels: LabelSource | None
    nodata: float | Literal["none"] | None = None
    files: str | None = None
    gsd_m: float | None = None


class ScenesRecipe(BaseModel):
    """Your own scenes that are cut into tiles, `kind = "scenes"`; see `rs_adapt.config.own.bench`.

    Attributes:
        source: The source.
        target: The target.
        classes: Names of the classes.
        stride_px: Step of the tiles.
        train_labels: Whose labels a run may learn from; those of the target in the setting `ss` alone.
        parts: Folders outside of the bench's own that parts of a VRT may lie in.
    """

    model_config = _FROZEN

    kind: Literal["scenes"]
    source: SceneRegion
    target: SceneRegion
    classes: tuple[str, ...]
    stride_px: int
    train_labels: Literal["source", "target"] = "source"
    parts: tuple[str, ...] = ()

    @property
    def labelled(self) -> SceneRegion:
        """The region whose training tiles have labels that are learnt from."""
        return self.target if self.train_labels == "target" else self.source

    @property
    def regions(self) -> dict[str, SceneRegion]:
        """The regions by role."""
        return {"source": self.source, "target": self.target}


# Fills a folder, and returns the number of images by part.
ComposeDrawer: TypeAlias = Callable[[SyntheticComposeRecipe, Path, OnProgress], dict[str, int]]
# To be raised whenever `rs_adapt.captions.drawn` gives other images or texts.
COMPOSE_VERSION = 1

Recipe: TypeAlias = SyntheticRecipe | SyntheticClassesRecipe | SyntheticComposeRecipe | ImagesRecipe | ScenesRecipe
KINDS = ("synthetic", "synthetic_classes", "synthetic_compose", "images", "scenes")


def read_recipe(prepare: Mapping[str, object]) -> Recipe:
    """Return the `prepare` facts of a bench as a record.

    Raises:
        ConfigError: The kind is unknown, or a key is missing or has a wrong value.
    """
    kind = prepare.get("kind")
    if kind not in KINDS:
        raise ConfigError(f"Cannot prepare data of kind {kind!r}: allowed are {', '.join(KINDS)}.")
    adapter: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="kind")])
    try:
        return adapter.validate_python(prepare)
    except ValidationError as error:
        from rs_adapt.validation import explain

        raise ConfigError(explain(error, file="bench.prepare")) from error
