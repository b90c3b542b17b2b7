"""The ground size that a pack records: stated by the bench, else measured on the tiles of your own scenes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmengine.config import ConfigDict

from rs_adapt.engine.results import ground_size_m
from rs_adapt.scenes import Box
from rs_adapt.tiles import Tile, write_index

REGIONS = {role: {"train": {"img_dir": f"{role}/train/img_dir"}} for role in ("source", "target")}


def write_tiles(root: Path, role: str, pixel_m: float, crs: str | None = "EPSG:32632") -> None:
    folder = root / role / "train"
    folder.mkdir(parents=True)
    place = (pixel_m, 0.0, 500_000.0, 0.0, -pixel_m, 5_000_000.0)
    tile = Tile(name="a.png", scene="a.tif", box=Box(0, 0, 8, 8), transform=place, crs=crs, valid_share=1.0)
    write_index(folder, [tile], tile_px=8, stride_px=8)


def config(folder: Path, *, setting: str = "da", match_gsd: bool = False, **bench: Any) -> Any:
    return SimpleNamespace(
        prepared_dir=str(folder),
        bench=ConfigDict(bench),
        strategy=ConfigDict(match_gsd=match_gsd),
        cell=ConfigDict(setting=setting),
    )


@pytest.mark.parametrize(
    ("stated_m", "own", "measured", "wanted"),
    [
        (0.3, {"name": "mine"}, {"target": 0.5}, 0.3),
        (None, {"name": "mine"}, {"source": 0.5, "target": 0.25}, 0.25),
        (None, {"name": "mine"}, {"source": 0.5}, 0.5),
        (None, {"name": "mine"}, {}, None),
        (None, None, {"target": 0.25}, None),
    ],
)
def test_the_ground_size_is_stated_or_measured(
    stated_m: float | None, own: Any, measured: dict[str, float], wanted: float | None, tmp_path: Path
) -> None:
    for role, pixel_m in measured.items():
        write_tiles(tmp_path, role, pixel_m)
    cfg = config(tmp_path, gsd_m=stated_m, own=own, **REGIONS)
    assert ground_size_m(cfg) == wanted


def test_tiles_without_a_system_state_no_ground_size(tmp_path: Path) -> None:
    write_tiles(tmp_path, "target", 0.25, crs=None)
    assert ground_size_m(config(tmp_path, gsd_m=None, own={"a": 1}, **REGIONS)) is None


@pytest.mark.parametrize(("setting", "wanted"), [("da", 0.3), ("dg", 0.3), ("ss", 0.5)])
def test_matched_regions_have_the_finer_size(setting: str, wanted: float, tmp_path: Path) -> None:
    sizes = {"source": {"gsd_m": 0.3}, "target": {"gsd_m": 0.5}}
    cfg = config(tmp_path, gsd_m=0.5, own=None, **sizes, setting=setting, match_gsd=True)
    assert ground_size_m(cfg) == wanted
