"""A bench of one's own whose scenes are deeper than 8 bit: one stretch a region, told and kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Run = Any

BENCH = """
name = "mine"
tile_px = 32
[[class]]
name = "land"
colour = "#C8C8C8"
[[class]]
name = "water"
colour = "#285ADC"
[train]
backbone = "dinov2_nano"
head = "linear"
method = "frozen"
iters = 1
batch_size = 1
[source]
images = "source"
[source.labels]
path = "labels"
suffix = ".tif"
[source.labels.classes]
land = [1]
water = [2]
[target]
images = "target"
"""


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Write a labelled 8-bit scene, and an empty folder for the target."""
    for kind in ("source", "labels", "target"):
        (tmp_path / kind).mkdir()
    rgb = np.random.default_rng(0).integers(0, 256, (160, 32, 3), dtype=np.uint8)
    write_geotiff(tmp_path / "source" / "a.tif", rgb)
    write_geotiff(tmp_path / "labels" / "a.tif", np.tile(np.uint8([1, 2]), (160, 16)))
    return tmp_path


@pytest.fixture
def run(world: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Return a function that writes the bench's file, trains and gives exit code, stdout and stderr."""

    def call(text: str, *arguments: str) -> tuple[int, str, str]:
        (world / "mine.toml").write_text(text)
        places = ["--bench", str(world / "mine.toml"), "--work-dir", str(world / "run")]
        with pytest.raises(SystemExit) as stop:
            main(["train", *places, "--setting", "da", "--num-workers", "0", "--device", "cpu", *arguments])
        shown = capsys.readouterr()
        return int(stop.value.code or 0), shown.out, shown.err

    return call


def test_hidden_files_are_not_images(run: Run, world: Path) -> None:
    _write_deep_target(world)
    (world / "target" / "._dim.tif").write_bytes(b"\0\5\x16\7")
    code, out, err = run(BENCH, "--dry-run")
    assert (code, "of all 2 images" in out) == (0, True), err


def _prepared(home: Path) -> Path:
    (folder,) = (home / "prepared").glob("mine-*[0-9a-f]")
    return folder


def test_bands_and_stretch_of_16_bit_scenes(run: Run, own_home: Path, world: Path) -> None:
    # 12 times 8-bit values, and 3060 = 12 x 255.
    values = np.random.default_rng(5).integers(0, 256, (64, 64, 4))
    write_geotiff(world / "target" / "deep.tif", (values * 12).astype(np.uint16))
    target = "bands = [3, 2, 4]\nstretch = [0, 3060]\n"
    code, out, err = run(BENCH + target, "--dry-run")
    assert code == 0, err
    assert "  source stretch: none, its images are of 8 bit\n  target stretch: 0 to 3060 (given)\n" in out
    tile = np.array(Image.open(_prepared(own_home) / "target" / "train" / "img_dir" / "deep_0_0_32_32.png"))
    np.testing.assert_array_equal(tile, values[:32, :32][..., [2, 1, 3]])


def _write_deep_target(world: Path) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(6)
    scenes = {"dim": rng.integers(200, 1000, (64, 64, 3)), "light": rng.integers(1500, 3000, (64, 96, 3))}
    for name, values in scenes.items():
        write_geotiff(world / "target" / f"{name}.tif", values.astype(np.uint16))
    return scenes


def test_deep_scenes_of_a_region_share_one_stretch_that_is_saved(run: Run, own_home: Path, world: Path) -> None:
    scenes = _write_deep_target(world)
    code, out, err = run(BENCH)
    assert code == 0, err
    prepared = _prepared(own_home)
    together = np.concatenate([values.reshape(-1, 3) for values in scenes.values()])
    low, high = np.percentile(together, (2, 98), axis=0)
    tiles = prepared / "target" / "train" / "img_dir"
    for name, values in scenes.items():
        tile = np.array(Image.open(tiles / f"{name}_0_0_32_32.png"))
        exact = ((values[:32, :32] - low) / (high - low)).clip(0, 1) * 255
        assert np.abs(tile - exact).max() < 0.51, name
    kept = json.loads((prepared / "stretch.json").read_text())
    np.testing.assert_allclose(kept["target"]["range"], np.stack([low, high], axis=-1))
    assert kept["source"] == {"from": "as stored", "range": None}
    assert json.loads((world / "run" / "manifest.json").read_text())["stretch"] == kept
    code, out, _ = run(BENCH, "--dry-run", "--overwrite")
    (line,) = [line for line in out.splitlines() if line.startswith("  target stretch: ")]
    assert line.endswith("(percentiles 2 and 98 of all 2 images)")


def test_a_pack_is_not_scored_on_scenes_of_a_different_stretch(
    run: Run, own_home: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _write_deep_target(world)
    values = np.random.default_rng(7).integers(100, 900, (160, 32, 3)).astype(np.uint16)
    write_geotiff(world / "source" / "a.tif", values)
    assert run(BENCH)[0] == 0

    def evaluate(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as stop:
            main(["eval", "--checkpoint", str(world / "run"), "--split", "source-val", "--device", "cpu", *arguments])
        return int(stop.value.code or 0), capsys.readouterr().err

    assert evaluate()[0] == 0
    # Of the target nothing is scored here, so it may change.
    (world / "target" / "dim.tif").unlink()
    assert evaluate()[0] == 0
    write_geotiff(world / "source" / "a.tif", values * 3)
    code, err = evaluate()
    assert (code, "The images of region source have changed since the training" in err) == (2, True), err
    kept = json.loads((world / "run" / "manifest.json").read_text())["stretch"]["source"]["range"]
    assert f"write stretch = {kept} for this region" in err
    (world / "mine.toml").write_text(BENCH.replace("[source]", f"[source]\nstretch = {kept}"))
    code, err = evaluate("--bench", str(world / "mine.toml"), "--setting", "da")
    assert code == 0, err


def test_scenes_are_stretched_by_themselves_on_request(run: Run, own_home: Path, world: Path) -> None:
    scenes = _write_deep_target(world)
    code, out, err = run(BENCH + 'stretch = "scene"\n', "--dry-run")
    assert code == 0, err
    assert "  target stretch: each scene by itself\n" in out
    for name in scenes:
        tile = np.array(Image.open(_prepared(own_home) / "target" / "train" / "img_dir" / f"{name}_0_0_32_32.png"))
        # Both use the whole range, so that nothing of their relative brightness is left.
        assert (tile.min(), tile.max()) == (0, 255)
        assert 110 < tile.mean() < 145
