"""The split of a data set of scene classes: made of its folders, or imported from a released list. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rs_adapt.config import axes, paths
from rs_adapt.config.bench_names import bench_families
from rs_adapt.config.names import normalize
from rs_adapt.config.tasks import CLASSIFICATION, task_of
from rs_adapt.datasets.scene_classes.folders import find_scenes
from rs_adapt.datasets.scene_classes.listing import plain
from rs_adapt.datasets.scene_classes.split import PARTS, Split, make_split, read_split, write_split
from rs_adapt.errors import DataError, DataNotFound, OutputExists
from rs_adapt.files import file_sha256
from rs_adapt.pictures import open_picture
from rs_adapt.progress import OnProgress, no_progress


@dataclass(frozen=True, kw_only=True)
class PreparedSplit:
    """The list of a split on disk.

    Attributes:
        path: The file.
        sha256: Its hash, which names the split.
        counts: Number of images by part.
        classes: Number of images of each class by part.
        is_new: Whether it was written now.
    """

    path: Path
    sha256: str
    counts: Mapping[str, int]
    classes: Mapping[str, Mapping[str, int]]
    is_new: bool


def scene_bench(name: str) -> str | None:
    """Return the bench within a data set of scene classes that lies in folders; None for any other name."""
    families = bench_families()
    wanted = normalize(name)
    stems = [*families.get(wanted, {}).values(), *(stem for group in families.values() for stem in group.values())]
    for stem in stems:
        facts = axes.bench_facts(stem)
        if wanted not in (stem, facts["family"]) or task_of(facts).name != CLASSIFICATION or facts.get("prepare"):
            continue
        # Benches across two data sets use the lists of both.
        if facts["source"] == facts["target"]:
            return stem
    return None


def prepare_split(
    bench: str, data_root: Path, *, seed: int = 0, released: Path | None = None, overwrite: bool = False
) -> PreparedSplit:
    """Write the list of a bench's split beside its images, with its SHA-256.

    Args:
        bench: The bench's file name.
        data_root: The folder of the data sets.
        seed: Seed of a split that is made here.
        released: A list that others released, in CoOp's format, which is taken instead; its images must be there.
        overwrite: Whether a different list in its place is replaced.

    Raises:
        DataNotFound: The folder, the released list, or an image of it is missing.
        DataError: See `find_scenes` and `read_split`; or a class is none of the bench's.
        OutputExists: There is a different list.
    """
    region = axes.bench_facts(bench)["target"]
    folder, path = data_root / region["images"], data_root / region["split"]  # type: ignore[typeddict-item]
    how = paths.how_to_get("scene_classes")
    split = make_split(find_scenes(folder, how_to_get=how), seed=seed) if released is None else read_split(released)
    if released is not None:
        _require_images(folder, split, released)
    _require_classes(axes.bench_facts(bench)["classes"], split, folder if released is None else released)
    if path.is_file() and dict(read_split(path)) != dict(split):
        if not overwrite:
            raise OutputExists(
                f"{path} holds a different split ({file_sha256(path)[:12]}...). Add --overwrite to replace it: runs on "
                "the old one are then no longer comparable with new ones."
            )
        is_new = True
    else:
        is_new = not path.is_file()
    digest = write_split(path, split)
    return _prepared(path, digest, split, is_new=is_new)


def check_scenes(bench: str, data_root: Path, on_progress: OnProgress = no_progress) -> PreparedSplit:
    """Open every image of a bench's split.

    Raises:
        DataNotFound: There is no split, or an image is missing.
        DataError: An image cannot be read, or the split is damaged.
    """
    region = axes.bench_facts(bench)["target"]
    folder, path = data_root / region["images"], data_root / region["split"]  # type: ignore[typeddict-item]
    split = read_split(path, how_to_get=paths.how_to_get("scene_classes"))
    _require_images(folder, split, path)
    scenes = [scene for part in PARTS for scene in split[part]]
    for done, scene in enumerate(scenes, start=1):
        try:
            with open_picture(folder / scene.path) as image:
                image.load()
        except (OSError, SyntaxError) as error:
            raise DataError(f"Cannot read {folder / scene.path}: {error}. Replace the file.") from error
        on_progress("checking images", done, len(scenes))
    return _prepared(path, file_sha256(path), split, is_new=False)


def _require_classes(classes: Sequence[str], split: Split, source: Path) -> None:
    known = {plain(name) for name in classes}
    named = {scene.class_name: scene.path for scenes in split.values() for scene in scenes}
    if unknown := sorted(name for name in named if plain(name) not in known):
        raise DataError(
            f"{source} has the class {unknown[0]!r} ({named[unknown[0]]}), which the bench does not have. Its classes: "
            f"{', '.join(classes)}. Rename it, or move its images elsewhere."
        )


def _require_images(folder: Path, split: Split, source: Path) -> None:
    scenes = [scene for scenes in split.values() for scene in scenes]
    if missing := [scene for scene in scenes if not (folder / scene.path).is_file()]:
        raise DataNotFound(
            f"{len(missing)} of {len(scenes)} images of {source} are not in {folder}, the first is {missing[0].path}. "
            f"{paths.how_to_get('scene_classes')}"
        )


def _prepared(path: Path, digest: str, split: Split, *, is_new: bool) -> PreparedSplit:
    classes: dict[str, dict[str, int]] = {}
    for part in PARTS:
        for scene in split.get(part, ()):
            of_class = classes.setdefault(scene.class_name, dict.fromkeys(PARTS, 0))
            of_class[part] += 1
    return PreparedSplit(
        path=path,
        sha256=digest,
        counts={part: len(split.get(part, ())) for part in PARTS},
        classes=dict(sorted(classes.items())),
        is_new=is_new,
    )
