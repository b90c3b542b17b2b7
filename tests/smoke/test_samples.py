"""Real images through the whole command line; skipped where the samples are not at hand.

`RS_ADAPT_SAMPLES` names their folder (default: `shared/samples` beside the checkout), with `dubai/{images,labels}`
and `loveda_rural_3/{images,labels}`.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.datasets.manifest import load_manifest
from rs_adapt.render.confusion_plot import read_confusion_csv
from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., str]

SAMPLES = Path(os.environ.get("RS_ADAPT_SAMPLES") or Path(__file__).parents[3] / "shared" / "samples")
pytestmark = [
    pytest.mark.samples,
    pytest.mark.slow,
    pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"no folder of samples {SAMPLES}; RS_ADAPT_SAMPLES names another"),
]
NANO = ("--backbone", "dinov2-nano", "--head", "linear", "--num-workers", "0", "--device", "cpu")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command that must work, and gives what it printed."""

    def call(*arguments: str | Path) -> str:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        assert not stop.value.code, shown.err
        return shown.out

    return call


@pytest.mark.slow
def test_dubai_is_cut_trained_and_scored(run: Run, tmp_path: Path) -> None:
    if not (SAMPLES / "dubai").is_dir():
        pytest.skip("no dubai samples")
    # Two crops of one scene a region: cutting and predicting all 72 images takes minutes.
    for folder, suffix in (("images", "jpg"), ("labels", "png")):
        (tmp_path / "data" / "dubai" / folder).mkdir(parents=True)
        for name in ("tile1_001", "tile1_009", "tile3_001", "tile3_009"):
            shutil.copy(SAMPLES / "dubai" / folder / f"{name}.{suffix}", tmp_path / "data" / "dubai" / folder)
    facts = {
        "crops": "['001', '009']",
        "val_crops": "['009']",
        "regions.urban": "['tile1']",
        "regions.coast": "['tile3']",
    }
    fewer = [part for key, value in facts.items() for part in ("--set", f"bench.prepare.{key}={value}")]
    few = ("--set", "protocol.label_free_tiles=4", "--set", "protocol.source_val_tiles=8")
    places = ("--data-root", tmp_path / "data", "--work-dir", tmp_path / "r")
    run("train", "--bench", "dubai-da", *NANO, "--iters", "2", *fewer, *few, *places)
    result = json.loads((tmp_path / "r" / "result.json").read_text())
    assert result["protocol"]["report_split"] == "coast val"
    out = run("eval", "--checkpoint", tmp_path / "r", "--overlays", "1", "--device", "cpu")
    assert "scored on coast val" in out
    folder = tmp_path / "r" / "eval" / "dubai_urban2coast-test"
    again = json.loads((folder / "result.json").read_text())
    assert {name: again[name] for name in ("miou_pct", "iou_pct")} == {
        name: result[name] for name in ("miou_pct", "iou_pct")
    }
    (picture,) = (folder / "overlays").iterdir()
    with Image.open(picture) as image:
        assert image.width > 3 * 256


@pytest.mark.slow
def test_loveda_of_full_size_is_trained_and_scored(run: Run, tmp_path: Path) -> None:
    if not (SAMPLES / "loveda_rural_3").is_dir():
        pytest.skip("no LoveDA samples")
    root = tmp_path / "data" / "loveda"
    for region, split, numbers in (
        ("rural", "train", (0, 1)),
        ("rural", "val", (2,)),
        ("urban", "train", (1, 2)),
        ("urban", "val", (0,)),
    ):
        for kind, folder in (("images", "img_dir"), ("labels", "ann_dir")):
            (root / region / split / folder).mkdir(parents=True)
            for number in numbers:
                shutil.copy(SAMPLES / "loveda_rural_3" / kind / f"{number}.png", root / region / split / folder)
    sizes = {"tile_px": 512, "crop_px": 128, "inference.crop_px": 256, "inference.stride_px": 256}
    small = [part for key, value in sizes.items() for part in ("--set", f"bench.{key}={value}")]
    places = ("--data-root", root.parent, "--work-dir", tmp_path / "r")
    run("train", "--bench", "loveda-da", "--partial", *NANO, "--iters", "4", *small, *places)
    out = run("eval", "--checkpoint", tmp_path / "r", "--overlays", "1", "--device", "cpu")
    assert "scored on urban val" in out
    folder = tmp_path / "r" / "eval" / "loveda_r2u-test"
    assert (folder / "confusion.csv").read_bytes() == (tmp_path / "r" / "confusion.csv").read_bytes()
    matrix, _ = read_confusion_csv(folder / "confusion.csv")
    label = np.asarray(Image.open(root / "urban" / "val" / "ann_dir" / "0.png"))
    # The image is predicted at half its size; every labelled pixel of the 1024 x 1024 is scored once all the same.
    assert matrix.sum() == np.count_nonzero(label)
    with Image.open(folder / "overlays" / "0.png") as image:
        assert image.width > 3 * 1024


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_tiles_of_real_loveda_are_direct_crops(run: Run, tmp_path: Path) -> None:
    samples = SAMPLES / "loveda_rural_3"
    if not samples.is_dir():
        pytest.skip("no LoveDA samples")
    for kind, folder in (("images", "images_png"), ("labels", "masks_png")):
        shutil.copytree(samples / kind, tmp_path / "s" / "Train" / "Rural" / folder)
    run("data", "prepare", "loveda", "--source", tmp_path / "s", "--data-root", tmp_path / "data", "--partial")
    for kind, folder in (("images", "img_dir"), ("labels", "ann_dir")):
        made = tmp_path / "data" / "loveda" / "rural" / "train" / folder
        assert len([*made.iterdir()]) == 12
        for number in range(3):
            whole = pixels(samples / kind / f"{number}.png")
            for x0 in (0, 512):
                for y0 in (0, 512):
                    tile = pixels(made / f"{number}_{x0}_{y0}_{x0 + 512}_{y0 + 512}.png")
                    assert np.array_equal(tile, whole[y0 : y0 + 512, x0 : x0 + 512])


@pytest.mark.parametrize(
    ("name", "tile", "image", "label"),
    [
        ("potsdam", "2_10_0_0_512_512", "top_potsdam_2_10_RGB.tif", "top_potsdam_2_10_label_noBoundary.tif"),
        ("vaihingen", "area1_0_0_512_512", "top/top_mosaic_09cm_area1.tif", "top_mosaic_09cm_area1_noBoundary.tif"),
    ],
)
def test_real_isprs_tiles_survive_a_round_trip_through_a_scene(
    run: Run, tmp_path: Path, name: str, tile: str, image: str, label: str
) -> None:
    samples = SAMPLES / f"{name}_1"
    if not samples.is_dir():
        pytest.skip(f"no {name} samples")
    # The published tile as the upper left corner of a scene, its mirror images around it.
    legend = load_manifest(name).legend()
    table = np.zeros((256, 3), np.uint8)
    for colour, value in legend.items():
        table[value] = colour
    originals = {
        "images": pixels(samples / "images" / f"{tile}.png"),
        "labels": pixels(samples / "labels" / f"{tile}.png"),
    }
    scene = {
        kind: np.pad(part, [(0, 88), (0, 188)] + [(0, 0)] * (part.ndim - 2), "reflect")
        for kind, part in originals.items()
    }
    for file, content in ((image, scene["images"]), (label, table[scene["labels"]])):
        (tmp_path / "s" / file).parent.mkdir(parents=True, exist_ok=True)
        write_geotiff(tmp_path / "s" / file, content)
    run("data", "prepare", name, "--source", tmp_path / "s", "--data-root", tmp_path / "data", "--partial")
    for kind, folder in (("images", "img_dir"), ("labels", "ann_dir")):
        made = tmp_path / "data" / name / folder / "train"
        assert len([*made.iterdir()]) == 4
        assert np.array_equal(pixels(made / f"{tile}.png"), originals[kind])
        last = tile.replace("_0_0_512_512", "_188_88_700_600")
        assert np.array_equal(pixels(made / f"{last}.png"), scene[kind][88:, 188:])
