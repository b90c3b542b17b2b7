"""Which files of a source are the images and labels of a data set, and which of them are missing."""

from __future__ import annotations

import filecmp
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from rs_adapt.datasets.originals.layout import Layout, Part, path_pattern
from rs_adapt.datasets.originals.sources import Original
from rs_adapt.errors import DataError

# Names of missing scenes that a message holds.
_SHOWN_NAMES = 8


@dataclass(frozen=True, kw_only=True)
class ScenePair:
    """An image with its label."""

    part: Part
    scene: str
    image: Original
    label: Original


@dataclass(frozen=True, kw_only=True)
class PartFiles:
    """The files of a part that a source holds.

    Attributes:
        part: The part.
        pairs: Images with labels, in the manifest's order, or by name where it lists none.
        without_image: Names of scenes whose image is missing, where names are known.
        without_label: Names of scenes whose label is missing.
    """

    part: Part
    pairs: tuple[ScenePair, ...]
    without_image: tuple[str, ...]
    without_label: tuple[str, ...]

    def missing(self, done: Iterable[str] = ()) -> str:
        """Return a line about the missing scenes, without those that are cut already; empty if none is missing."""
        cut = set(done)
        known = {pair.scene for pair in self.pairs} | cut
        number = self.part.num_scenes - len(known)
        if number <= 0:
            return ""
        if not known:
            return f"{self.part.title}: all {number}"
        images, labels = (
            [name for name in names if name not in cut] for names in (self.without_image, self.without_label)
        )
        by_kind = {"images and labels": images} if images == labels else {"images": images, "labels": labels}
        lacks = [f"{what} of {_names(names)}" for what, names in by_kind.items() if names]
        return f"{self.part.title}: {number} of {self.part.num_scenes}" + (f" ({'; '.join(lacks)})" if lacks else "")


class Matcher:
    """Recognises images and labels by their paths.

    Args:
        layout: The layout of the data set.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._images = [path_pattern(pattern, layout) for pattern in layout.image_files]
        self._labels = [path_pattern(pattern, layout) for pattern in layout.label_files]
        self._part_of = {scene: part for part in layout.parts for scene in part.scenes or ()}

    def wanted(self, path: str) -> bool:
        """Return whether a path is that of an image or a label."""
        return bool(self._image(path) or self._find(path, self._labels))

    def match(self, originals: Sequence[Original]) -> list[PartFiles]:
        """Sort the files of a source into the parts.

        Raises:
            DataError: Two files of different content are the same image or label.
        """
        images: dict[tuple[str, str], list[tuple[int, Original]]] = {}
        labels: dict[tuple[str, str], list[tuple[int, Original]]] = {}
        for original in originals:
            for table, found in (
                (images, self._image(original.path)),
                (labels, self._find(original.path, self._labels)),
            ):
                if found:
                    rank, part, scene = found
                    table.setdefault((part.title, scene), []).append((rank, original))
        chosen_images = {key: _choose(key, candidates, "image") for key, candidates in images.items()}
        chosen_labels = {key: _choose(key, candidates, "label") for key, candidates in labels.items()}
        return [_part_found(part, chosen_images, chosen_labels) for part in self._layout.parts]

    def _image(self, path: str) -> tuple[int, Part, str] | None:
        folders = PurePosixPath(path).parts[:-1]
        if any(fnmatchcase(folder, glob) for folder in folders for glob in self._layout.not_in):
            return None
        return self._find(path, self._images)

    def _find(self, path: str, patterns: Sequence[re.Pattern[str]]) -> tuple[int, Part, str] | None:
        for rank, pattern in enumerate(patterns):
            hit = pattern.search(path)
            if hit is None:
                continue
            found = hit.groupdict()
            # A scene that is called after its folder too: `seq1_000000` is the image 000000 of seq1.
            scene = "_".join(filter(None, (found.pop("group", None), found.pop("scene"))))
            fields = {name: value.lower() for name, value in found.items()}
            part = self._part_with(scene, fields)
            if part and all(value == getattr(part, name) for name, value in fields.items()):
                return rank, part, scene
        return None

    def _part_with(self, scene: str, fields: Mapping[str, str]) -> Part | None:
        """Return the part of a scene: the one that lists it, whose rule its name follows, or that its folder names."""
        if self._part_of:
            return self._part_of.get(scene)
        if "split" in fields:
            return next(one for one in self._layout.parts if one.split == fields["split"])
        return next((one for one in self._layout.parts if one.names and re.fullmatch(one.names, scene)), None)


def _part_found(
    part: Part, images: Mapping[tuple[str, str], Original], labels: Mapping[tuple[str, str], Original]
) -> PartFiles:
    names = part.scenes or sorted(scene for title, scene in images if title == part.title)
    keys = [(part.title, name) for name in names]
    pairs = [
        ScenePair(part=part, scene=key[1], image=images[key], label=labels[key])
        for key in keys
        if key in images and key in labels
    ]
    return PartFiles(
        part=part,
        pairs=tuple(pairs),
        without_image=tuple(name for title, name in keys if (title, name) not in images),
        without_label=tuple(name for title, name in keys if (title, name) not in labels),
    )


def _choose(key: tuple[str, str], candidates: Sequence[tuple[int, Original]], what: str) -> Original:
    """Return the file at the preferred place, plain files before archives; several must be copies of each other."""
    best = min((rank, one.disk is None) for rank, one in candidates)
    first, *others = [one for rank, one in candidates if (rank, one.disk is None) == best]
    for other in others:
        if first.disk is not None and other.disk is not None:
            same = filecmp.cmp(first.disk, other.disk, shallow=False)
        else:
            same = (first.num_bytes, first.crc) == (other.num_bytes, other.crc)
        if not same:
            raise DataError(
                f"Two different files in the source match the {what} of {' '.join(key)}: {first.path} and "
                f"{other.path}. Remove one of them."
            )
    return first


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more
