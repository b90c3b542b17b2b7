"""The identity of a cell: all that changes its result (configuration, data manifest, base weights)."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pydantic import JsonValue

from rs_adapt.config import paths
from rs_adapt.config.added_keys import without_added_keys
from rs_adapt.config.facts import WeightsFacts
from rs_adapt.config.plugin_methods import plugins_of
from rs_adapt.config.sameness import IGNORED, PLACES, flatten, name_places
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.weights_files import published_facts

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

# JSON values by dotted key.
Identity: TypeAlias = Mapping[str, JsonValue]

# Version 0.1.0 hashed manifests with their notes.
_IGNORED_IN_0_1_0 = tuple(key for key in IGNORED if key != "note")
# Bytes at the start and at the end that identify a file without a published checksum.
_EDGE_BYTES = 2**20


def config_identity(cfg: ResolvedConfig) -> Identity:
    """Return all that changes the result of a resolved configuration, as dotted keys with JSON values.

    To the configuration's own keys are added `data.<name>`, a hash of each data set's manifest (classes, splits,
    archives' checksums), `plugin.<name>`, the SHA-256 of each plugin that the method comes from, and `weights`, the
    published checksum of the base weights or a hash of the file's size, start and end. The folders of data, cache and
    run are left out.
    """
    tree = {key: value for key, value in without_added_keys(cfg.to_dict()).items() if key not in PLACES}
    segmentor = segmentor_config(tree)
    backbone, head = segmentor["backbone"], segmentor["decode_head"]
    weights = _identify_weights(backbone.pop("weights", None), cfg.backbone.to_dict().get("weights"))
    if (text := head.pop("text_weights", None)) is not None:
        head["text_weights"] = _identify_weights(text, published_facts(text))
    names = {cfg.get("prepared_dir"): "<tiles>", cfg.data_root: "<data>", str(paths.home()): "<home>"}
    flat = flatten(name_places(tree, {path: name for path, name in names.items() if path}))
    sets = cfg.bench.get("data") or []
    manifests = {f"data.{name}": _hash_manifest(name) for name in ([sets] if isinstance(sets, str) else sets)}
    plugins = {f"plugin.{plugin.name}": plugin.sha256 for plugin in plugins_of(cfg.cell.method)}
    return flat | manifests | plugins | {"weights": weights}


def hash_identity(identity: Identity) -> str:
    """Return the identity's hash, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def with_current_manifests(identity: Identity) -> Identity:
    """Return a stored identity in which a hash of a data manifest with its note is replaced by the one without it."""
    names = [key.removeprefix("data.") for key in identity if key.startswith("data.")]
    same = [name for name in names if identity[f"data.{name}"] == _hash_manifest(name, ignored=_IGNORED_IN_0_1_0)]
    return {**identity, **{f"data.{name}": _hash_manifest(name) for name in same}}


def describe_difference(before: Identity, now: Identity, *, max_keys: int = 2) -> str:
    """Describe the difference between two identities, at most `max_keys` keys; empty if there is none."""
    changed = [key for key in sorted({*before, *now}) if before.get(key) != now.get(key)]
    lines = [f"{key}: {_shorten(before.get(key))} -> {_shorten(now.get(key))}" for key in changed[:max_keys]]
    if len(changed) > max_keys:
        lines.append(f"and {len(changed) - max_keys} more")
    return ", ".join(lines)


def _hash_manifest(name: str, *, ignored: Sequence[str] = IGNORED) -> str | None:
    path = paths.manifests_dir() / f"{name}.toml"
    if not path.is_file():
        return None
    facts = name_places(tomllib.loads(path.read_text(encoding="utf-8")), {}, ignored=ignored)
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _identify_weights(weights: str | None, facts: WeightsFacts | None) -> str:
    if weights in (None, "random"):
        return "random"
    path = Path(str(weights))
    if facts and path == paths.weights_file(facts):
        return str(facts.get("base_sha256") or facts.get("sha256") or facts["file"])
    if not path.is_file():
        return path.name
    size = path.stat().st_size
    with path.open("rb") as file:
        edges = file.read(_EDGE_BYTES)
        file.seek(max(0, size - _EDGE_BYTES))
        edges += file.read(_EDGE_BYTES)
    return hashlib.sha256(str(size).encode() + edges).hexdigest()[:16]


def _shorten(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
