"""Scenes of a command line: formats, folders, patterns, lists, STAC items, VRTs and their parts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from PIL import Image

import rs_adapt as rsa
from rs_adapt.errors import RsAdaptError
from rs_adapt.prediction.inputs import NamedScene, find_scenes, output_files
from rs_adapt.scenes import Scene, write_geotiff

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
SIDE_PX = 56


def write_vrt(path: Path, part: str, *, relative: bool = True) -> None:
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource><SourceFilename relativeToVRT="{int(relative)}">'
        f"{part}</SourceFilename><SourceBand>{band}</SourceBand></SimpleSource></VRTRasterBand>"
        for band in (1, 2, 3)
    )
    path.write_text(f'<VRTDataset rasterXSize="{SIDE_PX}" rasterYSize="{SIDE_PX}">{bands}</VRTDataset>')


def write_item(path: Path, **assets: object) -> None:
    path.write_text(json.dumps({"type": "Feature", "stac_version": "1.0.0", "id": path.stem, "assets": assets}))


def write_formats(folder: Path) -> list[Path]:
    """Write one image in all formats, and a jpg and a png of what this jpg shows; return their files."""
    coarse = np.random.default_rng(3).integers(1, 256, (7, 7, 3), dtype=np.uint8)
    image = coarse.repeat(8, axis=0).repeat(8, axis=1)
    write_geotiff(folder / "geotiff.tif", image)
    copies: dict[str, dict[str, object]] = {
        "bigtiff.tif": {"driver": "GTiff", "BIGTIFF": "YES"},
        "cog.tiff": {"driver": "COG", "COMPRESS": "ZSTD"},
        "planar.tif": {"driver": "GTiff", "INTERLEAVE": "BAND", "COMPRESS": "LZW", "PREDICTOR": 2},
        "waves.jp2": {"driver": "JP2OpenJPEG", "QUALITY": 100, "REVERSIBLE": "YES"},
        "imagine.img": {"driver": "HFA"},
    }
    for name, options in copies.items():
        rasterio.shutil.copy(folder / "geotiff.tif", folder / name, **options)
    Image.fromarray(image).save(folder / "picture.png")
    Image.fromarray(image).save(folder / "photo.jpg", quality=60)
    with Image.open(folder / "photo.jpg") as photo:
        photo.save(folder / "photo_png.png")
    write_vrt(folder / "list.vrt", "geotiff.tif")
    return sorted(path for path in folder.iterdir() if not path.name.endswith(".aux.xml"))


def test_every_format_gives_the_map_of_its_pixels(tmp_path: Path, shared_home: Path) -> None:
    (tmp_path / "scenes").mkdir()
    files = write_formats(tmp_path / "scenes")
    assert len(files) == 10
    records = rsa.predict(
        *(RUN, tmp_path / "scenes", tmp_path / "maps"), tile_px=SIDE_PX, overlap_px=0, device="cpu", progress=False
    )
    assert [record.scene for record in records] == files
    maps = {}
    for record in records:
        with Scene(record.files[0]) as written:
            maps[record.scene.stem] = written.read_classes()[0].tobytes()
    assert maps.pop("photo") == maps.pop("photo_png")
    assert len(set(maps.values())) == 1
    assert len(set(maps["geotiff"])) > 1


def test_files_folders_patterns_and_lists_name_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a" / "below.tif").mkdir(parents=True)
    for name in ("a/x.tif", "a/y.JPG", "a/.hidden.tif", "a/notes.txt", "a/[1].tif", "b.dat"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "list.txt").write_text("﻿# scenes\na/x.tif\n\n  b.dat  \n", encoding="utf-8")
    folder = [Path("a/[1].tif"), Path("a/x.tif"), Path("a/y.JPG")]
    assert [scene.path for scene in find_scenes(["a"])] == folder
    assert [scene.path for scene in find_scenes(["a/*.tif"])] == folder[:2]
    assert [scene.path for scene in find_scenes(["**/x.*"])] == [Path("a/x.tif")]
    # A file that is there is no pattern.
    assert [scene.path for scene in find_scenes(["a/[1].tif"])] == [Path("a/[1].tif")]
    assert [scene.name for scene in find_scenes(["list.txt"])] == ["x", "b"]
    # One file by several names is one scene.
    assert len(find_scenes(["a/x.tif", "./a/x.tif", str(tmp_path / "a" / "x.tif"), "a/../a/x.tif"])) == 1


def test_assets_of_stac_items_are_scenes(tmp_path: Path) -> None:
    for name in ("red.tif", "shown here.tif", "thumb.png"):
        (tmp_path / name).write_bytes(b"")
    write_item(
        tmp_path / "item.json",
        red={"href": "./red.tif", "roles": ["reflectance"]},
        shown={"href": "shown%20here.tif", "roles": ["visual"], "type": "image/tiff; application=geotiff"},
        thumbnail={"href": "thumb.png", "roles": ["thumbnail"]},
        metadata={"href": "https://example.org/m.xml", "roles": ["data"], "type": "application/xml"},
        remote={"href": "s3://bucket/x.tif", "roles": ["thumbnail"]},
        there={"href": (tmp_path / "red.tif").as_uri()},
    )
    shown = NamedScene(tmp_path / "shown here.tif", "item")
    assert find_scenes([str(tmp_path / "item.json")]) == [shown]
    assert find_scenes([str(tmp_path / "*.json")], asset="red") == [NamedScene(tmp_path / "red.tif", "item")]
    assert find_scenes([str(tmp_path / "item.json")], asset="there")[0].path == tmp_path / "red.tif"
    (tmp_path / "list.txt").write_text("item.json")
    assert output_files(find_scenes([str(tmp_path / "list.txt")]), tmp_path) == {shown.path: tmp_path / "item.tif"}
    with pytest.raises(RsAdaptError, match=r"the asset lies at 's3://bucket/x\.tif', and only files on this machine"):
        find_scenes([str(tmp_path / "item.json")], asset="remote")
    with pytest.raises(RsAdaptError, match="--asset is blue, and .*item.json has: red, shown, thumbnail"):
        find_scenes([str(tmp_path / "item.json")], asset="blue")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "cannot be read: it is no JSON, or cut off"),
        ("[]", "is no STAC item. Of .json files only these are scenes"),
        ('{"type": "FeatureCollection", "features": []}', "is no STAC item"),
        ('{"type": "Collection", "stac_version": "1.0.0"}', "is a STAC Collection, which lists items"),
        ('{"type": "Feature", "stac_version": "1.0.0", "assets": {}}', "is a STAC item without assets"),
        ('{"type": "Feature", "stac_version": "1.0.0", "assets": {"a": 1}}', "is a STAC item without assets"),
        ({"a": {"roles": ["data"]}}, "the asset has no href"),
        ({"a": {"href": 7}}, "the asset has no href"),
        ({"a": {"href": "a.tif", "roles": ["data"]}, "b": {"href": "b.tif", "roles": ["visual"]}}, "Choose one with"),
        ({"a": {"href": "a.html", "type": "text/html"}}, "none of its assets is an image"),
        ({"a": {"href": "a.tif"}}, "a.tif, which is not there"),
        ({"a": {"href": "../a.tif"}}, "a.tif, which lies outside of the item's folder"),
        ({"a": {"href": "file:///etc/hostname"}}, "which lies outside of the item's folder"),
        ({"a": {"href": "/vsicurl/http://x/a.tif"}}, "only files on this machine are read"),
        ({"a": {"href": "https://x/a.tif"}}, "only files on this machine are read"),
    ],
)
def test_items_without_a_file_on_this_machine_are_refused(
    content: str | dict[str, object], sentence: str, tmp_path: Path
) -> None:
    if isinstance(content, str):
        (tmp_path / "item.json").write_text(content)
    else:
        write_item(tmp_path / "item.json", **content)
    with pytest.raises(RsAdaptError) as caught:
        find_scenes([str(tmp_path / "item.json")])
    assert sentence in str(caught.value)


def test_parts_of_a_vrt_lie_below_its_folder_or_where_they_are_allowed(tmp_path: Path) -> None:
    for folder in ("vrt/below", "archive"):
        (tmp_path / folder).mkdir(parents=True)
        write_geotiff(tmp_path / folder / "part.tif", np.ones((SIDE_PX, SIDE_PX, 3), np.uint8))
    write_vrt(tmp_path / "vrt" / "near.vrt", "below/part.tif")
    write_vrt(tmp_path / "vrt" / "far.vrt", str(tmp_path / "archive" / "part.tif"), relative=False)
    assert len(find_scenes([str(tmp_path / "vrt" / "near.vrt")])) == 1
    with pytest.raises(RsAdaptError, match=rf"outside of its folder\. .*--parts {tmp_path / 'archive'}\.$"):
        find_scenes([str(tmp_path / "vrt")])
    assert len(find_scenes([str(tmp_path / "vrt")], parts=[tmp_path / "archive"])) == 2


@pytest.mark.parametrize(
    ("inputs", "asset", "sentence"),
    [
        ([], None, "No scene is named."),
        ([""], None, "The name of a scene is empty."),
        (["nothing*.tif"], None, "No file fits the pattern nothing*.tif."),
        (["list.txt"], None, "list.txt names gone.tif, which does not exist, and 1 more."),
        (["empty.txt"], None, "The list empty.txt names no scene."),
        (["binary.txt"], None, "The list binary.txt cannot be read"),
        (["a.tif"], "red", "--asset is red, but no scene is a STAC item"),
    ],
)
def test_inputs_without_scenes_are_refused(
    inputs: list[str], asset: str | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tif").write_bytes(b"")
    (tmp_path / "list.txt").write_text("a.tif\ngone.tif\nlost.tif\n")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(RsAdaptError) as caught:
        find_scenes(inputs, asset=asset)
    assert sentence in str(caught.value)


def test_maps_that_differ_in_case_only_are_refused(tmp_path: Path) -> None:
    scenes = [NamedScene(tmp_path / "A.tif", "A"), NamedScene(tmp_path / "b" / "a.tif", "a")]
    with pytest.raises(RsAdaptError, match=r"would both become .*a\.tif\. Predict them into different folders"):
        output_files(scenes, tmp_path / "maps")
