"""`rs-adapt predict` on a stored run: files, refusals, agreement with the evaluation of tiles."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image

import rs_adapt as rsa
from rs_adapt.api import prediction
from rs_adapt.scenes import Scene, write_geotiff

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
PLACE = (0.5, 0.0, 400000.0, 0.0, -0.5, 5500000.0)
Verb = Callable[..., tuple[Any, str, str]]


@pytest.fixture(name="image")
def image_fixture() -> NDArray[np.uint8]:
    """Return a scene of two by three tiles of 128 px with patches of even colour."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(1, 256, (8, 12, 3))
    return np.clip(coarse.repeat(32, axis=0).repeat(32, axis=1) + rng.integers(-9, 9, (256, 384, 3)), 1, 255).astype(
        np.uint8
    )


def test_a_map_lies_where_its_scene_lies(
    image: NDArray[np.uint8], tmp_path: Path, run_verb: Verb, shared_home: Path
) -> None:
    scene, out = tmp_path / "scene.tif", tmp_path / "maps" / "map.tif"
    write_geotiff(scene, image, crs="EPSG:32632", transform=PLACE)
    options = ("--confidence", "--style", "--preview", "--vector", "geojson", "--min-area", "8", "--device", "cpu")
    code, printed, _ = run_verb("predict", scene, "--checkpoint", RUN, "--out", out, *options)
    assert code == 0
    assert "map.tif: 384 x 256 px, 20 tiles, " in printed
    assert sorted(path.name for path in out.parent.iterdir()) == [
        *("map.geojson", "map.png", "map.qml", "map.tif", "map_confidence.tif")
    ]
    features = json.loads(out.with_suffix(".geojson").read_text())["features"]
    assert sum(feature["properties"]["area_m2"] for feature in features) == pytest.approx(384 * 256 / 4)
    assert min(feature["properties"]["area_m2"] for feature in features) >= 8
    assert all(1 / 6 < feature["properties"]["confidence"] <= 1 for feature in features)
    entries = ElementTree.parse(out.with_suffix(".qml")).iter("paletteEntry")
    assert [(entry.get("value"), entry.get("label")) for entry in entries][1:3] == [("1", "building"), ("2", "road")]
    with Image.open(out.with_suffix(".png")) as preview:
        assert preview.width == 384
        assert preview.height > 256
    with rasterio.open(out) as dataset:
        assert tuple(dataset.transform)[:6] == PLACE
        assert dataset.crs.to_epsg() == 32632
        assert json.loads(dataset.tags()["class_names"]) == [
            *("background", "building", "road", "water", "vegetation", "bare")
        ]
        assert set(np.unique(dataset.read(1))) <= set(range(6))


def test_tiles_of_the_map_are_those_of_the_evaluation(
    image: NDArray[np.uint8], tmp_path: Path, run_verb: Verb, shared_home: Path
) -> None:
    scene, out = tmp_path / "scene.png", tmp_path / "map.tif"
    Image.fromarray(image).save(scene)
    options = ("--overlap-px", 0, "--batch-size", 2, "--device", "cpu", "--json")
    code, printed, _ = run_verb("predict", scene, "--checkpoint", RUN, "-o", out, *options)
    assert code == 0
    (record,) = json.loads(printed)
    assert record["tiles"] == 6
    assert record["remarks"] == [f"{scene} has no place on the map, and so has its map."]
    model = rsa.load(RUN, device="cpu")
    tiles = [[model.predict(image[y : y + 128, x : x + 128]).labels_HW for x in (0, 128, 256)] for y in (0, 128)]
    with Scene(out) as written:
        classes_HW, _ = written.read_classes()
    agreeing = (classes_HW == np.block(tiles)).mean()
    # Batches round differently, which can tip a pixel between two classes of equal probability.
    assert agreeing > 0.9999


def test_the_views_of_a_tile_are_averaged(image: NDArray[np.uint8], tmp_path: Path, shared_home: Path) -> None:
    scene, tile = tmp_path / "scene.tif", image[:128, :128]
    write_geotiff(scene, tile, crs="EPSG:32632", transform=PLACE)
    given: dict[str, Any] = {"layers": ("classes", "probabilities"), "overlap_px": 0, "device": "cpu"}
    rsa.predict(RUN, scene, tmp_path / "map.tif", tta="flips", progress=False, **given)
    model = rsa.load(RUN, device="cpu")
    sides = [(), (0,), (1,), (0, 1)]
    views = [
        np.flip(model.predict(np.flip(tile, axes).copy()).probabilities_KHW, [1 + a for a in axes]) for axes in sides
    ]
    with rasterio.open(tmp_path / "map_probabilities.tif") as dataset:
        stored_KHW = dataset.read() / 200
    assert np.abs(stored_KHW - np.mean(views, axis=0)).max() < 0.5 / 200 + 1e-4


def test_several_checkpoints_are_averaged(
    image: NDArray[np.uint8], tmp_path: Path, run_verb: Verb, shared_home: Path
) -> None:
    scene, other = tmp_path / "scene.tif", tmp_path / "other"
    write_geotiff(scene, image[:128, :128], crs="EPSG:32632", transform=PLACE)
    shutil.copytree(RUN, other)
    options = ("--probabilities", "--device", "cpu", "--overlap-px", 0)
    maps = []
    for name, checkpoints in (("one", [RUN]), ("both", [RUN, other])):
        given = [part for checkpoint in checkpoints for part in ("--checkpoint", checkpoint)]
        code, _, errors = run_verb("predict", scene, *given, "-o", tmp_path / f"{name}.tif", *options)
        assert code == 0, errors
        with rasterio.open(tmp_path / f"{name}_probabilities.tif") as dataset:
            maps.append(dataset.read())
            sha256 = dataset.tags()["model_sha256"].split(",")
        assert len(sha256) == len(checkpoints)
    # The mean of a model and its copy.
    assert np.array_equal(*maps)
    code, _, errors = run_verb("predict", scene, "--checkpoint", RUN, "--checkpoint", RUN, "-o", tmp_path / "m.tif")
    assert code == 2
    assert "twice. Name each checkpoint once." in " ".join(errors.split())


@pytest.mark.slow
def test_scores_over_a_scene_are_those_of_the_tiles_cut_from_it(
    image: NDArray[np.uint8], tmp_path: Path, run_verb: Verb, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    # Classes 0 to 4 only, and a strip without label; the scene that is trained on has them all.
    truth_HW = rng.integers(0, 5, (8, 12), dtype=np.uint8).repeat(32, axis=0).repeat(32, axis=1)
    truth_HW[:20] = 255
    other_HW = rng.integers(0, 6, (128, 128), dtype=np.uint8)
    for name, pixels, classes_HW in (("scene", image, truth_HW), ("other", image[:128, :128], other_HW)):
        for folder, content in (("images", pixels), ("labels", classes_HW)):
            Path(folder).mkdir(exist_ok=True)
            write_geotiff(Path(folder, f"{name}.tif"), content, crs="EPSG:32632", transform=PLACE)
    names = ("background", "building", "road", "water", "vegetation", "bare")
    labels = f"classes = {{{', '.join(f'{name} = [{value}]' for value, name in enumerate(names))}}}\nignore = [255]"
    region = 'images = "images"\nval = ["scene"]\n'
    labels = f'path = "labels"\nsuffix = ".tif"\n{labels}'
    tables = "".join(f'[[class]]\nname = "{name}"\ncolour = "#0000{value:02X}"\n' for value, name in enumerate(names))
    sides = "".join(f"[{role}]\n{region}[{role}.labels]\n{labels}\n" for role in ("source", "target"))
    Path("mine.toml").write_text(f'name = "mine"\ntile_px = 128\n{tables}{sides}')
    code, printed, errors = run_verb(
        *("predict", "images/scene.tif", "--checkpoint", RUN, "-o", "maps", "--overlap-px", 0, "--batch-size", 1),
        *("--evaluate", "labels", "--device", "cpu", "--json"),
    )
    assert code == 0, errors
    scores = json.loads(printed)[0]["scores"]
    assert scores["pixels"] == (truth_HW != 255).sum()
    assert len(scores["classes_in_mean"]) == 5
    assert scores["iou_pct"]["bare"] is None
    scored = rsa.evaluate(RUN, bench="mine.toml", out=tmp_path / "eval", device="cpu", progress=False)
    with np.load(tmp_path / "eval" / "confusions.npz", allow_pickle=False) as stored:
        counts_KK = stored["counts_NKK"].sum(axis=0, dtype=int)
    assert scores["confusion"] == counts_KK.tolist()
    assert scores["miou_pct"] == scored.result.miou_pct
    assert scores["iou_pct"] == scored.result.iou_pct


def test_several_scenes_become_maps_of_their_names(
    image: NDArray[np.uint8], tmp_path: Path, run_verb: Verb, shared_home: Path
) -> None:
    (tmp_path / "scenes").mkdir()
    for name in ("a", "b"):
        Image.fromarray(image[:128, :128]).save(tmp_path / "scenes" / f"{name}.png")
    (tmp_path / "scenes" / "notes.md").write_text("no scene")
    code, _, _ = run_verb(
        "predict", tmp_path / "scenes", "--checkpoint", RUN, "-o", tmp_path / "maps", "--device", "cpu"
    )
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["a.tif", "b.tif"]


def test_scenes_of_an_area_are_mapped_at_the_ground_size_of_the_training(
    image: NDArray[np.uint8], tmp_path: Path, run_verb: Verb, shared_home: Path
) -> None:
    """The run was trained on pixels of 0.7 m; these scenes have 0.35 m, and one lies elsewhere."""
    for name, east_m in (("here", 400_000.0), ("there", 500_000.0)):
        place = (0.35, 0.0, east_m, 0.0, -0.35, 5_500_000.0)
        write_geotiff(tmp_path / f"{name}.tif", image, crs="EPSG:32632", transform=place)
    bounds = ("--bounds", "400014,5499944,400060,5499986", "--bounds-crs", "EPSG:32632")
    options = ("--checkpoint", RUN, "-o", tmp_path / "maps", "--device", "cpu", *bounds)
    code, printed, errors = run_verb("predict", tmp_path, *options)
    assert code == 0
    sentence = "here.tif is 0.35 m wide, and those of the training were 0.7 m: things look 2.0 times larger"
    assert sentence in errors
    assert sentence in printed
    assert "No map is made of a scene outside of the area: " in errors
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["here.tif"]
    code, printed, _ = run_verb("predict", tmp_path, *options, "--gsd", "trained", "--overwrite", "--json")
    assert code == 0
    (record,) = json.loads(printed)
    assert (record["width_px"], record["height_px"], record["remarks"]) == (66, 60, [])
    with rasterio.open(record["files"][0]) as dataset:
        assert dataset.res == pytest.approx((0.7, 0.7))
        assert dataset.bounds == pytest.approx((400_014, 5_499_944, 400_060.2, 5_499_986), abs=0.36)


def test_scenes_that_cannot_be_read_are_left_out_on_request(
    image: NDArray[np.uint8], tmp_path: Path, run_verb: Verb, shared_home: Path
) -> None:
    Image.fromarray(image[:128, :128]).save(tmp_path / "a.png")
    (tmp_path / "b.tif").write_bytes(b"II*\0 and no more")
    options = ("--checkpoint", RUN, "--device", "cpu", "--skip-errors", "-o", tmp_path / "maps")
    code, printed, _ = run_verb("predict", tmp_path / "b.tif", tmp_path / "a.png", *options)
    assert code == 0
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["a.tif"]
    assert "b.tif: no map." in printed
    code, printed, errors = run_verb("predict", tmp_path / "b.tif", *options)
    assert code == 1
    assert "b.tif: no map." in printed
    assert "No map was written" in errors


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing.tif", "-o", "m.tif"), "There is no scene nothing.tif."),
        (("scene.tif", "-o", "taken.tif"), "taken.tif exists."),
        (("scene.tif", "other/scene.tif", "-o", "m.tif"), "m.tif is a file, and there are 2 scenes. Name a folder."),
        (("scene.tif", "other/scene.tif", "-o", "m"), "would both become m/scene.tif."),
        (("deep.tif", "-o", "m.tif"), "deep.tif holds values of type uint16"),
        (("many.tif", "-o", "m.tif"), "many.tif has 6 bands. Name those that are red, green and blue"),
        (("scene.tif", "-o", "m.tif", "--tile-px", "100"), "--tile-px is 100. Allowed: multiples of"),
        (("scene.tif", "-o", "m.tif", "--overlap-px", "65"), "--overlap-px is 65. Allowed: 0 to 64"),
        (("scene.tif", "-o", "m.tif", "--bands", "4,3"), "--bands is [4, 3]. Allowed: three numbers from 1"),
        (("scene.tif", "-o", "m.tif", "--stretch", "9,1"), "two values, the smaller one first"),
        (("scene.tif", "-o", "m.tif", "--stretch", "x"), "'x' is not a list of numbers."),
        (("scene.tif", "-o", "m.tif", "--stretch", "1,inf"), "--stretch is [1.0, inf]. Allowed: two values"),
        (("scene.tif", "-o", "m.tif", "--bands", "4.5,3,2"), "'4.5,3,2' is not a list of whole numbers."),
        (("scene.tif", "-o", "m.tif", "--region", "south"), "the pack is of a shipped bench"),
        (("scene.tif", "-o", "m.tif", "--vector", "m.shp"), "--vector is m.shp. Allowed: gpkg or geojson, for a file"),
        (("scene.tif", "-o", "m.tif", "--vector", "geojson"), "scene.tif has no place on the map, which polygons need"),
        (("scene.tif", "-o", "m.tif", "--min-area", "9"), "--min-area changes polygons, and none are written."),
        (("scene.tif", "-o", "m.tif", "--vector", "gpkg", "--simplify", "nan"), "--simplify is nan. Allowed: 0 or"),
        (
            ("scene.tif", "deep.tif", "-o", "m", "--vector", "m.gpkg"),
            "and there are 2 scenes. Allowed: gpkg or geojson",
        ),
        (("scene.tif", "-o", "m.tif", "--float"), "Add --confidence, --entropy or --probabilities."),
        (("empty", "-o", "m"), "The folder empty holds no scene."),
        (("list.txt", "-o", "m"), "list.txt names gone.tif, which does not exist."),
        (("scene.tif", "-o", "m.tif", "--asset", "red"), "no scene is a STAC item"),
        (("scene.tif", "-o", "m.tif", "--bounds", "1,2,3"), "--bounds is 1,2,3. Allowed: four numbers"),
        (("scene.tif", "-o", "m.tif", "--bounds", "-9,-9,-1,-1"), "has no pixel in --bounds -9,-9,-1,-1."),
        (("scene.tif", "-o", "m.tif", "--bounds", "a,2,3,4"), "'a,2,3,4' is not a list of numbers. Allowed: four"),
        (("scene.tif", "-o", "m.tif", "--bounds-crs", "EPSG:4326"), "there are no --bounds."),
        (("scene.tif", "-o", "m.tif", "--aoi", "gone.gpkg"), "There is no file of polygons gone.gpkg"),
        (("scene.tif", "-o", "m.tif", "--gsd", "fine"), "'fine' is no size. Allowed: metres, such as 0.5, or trained."),
        (("scene.tif", "-o", "m.tif", "--gsd", "0.5"), "does not state the size of its pixels on the ground"),
        (("two.tif", "-o", "m.tif"), "two.tif has 2 bands. Name those that are red, green and blue"),
        (("cut.tif", "-o", "m.tif"), "cut.tif cannot be read"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    arguments: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    run_verb: Verb,
    shared_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    for folder in ("other", "empty"):
        (tmp_path / folder).mkdir()
    for name in ("scene.tif", "other/scene.tif", "taken.tif"):
        write_geotiff(tmp_path / name, np.ones((40, 40, 3), np.uint8))
    write_geotiff(tmp_path / "deep.tif", np.ones((40, 40, 3), np.uint16))
    write_geotiff(tmp_path / "many.tif", np.ones((40, 40, 6), np.uint8))
    write_geotiff(tmp_path / "two.tif", np.ones((40, 40, 2), np.uint8))
    (tmp_path / "cut.tif").write_bytes((tmp_path / "many.tif").read_bytes()[:100])
    (tmp_path / "list.txt").write_text("scene.tif\ngone.tif\n")
    before = sorted(tmp_path.rglob("*"))
    code, _, errors = run_verb("predict", *arguments, "--checkpoint", RUN, "--device", "cpu")
    assert code == 2
    assert sentence in " ".join(errors.replace("│", " ").split())
    assert sorted(tmp_path.rglob("*")) == before


def test_a_stop_states_the_command_that_continues(
    tmp_path: Path, run_verb: Verb, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(prediction, "predict", stop)
    monkeypatch.setattr(sys, "argv", ["rs-adapt", "predict", "a scene.tif", "--checkpoint", "run"])
    code, _, errors = run_verb("predict", "a scene.tif", "--checkpoint", "run", "-o", tmp_path / "map.tif")
    assert code == 130
    assert errors.splitlines() == [
        "Stopped; the finished strips are saved. Continue with",
        "  rs-adapt predict 'a scene.tif' --checkpoint run",
    ]
