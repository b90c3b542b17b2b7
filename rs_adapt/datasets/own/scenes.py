"""Tiles of a bench of one's own: scenes of any size in folders, labelled or not, cut for training and scoring."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from rs_adapt.datasets.own.stretch import stretch_of_region, write_stretch
from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.files import write_json
from rs_adapt.progress import OnProgress

IMAGE_SUFFIXES = (".tif", ".tiff", ".jp2", ".vrt", ".jpg", ".jpeg", ".png", ".bmp")
# In a prepared folder: what stood in the labels, and what became of it.
SHARES_FILE = "label_shares.json"


def scene_files(prepare: Mapping[str, Any]) -> list[Path]:
    """All files that the tiles depend on.

    Raises:
        DataNotFound, DataError: See `make_from_scenes`.
    """
    from rs_adapt.datasets.own.translation import label_file

    files = []
    for role in ("source", "target"):
        domain = prepare[role]
        for image, split in _split_images(domain).items():
            files.append(image)
            if _is_labelled(domain, role, split):
                files.append(label_file(domain["labels"], image))
    return list(dict.fromkeys(files))


def make_from_scenes(
    prepare: Mapping[str, Any], bench: Mapping[str, Any], building: Path, on_progress: OnProgress
) -> dict[str, int]:
    """Cut the scenes of both regions into `building/<region>/<split>/{img_dir,ann_dir}`.

    Labels are translated into class indices on the way. Those of the target's training images are neither read nor
    needed.

    Args:
        prepare: the bench's `prepare` facts of kind "scenes"; see `rs_adapt.config.own.bench`.
        bench: its `bench` facts.
        building: folder to fill.
        on_progress: called after each scene.

    Returns:
        Tiles by `<region>/<split>`.

    Raises:
        DataNotFound: a folder holds no image of the pattern, or an image has no label.
        DataError: a file cannot be read, a label holds what no class is made of, a split is empty, or a class has no
            pixel in the source's training labels. Of the stretch see `stretch_of_region`.
    """
    plan = [
        (role, image, split) for role in ("source", "target") for image, split in _split_images(prepare[role]).items()
    ]
    stretch = {
        role: stretch_of_region(prepare[role], [image for owner, image, _ in plan if owner == role], on_progress)
        for role in ("source", "target")
    }
    write_stretch(building, {prepare[role]["name"]: told for role, told in stretch.items()})
    counts: dict[str, int] = {}
    shares: dict[str, dict[str, Counter[str]]] = {}
    tiles: dict[str, list[Any]] = {}
    for done, (role, image, split) in enumerate(plan, start=1):
        for part, cut in _cut(prepare, bench, role, image, split, stretch[role]["range"], building, shares).items():
            tiles.setdefault(part, []).extend(cut)
        on_progress("cutting scenes", done, len(plan))
    _write_shares(building, shares, prepare)
    from rs_adapt.tiles import write_index

    for part, cut in tiles.items():
        write_index(building / part, cut, tile_px=bench["tile_px"], stride_px=prepare["stride_px"])
        counts[part] = len(cut)
        if not cut:
            raise DataError(
                f"{part}: no tile of {bench['tile_px']} px is left: in each one more than half is nodata. Check the "
                "images and their nodata value, or take smaller tiles (tile_px)."
            )
    return counts


def _cut(
    prepare: Mapping[str, Any],
    bench: Mapping[str, Any],
    role: str,
    image: Path,
    split: str,
    stretch: list[list[float]] | None,
    building: Path,
    shares: dict[str, dict[str, Counter[str]]],
) -> dict[str, list[Any]]:
    from rs_adapt.datasets.own.translation import IGNORE, translate
    from rs_adapt.tiles import cut_scene

    domain = prepare[role]
    label = None
    if _is_labelled(domain, role, split):
        label = building / "label.tif"
        shares.setdefault(domain["name"], {}).setdefault("before", Counter()).update(
            translate(domain["labels"], image, label)
        )
    try:
        cut: dict[str, list[Any]] = {}
        # A single scene is both: its upper rows train, its lower ones are scored.
        for part in ("train", "val") if split == "both" else (split,):
            folder = building / domain["name"] / part
            with_label = label is not None and (role == "source" or part == "val")
            cut[f"{domain['name']}/{part}"] = cut_scene(
                image,
                label if with_label else None,
                img_dir=folder / "img_dir",
                ann_dir=folder / "ann_dir" if with_label else None,
                tile_px=bench["tile_px"],
                stride_px=prepare["stride_px"],
                ignore_value=IGNORE,
                bands=domain["bands"],
                stretch=stretch,
                rows=_rows(image, domain["val_share"], part) if split == "both" else None,
            )
    finally:
        if label is not None:
            label.unlink(missing_ok=True)
    return cut


def _is_labelled(domain: Mapping[str, Any], role: str, split: str) -> bool:
    return domain["labels"] is not None and (role == "source" or split in ("val", "both"))


def _rows(image: Path, share: float, part: str) -> tuple[int, int]:
    from rs_adapt.scenes import Scene

    with Scene(image) as scene:
        height_px = scene.info.height_px
    edge = round(height_px * (1 - share))
    return (0, edge) if part == "train" else (edge, height_px)


def _split_images(domain: Mapping[str, Any]) -> dict[Path, str]:
    """Images of a region with their split: "train", "val", or "both" for a scene that is divided."""
    folder = Path(domain["images"])
    images = sorted(
        path
        for path in folder.iterdir()
        # Hidden files are no images, whatever their ending: macOS leaves `._NAME` beside each one on foreign disks.
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not path.name.startswith(".")
        and fnmatchcase(path.name, domain["pattern"])
    )
    if not images:
        raise DataNotFound(
            f"{folder} holds no image {domain['pattern']} with one of the endings {', '.join(IMAGE_SUFFIXES)}."
        )
    stems = Counter(path.stem for path in images)
    if (twice := stems.most_common(1)[0])[1] > 1:
        raise DataError(f"{folder} holds {twice[1]} images of the name {twice[0]}: their tiles would be mixed up.")
    if domain["labels"] is None:
        return dict.fromkeys(images, "train")
    if domain["val"]:
        return _by_pattern(images, domain["val"], folder)
    if len(images) == 1:
        return {images[0]: "both"}
    count = min(len(images) - 1, max(1, round(len(images) * domain["val_share"])))
    # Spread evenly, so that neighbours in the order of names do not all go to one side.
    chosen = {images[round((number + 0.5) * len(images) / count - 0.5)] for number in range(count)}
    return {image: "val" if image in chosen else "train" for image in images}


def _by_pattern(images: Sequence[Path], patterns: Sequence[str], folder: Path) -> dict[Path, str]:
    for pattern in patterns:
        if not any(fnmatchcase(image.stem, pattern) for image in images):
            raise DataNotFound(f"{folder} holds no image {pattern!r}, which val names (names without their ending).")
    split = {
        image: "val" if any(fnmatchcase(image.stem, pattern) for pattern in patterns) else "train" for image in images
    }
    if "train" not in split.values():
        raise DataError(f"{folder}: val names all {len(images)} images, so none is left to train on.")
    return split


def _write_shares(building: Path, shares: Mapping[str, Mapping[str, Counter[str]]], prepare: Mapping[str, Any]) -> None:
    """Pixel shares before and after translation; a class without any pixel in the source is an error."""
    told = {}
    for role in ("source", "target"):
        domain = prepare[role]
        if domain["name"] not in shares:
            continue
        before = shares[domain["name"]]["before"]
        after = _after(before, domain["labels"], prepare["classes"])
        told[domain["name"]] = {"before": dict(before), "after": after}
        if role == "source" and (empty := [name for name in prepare["classes"] if not after[name]]):
            raise DataError(
                f"The source's labels hold no pixel of {', '.join(empty)}: a class cannot be learnt from nothing. "
                "Leave it out of the classes, or say which labels become it."
            )
    write_json(building / SHARES_FILE, told, indent=1)


def read_shares(prepared_dir: str | Path) -> dict[str, dict[str, dict[str, int]]]:
    """Pixels of the labels by region: `before` by what stood in them, `after` by class and "ignored"."""
    shares: dict[str, dict[str, dict[str, int]]] = json.loads((Path(prepared_dir) / SHARES_FILE).read_text("utf-8"))
    return shares


def _after(before: Counter[str], labels: Mapping[str, Any], classes: Sequence[str]) -> dict[str, int]:
    from rs_adapt.datasets.own.translation import text_of

    after = dict.fromkeys((*classes, "ignored"), 0)
    name_of = {text_of(item): classes[index] for item, index in labels["to_index"]}
    if labels["background"] is not None:
        name_of["outside all polygons"] = classes[labels["background"]]
    for text, count in before.items():
        after[name_of.get(text, "ignored")] += count
    return after
