"""Scenes and cities of tiles: from the index beside them, from their names, or not known."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.config import axes
from rs_adapt.datasets.tile_origin import find_tile_origins, region_facts
from rs_adapt.scenes import Box
from rs_adapt.tiles import Tile, write_index

ISPRS = axes.bench_facts("isprs_p2v")
LOVEDA = axes.bench_facts("loveda_r2u")
ISAID = axes.bench_facts("isaid")


@pytest.mark.parametrize(
    ("pattern", "tile", "scene"),
    [
        (ISPRS["scene_pattern"], "2_10_0_512_512_1024", "2_10"),
        (ISPRS["scene_pattern"], "7_13_5488_5488_6000_6000", "7_13"),
        (ISPRS["scene_pattern"], "area11_0_0_512_512", "area11"),
        (LOVEDA["scene_pattern"], "3513_512_0_1024_512", "3513"),
        (LOVEDA["scene_pattern"], "3513", "3513"),
        (ISAID["scene_pattern"], "P0000_0_896_0_896", "P0000"),
        (ISPRS["scene_pattern"], "something", ""),
        (None, "2_10_0_512_512_1024", ""),
    ],
)
def test_scenes_are_read_from_names(pattern: str | None, tile: str, scene: str, tmp_path: Path) -> None:
    path = str(tmp_path / "img_dir" / f"{tile}.png")
    where = {"img_dir": tmp_path / "img_dir", "img_suffix": ".png"}
    found = find_tile_origins([path], **where, scene_pattern=pattern, city="here")
    assert (found.tiles, found.scenes, found.cities) == ((tile,), (scene,), ("here",))


def test_the_index_has_priority_over_the_name(tmp_path: Path) -> None:
    facts = {"box": Box(0, 0, 8, 8), "transform": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "crs": None, "valid_share": 1.0}
    write_index(tmp_path, [Tile(name="a_0.png", scene="a.tif", **facts)], tile_px=8, stride_px=8)  # type: ignore[arg-type]
    paths = [str(tmp_path / "img_dir" / name) for name in ("a_0.png", "b_0.png")]
    found = find_tile_origins(
        paths, img_dir=tmp_path / "img_dir", img_suffix=".png", scene_pattern=r"(?P<scene>.)_\d", city=None
    )
    assert found.scenes == ("a.tif", "b")
    assert found.cities == ("", "")


def test_a_data_set_finds_its_region() -> None:
    assert region_facts(ISPRS, "isprs/vaihingen/val")["bands"] == "IRRG"
    assert region_facts(ISPRS, "isprs/potsdam/val")["bands"] == "RGB"
