from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rs_adapt.config import paths, resolve_cell
from rs_adapt.config.cell import default_run_dir
from rs_adapt.errors import ConfigError

BENCH: dict[str, Any] = {"family": "synthetic", "tile_px": 128, "prepare": {"kind": "synthetic", "seed": 0}}


def test_configs_and_manifests_are_found() -> None:
    assert (paths.configs_dir() / "runtime" / "default.py").is_file()
    assert paths.manifests_dir().is_dir()


def test_configs_can_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(tmp_path))
    assert paths.configs_dir() == tmp_path
    monkeypatch.setenv("RS_ADAPT_CONFIGS", str(tmp_path / "missing"))
    with pytest.raises(ConfigError, match="RS_ADAPT_CONFIGS is .*missing, which is not a folder"):
        paths.configs_dir()


def test_home_follows_the_environment(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert paths.home() == own_home
    assert paths.weights_dir() == own_home / "weights"
    monkeypatch.delenv("RS_ADAPT_HOME")
    assert paths.home() == Path("~/.cache/rs-adapt").expanduser().resolve()


def test_data_root_is_absolute_and_the_argument_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.data_root() == tmp_path / "data"
    monkeypatch.setenv("RS_ADAPT_DATA", "elsewhere")
    assert paths.data_root() == tmp_path / "elsewhere"
    assert paths.data_root("given") == tmp_path / "given"


def test_prepared_folder_follows_the_facts(own_home: Path) -> None:
    folder = paths.prepared_dir(BENCH, "a")
    assert folder.parent == own_home / "prepared"
    assert folder.name.startswith("synthetic-")
    assert len(folder.name) == len("synthetic-") + 8
    assert folder == paths.prepared_dir(dict(reversed(BENCH.items())), "b")
    assert folder == paths.prepared_dir({**BENCH, "prepare": {**BENCH["prepare"], "how_to_get": "Ask."}}, "a")
    assert folder != paths.prepared_dir({**BENCH, "tile_px": 64}, "a")
    assert folder != paths.prepared_dir({**BENCH, "prepare": {"kind": "synthetic", "seed": 1}}, "a")


def test_tiles_cut_from_images_depend_on_the_data_root() -> None:
    images = {**BENCH, "prepare": {"kind": "images"}}
    assert paths.prepared_dir(images, "a") != paths.prepared_dir(images, "b")


def test_run_folder_names_every_axis() -> None:
    cell = resolve_cell("loveda-da", seed=3)
    expected = "work_dirs/loveda_r2u/da/dinov2_l-mask2former/earth_adapter/dacs/seed3"
    assert default_run_dir(cell) == Path(expected)
    untuned = resolve_cell("loveda-da", seed=3, tuned=False)
    assert default_run_dir(untuned) == Path(expected.replace("earth_adapter", "earth_adapter-untuned"))
