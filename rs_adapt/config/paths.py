"""Paths of configs, data manifests, the cache folder, data sets, base weights and prepared tiles.

Environment variables: `RS_ADAPT_CONFIGS` (a different folder of axis files), `RS_ADAPT_HOME` (cache; default
`~/.cache/rs-adapt`), `RS_ADAPT_DATA` (data root; default `./data`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.errors import ConfigError
from rs_adapt.path_names import path_name

if TYPE_CHECKING:
    from rs_adapt.config.facts import BenchFacts, WeightsFacts

PACKAGE_DIR = Path(__file__).resolve().parents[1]


@functools.cache
def _shipped(in_wheel: str, in_checkout: str) -> Path:
    # A checkout never holds the wheel's folder, so looking there first cannot find a stale copy; the reverse could find
    # an unrelated `configs` folder beside an installed package.
    inside = PACKAGE_DIR / in_wheel
    return inside if inside.is_dir() else PACKAGE_DIR.parent / in_checkout


def configs_dir() -> Path:
    """Return the folder that holds one subfolder of config files per axis.

    Raises:
        ConfigError: `RS_ADAPT_CONFIGS` is set to something other than a folder.
    """
    given = os.environ.get("RS_ADAPT_CONFIGS")
    if not given:
        return _shipped("_configs", "configs")
    folder = Path(given).expanduser().resolve()
    if not folder.is_dir():
        raise ConfigError(
            f"RS_ADAPT_CONFIGS is {given}, which is not a folder. Unset it, or set it to a copy of `configs/`."
        )
    return folder


def manifests_dir() -> Path:
    """Return the folder that holds the data manifests (`<name>.toml`)."""
    return _shipped("_data", "data")


@functools.cache
def how_to_get(manifest: str) -> str:
    """Return the sentence of a data manifest on how to get its files; empty for data without a manifest."""
    path = manifests_dir() / f"{path_name(manifest, what='bench.data')}.toml"
    return str(tomllib.loads(path.read_text(encoding="utf-8"))["how_to_get"]) if path.is_file() else ""


def home() -> Path:
    """Return the cache folder for weights and prepared tiles, absolute; it need not exist yet."""
    return _absolute(os.environ.get("RS_ADAPT_HOME") or "~/.cache/rs-adapt")


def downloads_dir(manifest: str) -> Path:
    """Return the folder of a data set's archives, as they were downloaded."""
    return home() / "downloads" / path_name(manifest, what="The name of a data set")


def weights_dir() -> Path:
    """Return the folder of downloaded base weights."""
    return home() / "weights"


def shipped_weights_dir() -> Path:
    """Return the folder of the base weights that come with the package."""
    return PACKAGE_DIR / "backbones" / "shipped"


def weights_file(facts: WeightsFacts) -> Path:
    """Return the path of the file that a backbone's `weights` facts name: in the package, or in the cache folder."""
    folder = shipped_weights_dir() if facts.get("shipped") else weights_dir()
    return folder / path_name(str(facts["file"]), what="backbone.weights.file")


def data_root(given: str | os.PathLike[str] | None = None) -> Path:
    """Return the absolute data root: `given`, else `RS_ADAPT_DATA`, else `./data`."""
    return _absolute(given or os.environ.get("RS_ADAPT_DATA") or "data")


def prepared_dir(bench: BenchFacts, root: str | os.PathLike[str]) -> Path:
    """Return the folder of the prepared tiles of a bench with `prepare` facts.

    Both directions of a family share the folder. A change of the scene facts or the tile size gives a different one;
    for tiles cut from a user's images, so does a different data root.

    Args:
        bench: The facts of the bench; `prepare` must not be None.
        root: The data root.
    """
    # A sentence for the user does not change the tiles, so rewording it must not cut them again.
    prepare = bench["prepare"]
    assert prepare is not None
    scenes = {key: value for key, value in prepare.items() if key != "how_to_get"}
    facts = {"prepare": scenes, "tile_px": bench["tile_px"]}
    if prepare["kind"] in ("images", "velocity_files", "image_files", "region_images"):
        facts["data_root"] = str(_absolute(root))
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return home() / "prepared" / f"{path_name(bench['family'], what='bench.family')}-{digest[:8]}"


def _absolute(path: str | os.PathLike[str]) -> Path:
    return Path(path).expanduser().resolve()
