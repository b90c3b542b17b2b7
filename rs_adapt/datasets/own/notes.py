"""Sentences on scenes that are not as one would expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from rs_adapt.datasets.own.contents import SplitContents
from rs_adapt.datasets.own.cutting import IGNORED, UNLABELLED, CutTile
from rs_adapt.datasets.own.layout import SceneFiles, other_pictures
from rs_adapt.datasets.own.polygon_labels import OUTSIDE, PolygonFacts
from rs_adapt.datasets.own.regions import RegionPlan, stored_size_px
from rs_adapt.errors import DataError
from rs_adapt.files import is_file_or_geodatabase
from rs_adapt.scenes.opening import open_source
from rs_adapt.scenes.orientation import stated_orientation

# A scene of which polygons cover no more than this, all of them over its edge, may be unlabelled.
_NEIGHBOURS_SHARE = 0.05


def other_pictures_note(plan: RegionPlan) -> str | None:
    """Return a sentence on files that may be scenes and are of a format that is not read; None where all are read."""
    files = other_pictures(plan.region)
    if not files:
        return None
    return (
        f"warning: {plan.region.images} holds images of a format that is not read and which are left out "
        f"({len(files)}, such as {files[0]}): convert them to GeoTIFF or png, or choose the others by pattern"
    )


def bands_note(plan: RegionPlan) -> str | None:
    """Return a sentence on the bands that are read where the bench states none and an image has more than three."""
    if plan.region.bands is not None:
        return None
    for planned in plan.scenes:
        with closing(open_source(planned.scene.image)) as source:
            if source.info.num_bands > 3:
                red, green, blue = source.colour_bands
                return (
                    f"bands {red}, {green} and {blue} of {source.info.num_bands} are read as red, green and blue: the "
                    "bench states none (bands), and satellite products often begin with blue"
                )
    return None


def turned_note(plan: RegionPlan) -> str | None:
    """Return a sentence on images that are turned and keep their size, where their labels are not; None without any.

    A quarter turn shows in the size of an image that is no square. Other turns do not, and a label that was drawn on
    the pixels as they are stored would be taken for one of the turned image.
    """
    turned = [
        planned.scene.image.name
        for planned in plan.scenes
        if (labels := plan.labels_of(planned)) is not None
        and labels.kind != "polygons"
        and _is_turned_alone(planned.scene)
    ]
    if not turned:
        return None
    return (
        f"warning: {len(turned)} image(s), such as {turned[0]}, are turned or mirrored as their EXIF orientation says, "
        "and their labels are not: if these were drawn on the pixels as stored, remove the orientation from the images"
    )


def _is_turned_alone(scene: SceneFiles) -> bool:
    orientation = stated_orientation(scene.image)
    if orientation == 1 or scene.label is None:
        return False
    width_px, height_px = stored_size_px(scene)
    # 5 to 8 turn by a quarter.
    return (orientation < 5 or width_px == height_px) and stated_orientation(scene.label) == 1


def polygon_notes(plan: RegionPlan, facts: Sequence[PolygonFacts | None]) -> list[str]:
    """Return sentences on the polygons of a region, by the facts of its scenes.

    Raises:
        DataError: One file has polygons in pixels, and there are several images.
    """
    labels = plan.region.labels
    pairs = zip(plan.scenes, facts, strict=True)
    in_pixels = [planned.scene.image for planned, of_scene in pairs if of_scene is not None and of_scene.in_pixels]
    if labels is not None and len(in_pixels) > 1 and is_file_or_geodatabase(Path(labels.path)):
        raise DataError(
            f"{labels.path} holds polygons in pixels, and {len(in_pixels)} images without georeference, such as "
            f"{in_pixels[0].name} and {in_pixels[1].name}, would get the same ones. Give each image a file of its own "
            "(path is then their folder), or georeferenced images."
        )
    notes = [of_scene.note for of_scene in facts if of_scene is not None and of_scene.note is not None]
    if num := sum(of_scene.num_without_pixel for of_scene in facts if of_scene is not None):
        notes.append(f"polygons too small to contain the centre of a pixel, which label nothing: {num}")
    # One file may label all scenes.
    return list(dict.fromkeys(notes))


def neighbours_note(scene: SceneFiles, polygons: PolygonFacts | None, holds: Mapping[str, int]) -> str | None:
    """Return a sentence about a scene that may be unlabelled, as only polygons of its neighbours reach in."""
    outside = holds.get(OUTSIDE, 0)
    covered = 1 - outside / max(1, sum(holds.values()))
    if polygons is None or not polygons.all_from_outside or not outside or covered > _NEIGHBOURS_SHARE:
        return None
    return (
        f"warning: all polygons on {scene.name} reach in from outside and cover {100 * covered:.1f} % of it: if nobody "
        "has labelled it, leave it out (pattern), or say where labels are complete (labels.aoi)"
    )


def empty_note(scene: SceneFiles, contents: Mapping[str, SplitContents], places: Sequence[CutTile]) -> str | None:
    """Return a sentence about a scene whose label has nothing that counts; None for others."""
    parts = contents.values()
    if any(part.classes is None or any(pixels.tiles for pixels in part.classes.values()) for part in parts):
        return None
    reasons = {
        "all of its label is ignored": sum(int(place.counts[IGNORED]) for place in places),
        "its label has no data where the image is, or does not reach it": sum(
            int(place.counts[UNLABELLED]) for place in places
        ),
    }
    reason = max(reasons, key=reasons.__getitem__) if any(reasons.values()) else "its image has no data there"
    return f"warning: no labelled pixel of {scene.name} is in any tile: {reason}"
