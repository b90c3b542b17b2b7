"""Every command of docs/start/first-map.md, in its order, on scenes in the page's folders; training is shortened."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import rasterio
from documents import ROOT, command_lines, read, split
from PIL import Image

from rs_adapt.commands import main
from rs_adapt.datasets.synthetic import CLASSES, IGNORE_VALUE, REGIONS, make_scene
from rs_adapt.scenes import write_geotiff

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [pytest.mark.slow, pytest.mark.timeout(500)]
PAGE = ROOT / "docs" / "start" / "first-map.md"
SIZE_PX = 512
VEGETATION = CLASSES.index("vegetation")


def reflectance(rgb_HW3: NDArray[np.uint8], classes_HW: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return blue, green, red and near infrared, 0 to 10000, as a satellite's product has them."""
    bands_HW3 = rgb_HW3 / 255 * 3000
    infrared_HW = np.where(classes_HW == VEGETATION, 1.6, 1.0) * bands_HW3[..., 0]
    return np.stack([*np.moveaxis(bands_HW3[..., ::-1], -1, 0), infrared_HW], axis=-1).clip(0, 10_000).astype(np.uint16)


def write_files(folder: Path) -> None:
    """Write two labelled scenes of region A, 8 bit, and three of region B without labels, 16 bit and four bands."""
    for name in ("a/images", "a/labels", "b"):
        (folder / name).mkdir(parents=True)
    for letter, region, numbers in (("a", REGIONS["north"], (1, 2)), ("b", REGIONS["south"], (0, 1, 2))):
        for place, number in enumerate(numbers):
            rgb_HW3, classes_HW = make_scene(region, seed=0, split="train", number=number, size_px=SIZE_PX)
            east = region.origin_m[0] + place * 1.1 * SIZE_PX * region.gsd_m
            transform = (region.gsd_m, 0.0, east, 0.0, -region.gsd_m, region.origin_m[1])
            crs, name = f"EPSG:{region.epsg}", f"{letter}{place + 1}.tif"
            if letter == "a":
                write_geotiff(folder / "a/images" / name, rgb_HW3, crs=crs, transform=transform, nodata=0)
                write_geotiff(folder / "a/labels" / name, classes_HW, crs=crs, transform=transform, nodata=IGNORE_VALUE)
            else:
                bands_HW4 = reflectance(rgb_HW3, classes_HW)
                write_geotiff(folder / "b" / name, bands_HW4, crs=crs, transform=transform, nodata=0)


def run(line: str) -> None:
    """Run a command in this process; it has to succeed."""
    words = split(line)
    few = ["--num-workers", "0"] if words[0] == "train" else []
    with pytest.raises(SystemExit) as stop:
        main([*words, *few, *([] if "--dry-run" in words else ["--device", "cpu"])])
    assert not stop.value.code, line


def promised(blocks: list[tuple[str, str]], marker: str) -> list[str]:
    """Return the lines, without indentation and comments, of the one shown block that holds a text."""
    (text,) = (text for language, text in blocks if language == "text" and marker in text)
    return [" ".join(line.partition("  #")[0].split()) for line in text.splitlines() if line.strip(" .")]


def test_the_page_leads_from_files_to_maps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks, _ = read(PAGE)
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path)
    layout = promised(blocks, "a/images/a1.tif")
    assert sorted(layout) == sorted(
        [*(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.tif")), "region.toml"]
    )
    (bench,) = (text for language, text in blocks if language == "toml")
    (tmp_path / "region.toml").write_text(bench, encoding="utf-8")
    lines = [line for language, text in blocks if not language for line in command_lines(text)]
    assert [split(line)[0] for line in lines] == ["train", "train", "train", "judge", "calibrate", "predict"]

    run(lines[0])
    shown = " ".join(capsys.readouterr().out.split())
    assert [line for line in promised(blocks, "everything needed is there") if line not in shown] == []

    short = re.sub(r"(?m)^(iters|eval_every) = \d+$", r"\1 = 2", bench)
    assert short.count(" = 2\n") == bench.count(" = 2\n") + 2
    (tmp_path / "region.toml").write_text(short, encoding="utf-8")
    for line in lines[1:]:
        run(line)

    files = promised(blocks, "maps/b1.tif")
    assert len(files) >= 5
    for name in files:
        assert (tmp_path / name).is_file(), name
    for number in (1, 2, 3):
        check_map(tmp_path / "maps" / f"b{number}.tif", tmp_path / "b" / f"b{number}.tif")
    assert (tmp_path / "judge" / "index.html").is_file()


def check_map(path: Path, scene: Path) -> None:
    """Check a map, in the pixels of the finer region, and the files beside it as other programs read them."""
    with rasterio.open(path) as mapped, rasterio.open(scene) as image:
        assert mapped.crs == image.crs
        np.testing.assert_allclose(mapped.bounds, image.bounds, atol=0.01)
        assert mapped.res == pytest.approx((REGIONS["north"].gsd_m,) * 2, rel=1e-3)
        assert mapped.nodata == IGNORE_VALUE
        classes_HW = mapped.read(1)
        outside_HW = image.read_masks(1, out_shape=mapped.shape) == 0
    # Pixels at the edge of the data may fall to either side.
    assert ((classes_HW == IGNORE_VALUE) != outside_HW).mean() < 0.005
    assert set(np.unique(classes_HW)) <= {*range(len(CLASSES)), IGNORE_VALUE}
    with rasterio.open(path.with_name(f"{path.stem}_confidence.tif")) as confidence:
        assert confidence.shape == classes_HW.shape
    assert Image.open(path.with_suffix(".png")).width > 0
    assert all(name in path.with_suffix(".qml").read_text(encoding="utf-8") for name in CLASSES)
    for program, file in (("gdalinfo", path), ("ogrinfo", path.with_suffix(".gpkg"))):
        if shutil.which(program):
            assert subprocess.run([program, file], capture_output=True, check=False).returncode == 0, file
