"""The files of a set of tiles, as a data set reads them. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rs_adapt.datasets.scene_classes.listing import list_scenes
from rs_adapt.datasets.spreading import evenly_spread


@dataclass(frozen=True, kw_only=True)
class TileFiles:
    """The files of a tile.

    Attributes:
        name: Its name without ending, relative to the folder of the images.
        image: The image.
        label: The label; None where the set reads none.
        mask: The mask of the pixels that show an image; None where it has none.
    """

    name: str
    image: Path
    label: Path | None
    mask: Path | None


def list_tiles(settings: Mapping[str, Any]) -> list[TileFiles]:
    """Return the tiles of a set in the order in which `TileDataset` holds them; empty where there is no folder.

    Args:
        settings: The arguments of `TileDataset`, or of `SceneDataset`.
    """
    if "split_file" in settings:
        return _list_scenes(settings)
    img_dir, img_suffix = Path(settings["img_dir"]), settings["img_suffix"]
    ann_dir = None if settings.get("ann_dir") is None else Path(settings["ann_dir"])
    images = sorted(str(path) for path in img_dir.rglob(f"*{img_suffix}") if not path.name.startswith("."))
    spread = settings.get("spread")
    if spread is not None and spread < len(images):
        images = [images[index] for index in evenly_spread(len(images), spread)]
    masks = find_masks(img_dir) if ann_dir is None else {}
    names = [Path(image).relative_to(img_dir).as_posix().removesuffix(img_suffix) for image in images]
    return [
        TileFiles(
            name=name,
            image=Path(image),
            label=None if ann_dir is None else ann_dir / f"{name}{settings['ann_suffix']}",
            mask=masks.get(Path(image).stem),
        )
        for name, image in zip(names, images, strict=True)
    ]


def _list_scenes(settings: Mapping[str, Any]) -> list[TileFiles]:
    """Return images with one class each; the class is part of the name, as there is no file of labels."""
    folder, classes = Path(settings["img_dir"]), list(settings["classes"])
    scenes = list_scenes(settings) if Path(settings["split_file"]).is_file() else []
    return [
        TileFiles(name=f"{classes[label]}: {scene.path}", image=folder / scene.path, label=None, mask=None)
        for scene, label in scenes
    ]


def find_masks(img_dir: Path) -> dict[str, Path]:
    """Return the masks of the pixels that show an image by name of the tile, from `valid_dir` beside the images."""
    valid_dir = img_dir.parent / "valid_dir"
    return {path.stem: path for path in valid_dir.iterdir()} if valid_dir.is_dir() else {}
