"""Draw docs/images/data_path.png: the path of the data, with scenes and tiles of the synthetic bench.

$ python docs/draw_data_path.py
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.datasets.synthetic import IGNORE_VALUE, PALETTE, SceneFiles, write_scenes
from rs_adapt.strategies.class_mix import class_mix, paste
from rs_adapt.tiles import cut_scene, tile_boxes

OUT = Path(__file__).parent / "images" / "data_path.png"
TILE_PX = 128
# Scenes and tiles (row, column of the grid) in which several classes are seen.
NORTH_SCENE, NORTH_TILE = 0, (1, 3)
SOUTH_SCENE, SOUTH_TILE = 5, (1, 1)
TEST_TILE = (1, 1)

# The figure is laid out in its own pixels, at twice the width that the README shows it with.
WIDTH, HEIGHT, DPI = 1800, 1010, 100
INK, QUIET = "#1d2733", "#5b6775"
NORTH, SOUTH, FROZEN, TRAINED = "#2f6fb0", "#c0652b", "#e6eaee", "#fdf0d2"

Image8 = NDArray[np.uint8]


def main() -> None:
    """Draw the picture."""
    mpl.rcParams["font.family"] = "DejaVu Sans"
    with tempfile.TemporaryDirectory() as folder:
        pictures = _pictures(Path(folder))
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0))
    axes.axis("off")
    _source_row(axes, pictures)
    _target_row(axes, pictures)
    _student(axes)
    _mixing(axes, pictures)
    _results(axes, pictures)
    _save(figure)


def _pictures(folder: Path) -> dict[str, Image8]:
    """Return the scenes, their tiles and a mixed tile, made as a run makes them."""
    scenes = write_scenes(folder, seed=0, scenes={"train": max(NORTH_SCENE, SOUTH_SCENE) + 1, "test": 1})
    by_name = {scene.image.stem: scene for scene in scenes}
    north, south = by_name[f"north_train_{NORTH_SCENE:02d}"], by_name[f"south_train_{SOUTH_SCENE:02d}"]
    north_tile, north_label = _tile(north, NORTH_TILE, folder / "tiles")
    south_tile, south_label = _tile(south, SOUTH_TILE, folder / "tiles")
    test_tile, test_label = _tile(by_name["south_test_00"], TEST_TILE, folder / "tiles")
    return {
        "north": np.asarray(Image.open(north.image)),
        "south": np.asarray(Image.open(south.image)),
        "north_tile": north_tile,
        "north_label": _coloured(north_label),
        "south_tile": south_tile,
        "test_tile": test_tile,
        "test_label": _coloured(test_label),
        "mixed": _mixed(north_tile, north_label, south_tile, south_label),
    }


def _tile(scene: SceneFiles, place: tuple[int, int], folder: Path) -> tuple[Image8, Image8]:
    """Cut a scene and return one tile and its label."""
    out = folder / scene.region
    tiles = cut_scene(
        scene.image,
        scene.label,
        img_dir=out / "img_dir",
        ann_dir=out / "ann_dir",
        tile_px=TILE_PX,
        stride_px=TILE_PX,
        ignore_value=IGNORE_VALUE,
    )
    row, column = place
    name = next(t.name for t in tiles if (t.box.y0, t.box.x0) == (row * TILE_PX, column * TILE_PX))
    return np.asarray(Image.open(out / "img_dir" / name)), np.asarray(Image.open(out / "ann_dir" / name))


def _mixed(source: Image8, source_label: Image8, target: Image8, target_label: Image8) -> Image8:
    """Paste half of the source's classes onto the target; the mixed labels are not drawn."""
    torch.manual_seed(2)
    images = [torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() for image in (source, target)]
    labels = [torch.from_numpy(label.copy())[None].long() for label in (source_label, target_label)]
    mixed_B3HW = paste(class_mix(labels[0]), images[0], images[1])
    return mixed_B3HW[0].permute(1, 2, 0).to(torch.uint8).numpy()


def _coloured(classes_HW: Image8) -> Image8:
    table = np.full((256, 3), 255, dtype=np.uint8)
    table[: len(PALETTE)] = PALETTE
    return table[classes_HW]


def _source_row(axes: Axes, pictures: dict[str, Image8]) -> None:
    _text(axes, 40, 40, "source: north", color=NORTH, size=29, weight="bold", ha="left")
    _scene(axes, pictures["north"], 40, 70, NORTH, NORTH_TILE)
    _text(axes, 160, 336, "labelled scenes", color=QUIET)
    _photo(axes, pictures["north_tile"], 390, 70, 150, NORTH)
    _photo(axes, pictures["north_label"], 552, 70, 150, NORTH)
    _text(axes, 465, 246, "tiles, labels", color=QUIET)
    _arrow(axes, (286, 145), (384, 145))
    _text(axes, 334, 120, "cut", color=QUIET)


def _target_row(axes: Axes, pictures: dict[str, Image8]) -> None:
    _text(axes, 40, 660, "target: south", color=SOUTH, size=29, weight="bold", ha="left")
    _scene(axes, pictures["south"], 40, 690, SOUTH, SOUTH_TILE)
    _text(axes, 160, 956, "unlabelled scenes", color=QUIET)
    _photo(axes, pictures["south_tile"], 390, 753, 150, SOUTH)
    _text(axes, 465, 928, "tiles", color=QUIET)
    _arrow(axes, (286, 828), (384, 828))
    _text(axes, 334, 803, "cut", color=QUIET)


def _student(axes: Axes) -> None:
    _arrow(axes, (708, 145), (1064, 145), color=NORTH)
    _text(axes, 885, 120, "source loss", color=NORTH)
    _box(axes, 1070, 70, 330, 490, face="white")
    _text(axes, 1235, 102, "student", weight="bold", size=27)
    _box(axes, 1095, 132, 280, 210, face=FROZEN)
    _text(axes, 1235, 170, "frozen DINOv2")
    _box(axes, 1120, 206, 230, 112, face=TRAINED)
    _text(axes, 1235, 262, "adapter\nin every block")
    _arrow(axes, (1235, 346), (1235, 384))
    _box(axes, 1095, 390, 280, 110, face=TRAINED)
    _text(axes, 1235, 445, "decode head")
    _text(axes, 1235, 531, "yellow trains", color=QUIET)


def _mixing(axes: Axes, pictures: dict[str, Image8]) -> None:
    _box(axes, 372, 342, 672, 612, face="none", edge="#9aa5b1", dashed=True, back=True)
    _text(axes, 1044, 978, "self-training, for adaptation (da) only", color=QUIET, ha="right")
    _photo(axes, pictures["mixed"], 680, 370, 180, INK)
    _text(axes, 660, 400, "ClassMix", weight="bold", size=27, ha="right")
    _text(axes, 660, 428, "half of the\nsource's classes\non the target", color=QUIET, ha="right", va="top")
    _arrow(axes, (627, 226), (735, 364), color=NORTH, bend=-0.12)
    _arrow(axes, (866, 460), (1064, 460))
    _text(axes, 955, 435, "mixed loss")
    _arrow(axes, (500, 747), (686, 556), color=SOUTH, bend=-0.12)
    _arrow(axes, (546, 828), (664, 828), color=SOUTH)
    _box(axes, 670, 743, 350, 180, face="white")
    _text(axes, 845, 776, "EMA teacher", weight="bold", size=27)
    _text(axes, 845, 856, "same frozen DINOv2,\nmoving average of\nadapter and head")
    _arrow(axes, (780, 737), (780, 556), color=SOUTH)
    _text(axes, 796, 650, "pseudo-labels", color=SOUTH, ha="left")
    _arrow(axes, (1160, 566), (1026, 832), color=QUIET, bend=-0.25, dashed=True)
    _text(axes, 1150, 720, "average", color=QUIET, ha="left")


def _results(axes: Axes, pictures: dict[str, Image8]) -> None:
    _arrow(axes, (1406, 190), (1474, 190))
    _box(axes, 1480, 70, 285, 240, face="white")
    _text(axes, 1622, 104, "run folder", weight="bold", size=27)
    _text(axes, 1622, 210, "adapter pack,\nresult.json,\nmetrics.jsonl,\nconfig.py, curves")
    _arrow(axes, (1406, 460), (1474, 460))
    _box(axes, 1480, 370, 285, 190, face="white")
    _text(axes, 1622, 404, "score", weight="bold", size=27)
    _text(axes, 1622, 484, "last weights,\nIoU per class\non south test")
    _photo(axes, pictures["test_tile"], 1472, 690, 145, SOUTH)
    _photo(axes, pictures["test_label"], 1628, 690, 145, SOUTH)
    _arrow(axes, (1622, 684), (1622, 566), color=SOUTH)
    _text(axes, 1622, 890, "test tiles; labels of the\ntarget are read only\nto score", color=SOUTH)


def _scene(axes: Axes, image: Image8, x: float, y: float, color: str, chosen: tuple[int, int]) -> None:
    """Draw a scene with the grid of its tiles; the tile drawn beside it is framed."""
    side = 240.0
    _photo(axes, image, x, y, side, color)
    scale = side / image.shape[0]
    for box in tile_boxes(image.shape[1], image.shape[0], TILE_PX, TILE_PX):
        framed = (box.y0, box.x0) == (chosen[0] * TILE_PX, chosen[1] * TILE_PX)
        size = TILE_PX * scale
        axes.add_patch(
            Rectangle(
                (x + box.x0 * scale, y + box.y0 * scale),
                size,
                size,
                fill=False,
                edgecolor="#ffe14d" if framed else "white",
                linewidth=4.0 if framed else 1.0,
                zorder=5 if framed else 4,
            )
        )


def _photo(axes: Axes, image: Image8, x: float, y: float, side: float, color: str) -> None:
    axes.imshow(image, extent=(x, x + side, y + side, y), interpolation="antialiased", aspect="auto", zorder=3)
    axes.add_patch(Rectangle((x, y), side, side, fill=False, edgecolor=color, linewidth=3, zorder=4))


def _box(
    axes: Axes,
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    face: str,
    edge: str = INK,
    dashed: bool = False,
    back: bool = False,
) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x, y),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=14",
            facecolor=face,
            edgecolor=edge,
            linewidth=1.8,
            linestyle=(0, (5, 4)) if dashed else "solid",
            zorder=0 if back else 2,
        )
    )


def _arrow(
    axes: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    color: str = INK,
    bend: float = 0.0,
    dashed: bool = False,
) -> None:
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>,head_length=10,head_width=5",
            connectionstyle=f"arc3,rad={bend}",
            color=color,
            linewidth=2.6,
            linestyle=(0, (4, 3)) if dashed else "solid",
            shrinkA=0,
            shrinkB=0,
            zorder=6,
        )
    )


def _text(axes: Axes, x: float, y: float, text: str, *, color: str = INK, size: float = 23, **style: Any) -> None:
    settings: dict[str, Any] = {"ha": "center", "va": "center", "linespacing": 1.15, **style}
    # Sizes are given in pixels of the figure.
    axes.text(x, y, text, color=color, fontsize=size * 72 / DPI, zorder=7, **settings)


def _save(figure: Figure) -> None:
    """Write with one palette of 256 colours: a third of the size, and no difference that the eye sees."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    picture = Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    picture.save(OUT, optimize=True)


if __name__ == "__main__":
    main()
