"""The files of a region of your own scenes: which are images, and which label belongs to each."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

from rs_adapt.datasets.own.lists import read_list
from rs_adapt.datasets.own.patterns import Pattern
from rs_adapt.datasets.recipes import LabelSource, SceneRegion
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import is_file_or_geodatabase

IMAGE_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".jpg", ".jpeg", ".png", ".bmp")
# Pictures and rasters that are not read.
_OTHER_SUFFIXES = frozenset(
    ".gif .webp .jfif .jpe .heic .avif .jxl .tga .ppm .img .ecw .sid .nc .hdf .h5 .asc .bil .bsq .bip .npy".split()
)
# Words of a path that say that a file is a label, and those that say that it is an image.
_LABEL_WORDS = frozenset(
    "mask masks label labels lab lbl gt truth groundtruth ann anno annotation annotations seg segmentation".split()
)
_IMAGE_WORDS = frozenset("sat img imgs image images rgb".split())
_SHOWN = 3
_LONGEST_STEM = 200


@dataclass(frozen=True, kw_only=True)
class SceneFiles:
    """The files of a scene.

    Attributes:
        image: The image.
        label: Its label, which need not exist; None where the region has none.
        name: What `val` may name and what its tiles are called after: its name without ending; with the folders before
            it where images in different folders have the same name.
    """

    image: Path
    label: Path | None
    name: str

    @property
    def stem(self) -> str:
        """First part of the names of its tiles; unlike `name` it holds no folders."""
        stem = self.name.replace("/", "__")
        if len(stem.encode()) <= _LONGEST_STEM:
            return stem
        # Names of files end at 255 bytes, and those of tiles add their place.
        return f"{stem[: _LONGEST_STEM // 4]}-{hashlib.sha256(stem.encode()).hexdigest()[:16]}"

    @property
    def scene(self) -> str:
        """The scene in indices of tiles: its file, with the folders of `name`."""
        return str(PurePosixPath(self.name).parent / self.image.name)


def find_scenes(region: SceneRegion) -> list[SceneFiles]:
    """Return the scenes of a region, sorted by name.

    Images are the files below `region.images` that fit the pattern, the one file that it names, or those of a list.
    Hidden files, and files that are the label of an image, are no images.

    Raises:
        DataNotFound: There is no such image, or one is a link to nowhere.
        DataError: An image is a folder or may not be read, two images have the same name or the same label, or the
            folder seems to hold labels that nothing says are labels.
    """
    # Files may have come since the last look.
    _names_below.cache_clear()
    scenes = _listed(region) if region.files is not None else _in_folder(region)
    _require_files([scene.image for scene in scenes])
    scenes = _named(scenes, region)
    _require_own_labels(scenes, region.labels)
    return scenes


def other_pictures(region: SceneRegion) -> list[PurePosixPath]:
    """Return the files that fit the pattern of a region and look like images of a format that is not read."""
    place = Path(region.images)
    if region.files is not None or not place.is_dir():
        return []
    pattern = Pattern(region.pattern)
    files = _files_below(place, nested=pattern.is_nested)
    return [file for file in files if file.suffix.lower() in _OTHER_SUFFIXES and pattern.match(file) is not None]


def _listed(region: SceneRegion) -> list[SceneFiles]:
    """Return the scenes of a list file."""
    assert region.files is not None
    file = Path(region.files)
    scenes = []
    for row in read_list(file):
        label = None
        if region.labels is not None:
            label = row.label or _by_suffix(region.labels, PurePosixPath(row.image.name))
        scenes.append(SceneFiles(image=row.image, label=label, name=row.name))
    if not scenes:
        raise DataNotFound(f"{file} lists no image: write one line for each, the image and its label.")
    return scenes


def _in_folder(region: SceneRegion) -> list[SceneFiles]:
    place = Path(region.images)
    if place.is_file():
        name = PurePosixPath(place.name)
        label = None if region.labels is None else _by_suffix(region.labels, name)
        return [SceneFiles(image=place, label=label, name=name.stem)]
    pattern = Pattern(region.pattern)
    files = _files_below(place, nested=pattern.is_nested)
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and pattern.match(file) is not None]
    labels = {image: _label_of(region, pattern, image) for image in images} if region.labels is not None else {}
    masks = {label for image, label in labels.items() if label is not None and label != place / image}
    images = [image for image in images if place / image not in masks]
    if not images:
        raise DataNotFound(_no_image(region, place, files))
    _require_no_labels(place, images)
    return [
        SceneFiles(image=place / image, label=labels.get(image), name=str(image.with_suffix(""))) for image in images
    ]


def _files_below(folder: Path, *, nested: bool) -> list[PurePosixPath]:
    """Return the files of a folder, relative to it and sorted; also what only looks like a file."""
    files = []
    try:
        for parent, folders, names in os.walk(folder, onerror=_raise, followlinks=True):
            # Hidden files are no images, whatever their ending: macOS leaves `._NAME` beside each one on foreign disks.
            shown = [name for name in (*names, *folders) if not name.startswith(".")]
            place = Path(parent).relative_to(folder)
            files += [PurePosixPath(place / name) for name in shown if name in names or Path(name).suffix]
            folders[:] = [name for name in folders if nested and not name.startswith(".")]
            if len(place.parts) > 32:
                raise DataError(f"{folder} is nested too deep, at {parent}: is a link in it a circle?")
    except OSError as error:
        raise DataError(f"{folder} cannot be listed ({error.strerror}): check its permissions.") from error
    return sorted(files)


def _raise(error: OSError) -> None:
    raise error


def _label_of(region: SceneRegion, pattern: Pattern, image: PurePosixPath) -> Path:
    labels = region.labels
    assert labels is not None
    if labels.name is None or _is_one_for_all(labels):
        return _by_suffix(labels, image)
    return _existing(Path(labels.path) / pattern.fill(labels.name, image))


def _by_suffix(labels: LabelSource, image: PurePosixPath) -> Path:
    """Return the label of an image: the file of its name, or the one file for all images."""
    path = Path(labels.path)
    return path if _is_one_for_all(labels) else _existing(path / image.parent / f"{image.stem}{labels.suffix}")


def _is_one_for_all(labels: LabelSource) -> bool:
    """Return whether the path of labels is a file; a geodatabase is one, too, and looks like a folder."""
    path = Path(labels.path)
    return path.is_file() or (labels.kind == "polygons" and is_file_or_geodatabase(path))


def _existing(label: Path) -> Path:
    """Return a label's path, or that of the only file beside it with this name, apart from letter case and accents.

    Systems differ in whether these count, and in how they write an accent.
    """
    if label.exists() or label.is_symlink():
        return label
    alike = _names_below(label.parent).get(_plain_name(label.name), [])
    return label.parent / alike[0] if len(alike) == 1 else label


@lru_cache(maxsize=64)
def _names_below(folder: Path) -> dict[str, list[str]]:
    """Return the names in a folder by how they read."""
    names: dict[str, list[str]] = {}
    with suppress(OSError):
        for name in sorted(os.listdir(folder)):
            names.setdefault(_plain_name(name), []).append(name)
    return names


def _plain_name(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _require_files(images: Sequence[Path]) -> None:
    for image in images:
        if image.is_dir():
            raise DataError(
                f"{image} is a folder and not an image, in spite of its ending: rename it, or choose the images with "
                "pattern."
            )
        if image.is_symlink() and not image.exists():
            raise DataNotFound(f"{image} is a link to {os.readlink(image)}, which does not exist: fix or remove it.")
        if not image.exists():
            raise DataNotFound(f"There is no image {image}: check the path.")
        if not image.is_file():
            raise DataError(f"{image} is no file that can be read: take it out of the folder.")
        if not os.access(image, os.R_OK):
            raise DataError(f"{image} may not be read: its permissions do not allow it. Change them (chmod +r).")


def _named(scenes: Sequence[SceneFiles], region: SceneRegion) -> list[SceneFiles]:
    """Return the scenes sorted, with names as short as they may be."""
    stems = Counter(Path(scene.name).name for scene in scenes)
    is_short = max(stems.values()) == 1
    if is_short:
        scenes = [replace(scene, name=Path(scene.name).name) for scene in scenes]
    names = Counter(scene.stem for scene in scenes)
    if (twice := names.most_common(1)[0])[1] > 1:
        raise DataError(
            f"{region.files or region.images} holds {twice[1]} images named {twice[0]}: their tiles would be mixed up. "
            "Rename them, or choose those of one kind (pattern)."
        )
    return sorted(scenes, key=lambda scene: scene.image)


def _require_own_labels(scenes: Sequence[SceneFiles], labels: LabelSource | None) -> None:
    """Refuse a raster that is the label of two images, or of itself."""
    if labels is None or labels.kind == "polygons":
        return
    image_of: dict[Path, Path] = {}
    for scene in scenes:
        if scene.label is None:
            continue
        if scene.label == scene.image:
            raise DataError(
                f"The label of {scene.image} would be the image itself: state the end of the labels' names (suffix), "
                "their names (name), or their folder (path)."
            )
        other = image_of.setdefault(scene.label, scene.image)
        if other != scene.image:
            raise DataError(
                f"{scene.label} would be the label of {other} and of {scene.image}: each image needs one of its own."
            )


def _require_no_labels(folder: Path, images: Sequence[PurePosixPath]) -> None:
    """Refuse a folder whose images go together in pairs of which one is called a label."""
    by_rest: dict[tuple[str, ...], PurePosixPath] = {}
    labels = []
    for image in images:
        words = _words(image)
        rest = tuple(word for word in words if word not in _LABEL_WORDS | _IMAGE_WORDS)
        if _LABEL_WORDS.isdisjoint(words):
            by_rest[rest] = image
        else:
            labels.append((image, rest))
    pairs = [(label, by_rest[rest]) for label, rest in labels if rest in by_rest]
    if pairs:
        label, image = pairs[0]
        raise DataError(
            f"{folder} holds {len(pairs)} files that look like labels and not like images, such as {label} beside "
            f"{image}. State which files are images (pattern), and how the labels are called (labels.name, "
            "labels.suffix), or list them (files)."
        )


def _words(image: PurePosixPath) -> list[str]:
    """Return the words of a path, those of its folders first."""
    return [word for word in re.split(r"[/_\-. ]+", str(image.with_suffix("")).lower()) if word]


def _no_image(region: SceneRegion, folder: Path, files: Sequence[PurePosixPath]) -> str:
    message = (
        f"{folder} holds no image {region.pattern} with one of the endings {', '.join(IMAGE_SUFFIXES)}. "
        f"It holds {_shown(files)}."
    )
    below = _files_below(folder, nested=True) if "/" not in region.pattern else []
    nested = [file for file in below if len(file.parts) > 1 and file.suffix.lower() in IMAGE_SUFFIXES]
    if nested:
        message += f' {len(nested)} images lie in folders below it: pattern = "**/{region.pattern}" takes these too.'
    return message


def _shown(files: Sequence[PurePosixPath]) -> str:
    if not files:
        return "no file"
    more = f" and {len(files) - _SHOWN} more" if len(files) > _SHOWN else ""
    return ", ".join(map(str, files[:_SHOWN])) + more
