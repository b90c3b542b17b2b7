"""A bench of one's own: a TOML that names folders of scenes, and becomes the same facts as a file in `configs/bench/`.

`rs-adapt data init` writes a commented example (`own_bench.toml` beside this file); docs/start/own-data.md lists the
keys.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config import paths
from rs_adapt.config.own import labels as own_labels
from rs_adapt.config.own.keys import Keys
from rs_adapt.errors import ConfigError, DataNotFound
from rs_adapt.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

SUFFIXES = (".toml", ".json")
IGNORE = 255
TEMPLATE = Path(__file__).with_suffix(".toml")
_TOP = (
    "name",
    "title",
    "gsd_m",
    "tile_px",
    "stride_px",
    "crop_px",
    "root",
    "class",
    "bridge",
    "train",
    "source",
    "target",
)
_DOMAIN = ("name", "images", "pattern", "bands", "stretch", "gsd_m", "val", "val_share", "labels")
_TRAIN = ("backbone", "head", "method", "iters", "eval_every", "batch_size", "lr", "resize_ratio", "photometric")


def is_own(bench: str) -> bool:
    """Whether a bench's name is the path of a file."""
    return bench.endswith(SUFFIXES)


def find(path: str) -> str:
    """Return the absolute path of a bench's file.

    Raises:
        DataNotFound: there is none.
    """
    file = Path(path).expanduser().resolve()
    if not file.is_file():
        raise DataNotFound(
            f"There is no file {file}, which --bench names. `rs-adapt data init NAME` writes one to fill in."
        )
    return str(file)


def peek(path: str) -> Mapping[str, Any]:
    """Return what the file of a bench means, as `axes.peek` does; to be read only.

    Raises:
        DataNotFound: the file, or a folder that it names, does not exist.
        ConfigError: a key or value is not usable; the text names the file and the key.
    """
    file = Path(find(path))
    return _read(file, file.stat().st_mtime_ns)


def keep(given: Mapping[str, Any]) -> str:
    """Write what a bench's file said into the cache folder, for a pack that was trained on it; return the path."""
    text = json.dumps(given, indent=1, sort_keys=True) + "\n"
    path = paths.home() / "benches" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return str(path)


@lru_cache(maxsize=16)
def _read(file: Path, _mtime_ns: int) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        given = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (ValueError, OSError) as error:
        raise ConfigError(f"{file} cannot be read: {error}. It must be a TOML file in UTF-8.") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{file} must hold a table of keys.")
    return content(given, file)


def content(given: dict[str, Any], file: Path) -> dict[str, Any]:
    """Turn the file's table into the content of a bench file: `bench` and `optim`.

    Args:
        given: what the file holds.
        file: its path, for messages and for paths that are relative to it.

    Raises:
        DataNotFound: a folder that it names does not exist.
        ConfigError: a key or value is not usable.
    """
    top = Keys(given, file, "", _TOP)
    name = top.name("name")
    root = Path(top.text("root", str(file.parent))).expanduser()
    tile_px = top.whole("tile_px", 512, least=16)
    crop_px = top.whole("crop_px", tile_px, least=16, most=tile_px)
    classes, palette, bridge = own_labels.classes(top, file)
    domains = {
        key: _domain(top.table(key, _DOMAIN, needed=True), key, root, classes, bridge) for key in ("source", "target")
    }
    if domains["source"]["labels"] is None:
        raise ConfigError(f"{file}: [source.labels] is missing. The source is what is learnt from: it needs labels.")
    if domains["source"]["name"] == domains["target"]["name"]:
        raise ConfigError(f"{file}: source and target have the same name {domains['source']['name']!r}.")
    train = top.table("train", _TRAIN)
    size = {"tile_px": tile_px, "crop_px": crop_px, "stride_px": top.whole("stride_px", tile_px, least=1, most=tile_px)}
    return {
        "bench": _bench(name, top, size, classes, palette, domains, train) | {"own": given | {"root": str(root)}},
        "optim": {"lr": train.number("lr", 1e-4, above=0), "weight_decay": 0.05, "poly_power": 0.9},
    }


def _bench(
    name: str,
    top: Keys,
    size: Mapping[str, int],
    classes: list[str],
    palette: list[list[int]],
    domains: Mapping[str, dict[str, Any]],
    train: Keys,
) -> dict[str, Any]:
    iters = train.whole("iters", 20000, least=1)
    batch = train.whole("batch_size", 2, least=1)
    return {
        "name": name,
        "family": name,
        "direction": "",
        "default": True,
        "title": top.text("title", name),
        "data": [],
        "classes": classes,
        "palette": palette,
        "reduce_zero_label": False,
        "ignore_index": IGNORE,
        "gsd_m": domains["target"]["gsd_m"] or top.number("gsd_m", None, above=0),
        "tile_px": size["tile_px"],
        "crop_px": size["crop_px"],
        "img_suffix": ".png",
        "ann_suffix": ".png",
        **{key: _region(domain) for key, domain in domains.items()},
        "pipeline": {
            "resize_ratio": train.numbers("resize_ratio", [0.5, 2.0], count=2),
            "cat_max_ratio": 0.75,
            "flip_prob": 0.5,
            "photometric": train.flag("photometric", True),
            "fourier_mix": 0.0,
            "histogram_match": 0.0,
        },
        "schedule": {
            "iters": iters,
            "eval_every": train.whole("eval_every", max(1, iters // 10), least=1),
            "batch_size": {"da": batch, "dg": batch, "ss": batch},
        },
        "inference": {"mode": "slide", "crop_px": size["crop_px"], "stride_px": max(1, size["crop_px"] * 2 // 3)},
        "defaults": {
            "method": train.text("method", "earth_adapter"),
            "backbone": train.text("backbone", "dinov2_l"),
            "head": train.text("head", "mask2former"),
        },
        "prepare": {
            "kind": "scenes",
            "source": domains["source"],
            "target": domains["target"],
            "classes": classes,
            "stride_px": size["stride_px"],
        },
    }


def _region(domain: Mapping[str, Any]) -> dict[str, Any]:
    name, labelled = domain["name"], domain["labels"] is not None
    splits = {
        split: {"img_dir": f"{name}/{split}/img_dir", "ann_dir": f"{name}/{split}/ann_dir"}
        for split in ("train", "val")
    }
    return {"region": name, "train": splits["train"], "val": splits["val"] if labelled else None}


def _domain(keys: Keys, role: str, root: Path, classes: list[str], bridge: Mapping[str, Any] | None) -> dict[str, Any]:
    images = keys.folder("images", root)
    labels = own_labels.labels(keys, root, classes, bridge)
    held_out = keys.texts("val", [])
    share = keys.number("val_share", None, above=0, below=1)
    if held_out and share is not None:
        raise keys.error("val", f"and {keys.place('val_share')} say the same in two ways: keep one of them")
    if labels is not None and not held_out and share is None:
        share = 0.2
    if labels is None and (held_out or share is not None):
        raise keys.error("val", "has no meaning without labels to score on: leave it out")
    return {
        "name": keys.name("name", role),
        "gsd_m": keys.number("gsd_m", None, above=0),
        "images": str(images),
        "pattern": keys.text("pattern", "*"),
        "bands": keys.wholes("bands", None, count=3, least=1),
        "stretch": _stretch(keys),
        "val": held_out,
        "val_share": share,
        "labels": labels,
    }


def _stretch(keys: Keys) -> str | list[list[float]] | None:
    """None, "scene", or what becomes 0 and 255 in red, green and blue."""
    value = keys.given.get("stretch")
    if value is None or value == "scene":
        return value
    pairs = value if isinstance(value, list) and len(value) == 3 else [value] * 3
    if not all(_is_range(pair) for pair in pairs):
        raise keys.error(
            "stretch", f'is {value!r}; it must be [low, high], three of these for red, green and blue, or "scene"'
        )
    return [list(pair) for pair in pairs]


def _is_range(pair: Any) -> bool:
    return (
        isinstance(pair, list)
        and len(pair) == 2
        and all(isinstance(value, int | float) and not isinstance(value, bool) for value in pair)
        and pair[0] < pair[1]
    )
