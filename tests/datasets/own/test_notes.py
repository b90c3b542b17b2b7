"""Sentences on scenes that are not as one would expect: the bands that are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_benches import draw, prepare, write_bench, write_scene

from rs_adapt.scenes import write_geotiff


@pytest.mark.parametrize(
    ("num_bands", "stated", "expected"),
    [(4, "", 1), (3, "", 0), (4, "bands = [3, 2, 1]", 0)],
    ids=["four bands", "three bands", "stated"],
)
def test_bands_that_nobody_chose_are_named(tmp_path: Path, num_bands: int, stated: str, expected: int) -> None:
    write_scene(tmp_path / "src" / "a.png", tmp_path / "lab" / "a.png", draw(128, 128))
    (tmp_path / "tgt").mkdir()
    values = np.random.default_rng(0).integers(300, 3000, (64, 64, num_bands), dtype=np.uint16)
    write_geotiff(tmp_path / "tgt" / "b.tif", values)
    labels = 'path = "lab"\nsuffix = ".png"\nkind = "values"'
    bench = write_bench(tmp_path, 'images = "src"\nval_share = 0', labels, target=f'images = "tgt"\n{stated}')
    _, contents = prepare(bench)
    lines = [note for note in contents.regions["target"].notes if note.startswith("bands ")]
    assert len(lines) == expected
    assert all(line.startswith("bands 1, 2 and 3 of 4 are read as red, green and blue") for line in lines)
