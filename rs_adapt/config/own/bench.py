"""A bench of your own: a TOML that names folders of scenes, and becomes the same facts as a file in `configs/bench/`.

`rs-adapt data init` writes a commented example (`own_bench.toml` beside this file); docs/start/own-data.md lists the
keys.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config import paths
from rs_adapt.config.own import labels as own_labels
from rs_adapt.config.tasks import CAPTIONS
from rs_adapt.documents import DocumentError, parse_json, parse_toml, read_bytes
from rs_adapt.errors import ConfigError, DataNotFound
from rs_adapt.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_adapt.config.facts import BenchFacts, ConfigNode, Domain
    from rs_adapt.config.own.bench_file import BenchFile, RegionTable
    from rs_adapt.config.own.labels import Classes, Role
    from rs_adapt.config.region_facts import RegionFacts, SplitFacts

SUFFIXES = (".toml", ".json")
IGNORE = 255
TEMPLATE = Path(__file__).with_suffix(".toml")
_VAL_SHARE = 0.2
# A text in double quotes with a backslash, as paths of Windows have them.
_BACKSLASH = re.compile(r'=\s*\[?\s*"[^"\n]*\\')
_BACKSLASH_HINT = " Write the folders of a path with /, such as C:/data/images, or the path in single quotes."


def is_own(bench: str) -> bool:
    """Return whether a bench's name is the path of a file."""
    return bench.endswith(SUFFIXES)


def find(path: str) -> str:
    """Return the absolute path of a bench's file.

    Raises:
        DataNotFound: There is no such file.
    """
    file = Path(path).expanduser().resolve()
    if not os.path.isfile(file):
        raise DataNotFound(f"There is no bench file {file}. `rs-adapt data init NAME` writes one to fill in.")
    return str(file)


def peek(path: str) -> ConfigNode:
    """Return what the file of a bench means, as `axes.peek` does; only to be read.

    The content of a pack, as `save_content` writes it, names folders of the machine that trained it. They are looked
    for where they are read, because a model is built, exported and looked into without them.

    Raises:
        DataNotFound: The file, or a folder that it names, does not exist.
        ConfigError: A key or value is not usable; the text names the file and the key.
    """
    file = Path(find(path))
    return _read(file, file.stat().st_mtime_ns, file.parent != _saved_dir().resolve())


def without_folders(path: str) -> str:
    """Return the path of a bench's file with the same content, of which only the folders that are read have to exist.

    Raises:
        DataNotFound: There is no such file.
        ConfigError: A key or value is not usable.
    """
    file = Path(find(path))
    own: ConfigNode = _read(file, file.stat().st_mtime_ns, False)["bench"]["own"]
    return save_content(own)


def without_source(path: str) -> str:
    """Return the path of a bench's file for a run that reads no source, whose folders may be missing.

    It is the path itself if all folders exist, else that of `without_folders`; missing folders of the target are
    reported when their tiles are made.

    Raises:
        DataNotFound: There is no such file.
        ConfigError: A key or value is not usable.
    """
    try:
        peek(path)
    except DataNotFound:
        return without_folders(path)
    return path


def save_content(given: Mapping[str, object]) -> str:
    """Write the content of a bench's file, as a pack holds it, into the cache folder and return the path."""
    text = json.dumps(given, indent=1, sort_keys=True) + "\n"
    path = _saved_dir() / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    return str(path)


def _saved_dir() -> Path:
    return paths.home() / "benches"


@lru_cache(maxsize=16)
def _read(file: Path, _mtime_ns: int, check_folders: bool) -> ConfigNode:
    try:
        text = read_bytes(file)
        given = parse_json(text) if file.suffix == ".json" else parse_toml(text)
    except DocumentError as error:
        hint = _BACKSLASH_HINT if _BACKSLASH.search(text.decode(errors="replace")) else ""
        raise ConfigError(f"{file} cannot be read: {error}. It must be a TOML file in UTF-8.{hint}") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error
    if not isinstance(given, dict):
        raise ConfigError(f"{file} must hold a table of keys.")
    return bench_content(given, file, check_folders=check_folders)


def bench_content(given: ConfigNode, file: Path, *, check_folders: bool = True) -> ConfigNode:
    """Return what a bench's file means: `bench` and `optim`, as a file of `configs/bench/` holds them.

    Args:
        given: The table that the file holds.
        file: Its path, for messages and for paths that are relative to it.
        check_folders: Whether the folders that it names have to exist.

    Raises:
        DataNotFound: A folder that it names does not exist.
        ConfigError: A key or value is not usable.
    """
    if given.get("task") == CAPTIONS:
        from rs_adapt.config.own.captions_file import captions_content

        return captions_content(given, file, check_folders=check_folders)
    from rs_adapt.config.own.bench_file import BenchFile
    from rs_adapt.validation import parse_as

    parsed = parse_as(BenchFile, given, file=str(file))
    root = Path(parsed.root or file.parent).expanduser()
    classes = own_labels.read_classes(parsed, file)
    domains: dict[Domain, ConfigNode] = {
        "source": _domain(parsed.source, "source", root, classes, file, check_folders),
        "target": _domain(parsed.target, "target", root, classes, file, check_folders),
    }
    if domains["source"]["labels"] is None:
        raise ConfigError(f"{file}: [source.labels] is missing. Training learns from the source, so it needs labels.")
    if domains["source"]["name"] == domains["target"]["name"]:
        raise ConfigError(f"{file}: source and target have the same name {domains['source']['name']!r}.")
    return {
        "bench": {**_bench(parsed, classes, domains, root), "own": given | {"root": str(root)}},
        "optim": {"lr": parsed.train.lr, "weight_decay": 0.05, "poly_power": 0.9},
    }


def _bench(file: BenchFile, classes: Classes, domains: dict[Domain, ConfigNode], root: Path) -> BenchFacts:
    train = file.train
    crop_px = file.crop_px or file.tile_px
    return {
        "name": file.name,
        "family": file.name,
        "direction": "",
        "default": True,
        "title": file.name if file.title is None else file.title,
        "data": [],
        "classes": classes.names,
        "palette": classes.palette,
        "reduce_zero_label": False,
        "ignore_index": IGNORE,
        "gsd_m": domains["target"]["gsd_m"] or file.gsd_m,
        "tile_px": file.tile_px,
        "crop_px": crop_px,
        "img_suffix": ".png",
        "ann_suffix": ".png",
        "source": _region(domains["source"]),
        "target": _region(domains["target"]),
        "pipeline": {
            "resize_ratio": train.resize_ratio,
            "cat_max_ratio": 0.75,
            "flip_prob": 0.5,
            "photometric": train.photometric,
            "photometric_unlabelled": None,
            "fourier_mix": 0.0,
            "histogram_match": 0.0,
        },
        "schedule": {
            "iters": train.iters,
            "eval_every": train.eval_every or max(1, train.iters // 10),
            "batch_size": dict.fromkeys(("da", "dg", "ss"), train.batch_size),
        },
        "inference": {"mode": "slide", "crop_px": crop_px, "stride_px": max(1, crop_px * 2 // 3)},
        "defaults": {
            "method": train.method,
            "backbone": train.backbone,
            "head": train.head,
            # Of single trainings it gained most over the development pairs of docs/project/results-pairs.md.
            "strategies": {"da": "dacs_matched"},
        },
        "prepare": {
            "kind": "scenes",
            "source": domains["source"],
            "target": domains["target"],
            "classes": classes.names,
            "stride_px": file.stride_px or file.tile_px,
            # Left out where it is not given, like all later keys.
            **({} if file.parts is None else {"parts": [str((root / part).resolve()) for part in file.parts]}),
        },
    }


def _region(domain: ConfigNode) -> RegionFacts:
    name, labelled = domain["name"], domain["labels"] is not None
    splits: dict[str, SplitFacts] = {
        split: {"img_dir": f"{name}/{split}/img_dir", "ann_dir": f"{name}/{split}/ann_dir"}
        for split in ("train", "val")
    }
    # Where nothing is held out, the curve on the source is of its training tiles.
    scored = splits["train" if domain["val_share"] == 0 else "val"]
    return {"region": name, "train": splits["train"], "val": scored if labelled else None}


def _domain(
    region: RegionTable, role: Role, root: Path, classes: Classes, file: Path, check_folders: bool
) -> ConfigNode:
    from rs_adapt.config.own.bench_values import hint_at_path, show_path

    key, given = ("images", region.images) if region.files is None else ("files", region.files)
    place = root / Path(given or "").expanduser()
    # Unlike those of Path, these are False for a text that is too long for a name.
    if check_folders and not (os.path.isfile(place) or (key == "images" and os.path.isdir(place))):
        allowed = "neither a folder nor a file" if key == "images" else "not a file"
        hint = hint_at_path(place) or f" Enter where it is; a relative path starts at {show_path(root)}."
        raise DataNotFound(f"{file}: {role}.{key} names {show_path(place)}, which is {allowed}.{hint}")
    share = region.val_share
    if region.labels is not None and not region.val and share is None:
        share = _VAL_SHARE
    # A key that is not given leaves no trace: prepared tiles and saved configurations of before stay what they are.
    given_only: ConfigNode = {} if region.nodata is None else {"nodata": region.nodata}
    if region.files is not None:
        given_only["files"] = str(place.resolve())
    return {
        "name": region.name or role,
        "gsd_m": region.gsd_m,
        "images": str((place if region.files is None else place.parent).resolve()),
        "pattern": region.pattern,
        "bands": region.bands,
        "stretch": region.stretch,
        **given_only,
        "val": list(region.val),
        "val_share": share,
        "labels": own_labels.read_labels(region.labels, role, root, classes, file, check_folders=check_folders)
        if region.labels
        else None,
    }
