"""Tiles are cut again when any file changes that GDAL reads for them; pixels are compared, not times."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from own_benches import count_pixels, draw, prepare, write_bench, write_scene
from PIL import Image

from tests.geodata import PLACE, UTM, write_raster, write_world_file
from tests.polygon_files import square, write_layer

CLASSES = draw(64, 96)


def shares(out: Path) -> dict[int, float]:
    """Return the share of each label value in the source's training tiles."""
    labels = np.stack([np.array(Image.open(file)) for file in sorted((out / "source" / "train" / "ann_dir").iterdir())])
    return {int(value): float((labels == value).mean()) for value in np.unique(labels)}


def scene(folder: Path) -> Path:
    image = folder / "img" / "a.tif"
    write_scene(image, None, CLASSES, crs=UTM, transform=tuple(PLACE)[:6])
    return image


def test_classes_edited_in_the_table_of_a_shapefile(tmp_path: Path) -> None:
    pytest.importorskip("fiona")
    scene(tmp_path)
    x0, y1 = PLACE.c, PLACE.f
    left, right = square(x0, y1 - 128, x0 + 96, y1), square(x0 + 96, y1 - 128, x0 + 192, y1)
    file = tmp_path / "all.shp"
    write_layer(file, ("0", left), ("1", right), driver="ESRI Shapefile", column="cls")
    labels = 'path = "all.shp"\nkind = "polygons"\ncolumn = "cls"'
    bench = write_bench(tmp_path, 'images = "img"\nval_share = 0', labels)
    bench.write_text(bench.read_text().replace("[0]", '["0"]').replace("[1]", '["1"]'))
    out, _ = prepare(bench)
    before = {tile.name: np.array(Image.open(tile)) for tile in (out / "source/train/ann_dir").iterdir()}
    # Only the table changes, and it keeps its size and its time: the two classes are exchanged.
    table = file.with_suffix(".dbf")
    stat, content = table.stat(), bytearray(table.read_bytes())
    ends = [index for index, byte in enumerate(content) if byte in b"01" and index > len(content) - 170]
    assert len(ends) == 2
    for index in ends:
        content[index] ^= 1
    table.write_bytes(content)
    os.utime(table, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    prepare(bench)
    for name, label_HW in before.items():
        after_HW = np.array(Image.open(out / "source/train/ann_dir" / name))
        assert {*np.unique(label_HW)} <= {0, 1}
        assert (after_HW == 1 - label_HW).all()


def _sidecar_with_nodata(folder: Path) -> None:
    (folder / "lab" / "a.tif.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>1</NoDataValue></PAMRasterBand></PAMDataset>'
    )


def _mask_without_the_first_half(folder: Path) -> None:
    mask = np.full(CLASSES.shape, 255, np.uint8)
    mask[:, :48] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        write_raster(folder / "m.tif", CLASSES, mask=mask)
    os.rename(folder / "m.tif.msk", folder / "lab" / "a.tif.msk")


def _same_size_and_time(folder: Path) -> None:
    file = folder / "lab" / "a.tif"
    stat = file.stat()
    write_raster(file, 1 - CLASSES)
    assert file.stat().st_size == stat.st_size
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("change", [_sidecar_with_nodata, _mask_without_the_first_half, _same_size_and_time])
def test_labels_whose_sidecar_or_content_changes(tmp_path: Path, change: Callable[[Path], None]) -> None:
    scene(tmp_path)
    (tmp_path / "lab").mkdir()
    write_raster(tmp_path / "lab" / "a.tif", CLASSES)
    bench = write_bench(tmp_path, 'images = "img"\nval_share = 0', 'path = "lab"\nsuffix = ".tif"')
    bench.write_text(bench.read_text().replace("roof = [1]", "roof = [1, 2]").replace("field = [0]", "field = [0, 3]"))
    out, _ = prepare(bench)
    assert count_pixels(out, "source/train")[1] == 0
    before = shares(out)
    change(tmp_path)
    if change is _sidecar_with_nodata:
        # Now that 1 is no data, the class roof is gone, which is refused: the tiles were cut again.
        from rs_adapt.errors import DataError

        with pytest.raises(DataError, match="roof"):
            prepare(bench)
        return
    prepare(bench)
    assert shares(out) != before
    if change is _same_size_and_time:
        right, wrong = count_pixels(out, "source/train")
        assert (right, wrong) == (0, CLASSES.size)


def test_label_part_of_a_vrt_that_changes(tmp_path: Path) -> None:
    scene(tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "parts").mkdir()
    part = write_raster(tmp_path / "parts" / "p.tif", 1 - CLASSES)
    rasterio.shutil.copy(part, tmp_path / "lab" / "a.vrt", driver="VRT")
    bench = write_bench(tmp_path, 'images = "img"\nval_share = 0', 'path = "lab"\nsuffix = ".vrt"')
    out, _ = prepare(bench)
    assert count_pixels(out, "source/train") == (0, CLASSES.size)
    write_raster(part, CLASSES)
    prepare(bench)
    assert count_pixels(out, "source/train") == (CLASSES.size, 0)


def test_world_file_that_is_written_later(tmp_path: Path) -> None:
    image = tmp_path / "img" / "a.png"
    write_scene(image, None, CLASSES)
    (tmp_path / "lab").mkdir()
    write_raster(tmp_path / "lab" / "a.tif", np.roll(CLASSES, 8, axis=1), crs=UTM, transform=PLACE)
    bench = write_bench(tmp_path, 'images = "img"\nval_share = 0', 'path = "lab"\nsuffix = ".tif"')
    out, _ = prepare(bench)
    assert count_pixels(out, "source/train")[1] > 0
    # The image begins 8 px further right than the label: now that is known, they fit except for the edge.
    write_world_file(image.with_suffix(".pgw"), PLACE @ PLACE.translation(8, 0))
    prepare(bench)
    right, wrong = count_pixels(out, "source/train")
    assert (right, wrong) == (64 * 88, 0)
