"""A bench of one's own, from its file to a scored run and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable

Run = Any

HEAD = """
name = "mine"
title = "Mine"
tile_px = 32
crop_px = 32
[[class]]
name = "land"
colour = "#C8C8C8"
[[class]]
name = "water"
colour = [40, 90, 220]
[train]
backbone = "dinov2_nano"
head = "linear"
method = "frozen"
iters = 2
batch_size = 1
lr = 1e-3
"""
SOURCE = """
[source]
images = "source/images"
val = ["area_2"]
[source.labels]
path = "source/labels"
suffix = ".tif"
ignore = [9]
[source.labels.classes]
land = [1, 3]
water = [2]
"""
TARGET = """
[target]
images = "target"
"""


def _scene(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    label = np.kron(rng.integers(1, 4, (size[0] // 8, size[1] // 8)), np.ones((8, 8))).astype(np.uint8)
    label[:2] = 9
    image = (label[..., None] * 50 + rng.integers(0, 20, (*size, 3))).astype(np.uint8)
    return image, label


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Write two labelled 8-bit scenes, and a folder of unlabelled images: one jpg and one GeoTIFF of 4 bands."""
    rng = np.random.default_rng(0)
    for kind in ("source/images", "source/labels", "target"):
        (tmp_path / kind).mkdir(parents=True)
    for name in ("area_1", "area_2"):
        image, label = _scene(rng, (96, 64))
        write_geotiff(tmp_path / "source/images" / f"{name}.tif", image, crs="EPSG:32632")
        write_geotiff(tmp_path / "source/labels" / f"{name}.tif", label)
    image, _ = _scene(rng, (64, 64))
    Image.fromarray(image).save(tmp_path / "target" / "plain.jpg")
    write_geotiff(tmp_path / "target" / "bands.tif", np.concatenate([image, image[..., :1]], axis=-1))
    return tmp_path


@pytest.fixture
def run(world: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that writes the bench's file, runs a command on it and gives exit code, stdout and stderr."""

    def call(text: str, *arguments: str, verb: str = "train") -> tuple[int, str, str]:
        (world / "mine.toml").write_text(text)
        options = ["--bench", str(world / "mine.toml")]
        if verb == "train":
            options += ["--num-workers", "0", "--device", "cpu", "--work-dir", str(world / "run")]
        with pytest.raises(SystemExit) as stop:
            main([verb, *options, *arguments])
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    return call


def _prepared(home: Path) -> Path:
    (folder,) = (home / "prepared").glob("mine-*[0-9a-f]")
    return folder


def _tile_pixels(contents: dict[str, Any]) -> dict[str, int]:
    """Return the pixels in the tiles of a region, by class, and those that are ignored."""
    totals = {"ignored": sum(part["ignored"] for part in contents["splits"].values())}
    for part in contents["splits"].values():
        for name, pixels in part["classes"].items():
            totals[name] = totals.get(name, 0) + pixels["tiles"]
    return totals


def test_adaptation_to_a_folder_of_images_without_labels(run: Run, world: Path, own_home: Path) -> None:
    code, out, err = run(HEAD + SOURCE + TARGET, "--setting", "da")
    assert code == 0, err
    assert out.splitlines()[0] == "mine-da / frozen / dinov2-nano / linear / dacs-matched / seed 0"
    assert "Not scored: the target has no labels." in out
    result = json.loads((world / "run" / "result.json").read_text())
    assert (result["miou_pct"], result["interval"], result["protocol"]["report_split"]) == (None, None, None)
    # What can be chosen without its labels is told all the same.
    assert result["selections"]["oracle"] is None
    assert result["selections"]["best_source_val"]["value"] is not None
    assert result["selections"]["best_label_free"]["by"].startswith("info_max on images of ")
    assert not (world / "run" / "confusion.csv").exists()
    prepared = _prepared(own_home)
    counts = {str(p.parent.relative_to(prepared)) for p in prepared.rglob("img_dir")}
    assert counts == {"source/train", "source/val", "target/train"}
    assert not (prepared / "target" / "train" / "ann_dir").exists()
    contents = json.loads((prepared / "contents.json").read_text())["regions"]["source"]
    after = _tile_pixels(contents)
    assert after["land"] == contents["holds"]["1"] + contents["holds"]["3"]
    assert after["water"] == contents["holds"]["2"]
    assert after["ignored"] == contents["holds"]["9"] == 2 * 2 * 64


def test_tiles_are_the_scenes_pixels_with_translated_labels(run: Run, world: Path, own_home: Path) -> None:
    assert run(HEAD + SOURCE + TARGET, "--setting", "dg", "--dry-run")[0] == 0
    folder = _prepared(own_home) / "source" / "train"
    from rs_adapt.scenes import Scene

    with Scene(world / "source/images/area_1.tif") as image, Scene(world / "source/labels/area_1.tif") as label:
        rgb, values = image.read_rgb()[0], label.read_classes()[0]
    indices = np.array([255, 0, 1, 0, 255, 255, 255, 255, 255, 255], np.uint8)[values]
    tiles = json.loads((folder / "index.json").read_text())["tiles"]
    assert len(tiles) == 6
    for tile in tiles:
        x0, y0, x1, y1 = tile["box"]
        np.testing.assert_array_equal(np.array(Image.open(folder / "img_dir" / tile["name"])), rgb[y0:y1, x0:x1])
        np.testing.assert_array_equal(np.array(Image.open(folder / "ann_dir" / tile["name"])), indices[y0:y1, x0:x1])


def test_target_labels_are_scored_and_never_needed_to_train(run: Run, world: Path, own_home: Path) -> None:
    for name in ("one", "two"):
        image, label = _scene(np.random.default_rng(3), (64, 64))
        Image.fromarray(image).save(world / "target" / f"{name}.png")
    # Only what is scored has a label; the painted colours of it are mapped.
    (world / "truth").mkdir()
    colours = np.zeros((64, 64, 3), np.uint8)
    colours[:32] = (0x3C, 0x10, 0x98)
    Image.fromarray(colours).save(world / "truth" / "two.png")
    target = """
[target]
images = "target"
pattern = "*.png"
val = ["two"]
[target.labels]
path = "truth"
kind = "colours"
ignore = ["#000000"]
[target.labels.classes]
water = ["#3C1098"]
"""
    code, out, err = run(HEAD + SOURCE + target, "--setting", "da")
    assert code == 0, err
    result = json.loads((world / "run" / "result.json").read_text())
    assert result["protocol"]["report_split"] == "target val"
    assert result["acc_pct"]["land"] is None
    assert result["acc_pct"]["water"] is not None
    given = ("--setting", "da", "--num-workers", "0", "--device", "cpu", "--work-dir", str(world / "both"), "--json")
    code, out, err = run(HEAD + SOURCE + target, *given, verb="adapt")
    assert code == 0, err
    assert all(model["miou_pct"] is not None for model in json.loads(out).values())
    # The pack is enough to score again: the file of the bench is gone.
    (world / "mine.toml").unlink()
    for split in ("test", "source-val"):
        with pytest.raises(SystemExit) as stop:
            main(["eval", "--checkpoint", str(world / "run"), "--split", split])
        assert not stop.value.code
    again = json.loads((world / "run" / "eval" / "mine-test" / "result.json").read_text())
    assert again["iou_pct"] == result["iou_pct"]


def test_a_single_scene_is_divided_with_a_gap(run: Run, world: Path, own_home: Path) -> None:
    (world / "source/images/area_2.tif").unlink()
    source = SOURCE.replace('val = ["area_2"]', "val_share = 0.34")
    assert run(HEAD + source + TARGET, "--setting", "dg", "--dry-run")[0] == 0
    rows = {
        part: sorted({tile["box"][1] for tile in json.loads(index.read_text())["tiles"]})
        for part in ("train", "val")
        for index in [_prepared(own_home) / "source" / part / "index.json"]
    }
    assert rows == {"train": [0], "val": [64]}


def test_polygons_become_labels(run: Run, world: Path, own_home: Path) -> None:
    square = [[[0, 0], [64, 0], [64, -48], [0, -48], [0, 0]]]
    features = [
        {"type": "Feature", "properties": {"use": "lake"}, "geometry": {"type": "Polygon", "coordinates": square}}
    ]
    crs = {"type": "name", "properties": {"name": "EPSG:32632"}}
    for name in ("area_1", "area_2"):
        image, _ = _scene(np.random.default_rng(1), (96, 64))
        place = world / "source/images" / f"{name}.tif"
        write_geotiff(place, image, crs="EPSG:32632", transform=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0))
    (world / "use.geojson").write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    source = """
[source]
images = "source/images"
[source.labels]
path = "use.geojson"
kind = "polygons"
column = "use"
background = "land"
[source.labels.classes]
water = ["lake"]
land = ["field"]
"""
    code, out, err = run(HEAD + source + TARGET, "--setting", "dg", "--dry-run")
    assert code == 0, err
    assert "  source labels hold: lake 50.0 %, outside all polygons 50.0 %\n" in out
    for split in ("train", "val"):
        assert f"  source {split}: 6 tiles of 1 scene, 6 144 px labelled: land 50.0 %, water 50.0 %\n" in out
    after = _tile_pixels(json.loads((_prepared(own_home) / "contents.json").read_text())["regions"]["source"])
    assert after == {"land": 2 * 48 * 64, "water": 2 * 48 * 64, "ignored": 0}


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (HEAD + SOURCE + TARGET, (), "needs a setting. Choose one of --setting da"),
        (HEAD + SOURCE + TARGET, ("--setting", "xx"), "There is no setting 'xx'"),
        (
            HEAD + SOURCE + TARGET,
            ("--setting", "ss"),
            "The target of bench mine has no labels, but the setting ss trains",
        ),
        (HEAD + SOURCE + TARGET, ("--setting", "da", "--direction", "x"), "--direction x does not apply to"),
        (
            HEAD + SOURCE + TARGET.replace("images", "image"),
            ("--setting", "da"),
            "there is no key target.image. Did you",
        ),
        (HEAD + SOURCE + TARGET.replace('"target"', '"nowhere"'), ("--setting", "da"), "target.images names"),
        (
            HEAD + SOURCE.replace("ignore = [9]", ""),
            ("--setting", "da"),
            "target is missing: the region to map; its labels",
        ),
        (HEAD + SOURCE.replace("ignore = [9]", "") + TARGET, ("--setting", "da"), "belong to no class: 9 ("),
        (HEAD + SOURCE.replace("[2]", "[7]") + TARGET, ("--setting", "da"), "belong to no class: 2 ("),
        (HEAD + SOURCE.replace("land = [1, 3]", "") + TARGET, ("--setting", "da"), "labels.classes.land is None"),
        (HEAD + SOURCE.replace("[2]", "[1]") + TARGET, ("--setting", "da"), "gives 1 to more than one class"),
        (HEAD + SOURCE.replace("area_2", "area_7") + TARGET, ("--setting", "da"), "no image 'area_7', which val names"),
        (HEAD.replace("32", "'a'") + SOURCE + TARGET, ("--setting", "da"), "tile_px is 'a'; it must be a whole number"),
        (
            HEAD.replace("#C8C8C8", "grey") + SOURCE + TARGET,
            ("--setting", "da"),
            "class 1.colour is 'grey'; a colour is",
        ),
        (HEAD + SOURCE + TARGET + "stretch = [9, 0]", ("--setting", "da"), "target.stretch is [9, 0]; it must be [low"),
        (HEAD + SOURCE + TARGET + 'stretch = "all"', ("--setting", "da"), "target.stretch is 'all'; it must be [low"),
        ("name = [", ("--setting", "da"), "cannot be read"),
    ],
)
def test_mistakes_are_named_with_file_and_key_and_nothing_is_written(
    run: Run, world: Path, text: str, arguments: tuple[str, ...], message: str
) -> None:
    code, _, err = run(text, *arguments)
    assert (code, message in err) == (2, True), err
    assert not (world / "run").exists()


def test_labels_that_nothing_else_uses_are_not_learnt(run: Run, world: Path) -> None:
    for name in ("area_1", "area_2"):
        write_geotiff(world / "source/labels" / f"{name}.tif", np.full((96, 64), 1, np.uint8))
    code, _, err = run(HEAD + SOURCE + TARGET, "--setting", "da")
    assert code == 2
    assert "The source's labels hold no pixel of water, so it cannot be learnt." in err
    # A mended label is noticed.
    for name in ("area_1", "area_2"):
        write_geotiff(world / "source/labels" / f"{name}.tif", np.kron([[1], [2]], np.ones((48, 64))).astype(np.uint8))
    assert run(HEAD + SOURCE + TARGET, "--setting", "da", "--dry-run")[0] == 0


def test_other_verbs_accept_the_file_too(run: Run, world: Path) -> None:
    code, out, _ = run(HEAD + SOURCE + TARGET, "--setting", "da", verb="show")
    assert code == 0
    assert "name='mine'" in out.replace('"', "'")
