from __future__ import annotations

import os
import pickle
from pathlib import Path

from rs_adapt.datasets.steps.decoded_tiles import MAX_BYTES, DecodedTiles


def kept(tmp_path: Path, num_tiles: int, num_bytes: int) -> tuple[DecodedTiles[str], list[str | None]]:
    tiles: DecodedTiles[str] = DecodedTiles(num_tiles)
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text(path.name)
        tiles.keep(str(path), path.name, num_bytes)
    return tiles, [tiles.find(str(path)) for path in paths]


def test_a_small_set_is_kept_and_of_a_large_one_the_last_tile(tmp_path: Path) -> None:
    assert kept(tmp_path, 4, MAX_BYTES // 4)[1] == ["a", "b", "c"]
    assert kept(tmp_path, 4, MAX_BYTES // 4 + 1)[1] == [None, None, "c"]


def test_a_changed_file_is_not_found(tmp_path: Path) -> None:
    tiles, _ = kept(tmp_path, 4, 1)
    (tmp_path / "b").write_text("longer")
    os.utime(tmp_path / "c", ns=(0, 0))
    assert [tiles.find(str(tmp_path / name)) for name in "abc"] == ["a", None, None]


def test_copies_for_other_processes_begin_empty(tmp_path: Path) -> None:
    tiles, _ = kept(tmp_path, 4, 1)
    copy = pickle.loads(pickle.dumps(tiles))
    assert copy.num_tiles == 4
    assert copy.find(str(tmp_path / "a")) is None
