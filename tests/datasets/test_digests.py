"""Digests of tiles: of their pixels and nothing else, and never of a state before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rs_adapt.datasets import digests as module
from rs_adapt.datasets.checks import check_tiles
from rs_adapt.datasets.digests import digest_tiles
from rs_adapt.datasets.tile_dataset import TileDataset
from rs_adapt.datasets.tile_files import list_tiles
from rs_adapt.errors import DataError
from rs_adapt.runs.records import data_facts


@pytest.fixture
def settings(write_tiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("RS_ADAPT_HOME", str(tmp_path / "home"))
    return {"img_suffix": ".png", "ann_suffix": ".png", **write_tiles()}


def repaint(folder: str, name: str, change: Any, **how: Any) -> None:
    path = Path(folder) / name
    with Image.open(path) as image:
        pixels = np.array(image)
    Image.fromarray(change(pixels)).save(path, **how)


def test_tiles_are_those_of_the_data_set(settings: dict[str, Any]) -> None:
    (Path(settings["img_dir"]) / ".hidden.png").write_bytes(b"")
    (Path(settings["ann_dir"]) / ".hidden.png").write_bytes(b"")
    for spread in (None, 1, 3):
        dataset = TileDataset(**settings, spread=spread)
        files = list_tiles({**settings, "spread": spread})
        infos = [dataset.get_data_info(index) for index in range(len(dataset))]
        assert [(str(tile.image), str(tile.label)) for tile in files] == [
            (info["img_path"], info["seg_map_path"]) for info in infos
        ]


def test_pixels_count_and_their_encoding_does_not(settings: dict[str, Any]) -> None:
    before = digest_tiles(settings)
    repaint(settings["img_dir"], "1.png", lambda pixels: pixels, compress_level=0)
    assert digest_tiles(settings) == before
    repaint(settings["ann_dir"], "1.png", lambda pixels: pixels + 1)
    after = digest_tiles(settings)
    assert [name for name in before if before[name] != after[name]] == ["1"]
    assert before["1"][0] == after["1"][0]
    assert data_facts(before).sha256 != data_facts(after).sha256


def test_an_edit_that_restores_size_and_time_is_seen(settings: dict[str, Any]) -> None:
    repaint(settings["ann_dir"], "1.png", lambda pixels: pixels, compress_level=0)
    before, path = digest_tiles(settings), Path(settings["ann_dir"]) / "1.png"
    stat = path.stat()
    repaint(settings["ann_dir"], "1.png", lambda pixels: pixels + 1, compress_level=0)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert digest_tiles(settings) != before


def test_a_palette_counts_as_the_colours_that_it_gives(settings: dict[str, Any]) -> None:
    path = Path(settings["img_dir"]) / "0.png"
    digests = []
    for colour in (10, 200):
        image = Image.fromarray(np.zeros((8, 8), np.uint8)).convert("P")
        image.putpalette([colour] * 768)
        image.save(path)
        digests.append(digest_tiles(settings)["0"])
    assert digests[0] != digests[1]


def test_masks_count_where_no_labels_are_read(settings: dict[str, Any]) -> None:
    settings["ann_dir"] = None
    before = digest_tiles(settings)
    folder = Path(settings["img_dir"]).parent / "valid_dir"
    folder.mkdir()
    Image.fromarray(np.eye(8, dtype=np.uint8)).save(folder / "2.png")
    after = digest_tiles(settings)
    assert [name for name in before if before[name] != after[name]] == ["2"]


def test_what_was_checked_is_not_decoded_again(
    settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_tiles(TileDataset(**settings), tmp_path / "checks")
    decoded: list[Path] = []
    original = module._digest_file
    monkeypatch.setattr(module, "_digest_file", lambda path: decoded.append(path) or original(path))
    first = digest_tiles(settings)
    assert decoded == []
    # A new process without the cache comes to the same.
    for file in (tmp_path / "home" / "digests").iterdir():
        file.write_text("{ half")
    module._cache_of.cache_clear()
    assert digest_tiles(settings) == first
    assert len(decoded) == 8


def test_a_cache_that_cannot_be_written_stops_nothing(settings: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "digests").write_text("a file where the folder should be")
    assert len(digest_tiles(settings)) == 4


def test_a_damaged_file_is_named(settings: dict[str, Any]) -> None:
    (Path(settings["img_dir"]) / "3.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"Cannot read .*img_dir/3\.png"):
        digest_tiles(settings)
