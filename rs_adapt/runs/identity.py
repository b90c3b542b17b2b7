"""The identity of a run: all that changes its result except for the seed, read from the files of its folder.

Runs are seeds of one experiment only where their identities are equal. Names of the cell and texts of options are not
enough: a configuration file may have been edited between two runs, or the data may have changed. Versions, machines and
the places of folders are left out; `describe_environments` names the first two.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, TypeAlias

from pydantic import JsonValue

from rs_adapt.config.added_keys import without_added_keys
from rs_adapt.config.sameness import PLACES, flatten, name_places
from rs_adapt.config.segmentor import segmentor_path
from rs_adapt.errors import RsAdaptError
from rs_adapt.runs.data import ROLES

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode
    from rs_adapt.runs.records import Manifest
    from rs_adapt.runs.run import Run

# JSON values by dotted key; empty where the run has no configuration.
RunIdentity: TypeAlias = Mapping[str, JsonValue]

# Folders, logging and tools; the names of the cell, whose content is in other keys.
_NO_RESULT = frozenset({*PLACES, "custom_hooks", "default_scope", "cell"})
# What differs between seeds, defaults and conditions that were resolved, values that other keys hold, and which process
# holds what of the base.
_NO_RESULT_KEYS = frozenset(
    {"randomness.seed", "train_dataloader.dataset.seed", "bench.default", "bench.defaults", "bench.family"}
    | {"bench.name", "bench.settings", "method.tuned", "method.requires", "method.name", "strategy.settings"}
    | {"protocol.settings", "protocol.families", "backbone.weights", "runtime.sharding"}
)

# The keys from which all others follow, in the order in which differences are listed.
ORIGINS = (
    *("optim.", "bench.", "strategy.", "adapter.", "method.", "decode_head.", "head.", "backbone.", "weights"),
    *("runtime.", "protocol.", "plugin.", "data."),
)
_WORDS = {
    "optim.lr": "learning rate",
    "optim.weight_decay": "weight decay",
    "bench.schedule.iters": "iterations",
    "bench.schedule.eval_every": "iterations between evaluations",
    "runtime.precision": "precision",
    "weights": "base weights",
}
_MAX_CHARACTERS = 40
_HASH_DIGITS = 8


def identify(run: Run) -> RunIdentity:
    """Return all that changes the result of a run, except for its seed.

    To the keys of the configuration are added `data.<role>`, the fingerprint of each set of tiles as far as the run
    recorded them, `plugin.<name>`, the SHA-256 of each plugin that its method comes from, and `weights`, that of the
    base weights.

    Args:
        run: A run; its `config.py` and `manifest.json` are read.

    Returns:
        Values by dotted key; empty for a run without a readable `config.py`. The mean of trained models has none: its
        values are its members, with the identities of those that were found.
    """
    try:
        config = run.config
        manifest = run.manifest
    except RsAdaptError:
        return {}
    if not config and manifest is not None and manifest.averaged:
        return _identity_of_mean(run, manifest)
    if not config:
        return {}
    record = run.result or run.start
    data = {} if record is None else {f"data.{role}": facts.sha256 for role, facts in record.data.items()}
    flat = flatten(_without_places(config, portable=bool(data)))
    weights = str(flat.pop("adapted.weights", None))
    identity = {key: value for key, value in flat.items() if not _is_left_out(key)}
    own = PurePath(weights).name if manifest is None else manifest.base.sha256
    plugins = {} if run.start is None else {f"plugin.{facts.name}": facts.sha256 for facts in run.start.plugins}
    return {**identity, **data, **plugins, "weights": own}


def _identity_of_mean(run: Run, manifest: Manifest) -> RunIdentity:
    found = {
        member.manifest.tensors.sha256: member for member in run.members if member.manifest and member.manifest.tensors
    }
    packs = manifest.averaged
    equal = len({round(pack.share, 6) for pack in packs}) == 1
    names = [
        f"{'' if equal else f'{100 * pack.share:.3g} % '}{pack.cell.strategy.replace('_', '-')} ({pack.cell.setting})"
        for pack in packs
    ]
    settings: list[JsonValue] = [
        hash_identity(identify(found[pack.sha256])) if pack.sha256 in found else None for pack in packs
    ]
    return {"members": ", ".join(names), "settings of the members": settings}


def hash_identity(identity: RunIdentity) -> str:
    """Return the hash of an identity, 16 hexadecimal digits; empty for one that is not known."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16] if identity else ""


def differing_keys(identities: Sequence[RunIdentity]) -> list[str]:
    """Return the keys in which identities differ: those from which others follow, or all if it is none of these."""
    keys = sorted({key for identity in identities for key in identity})
    differing = [key for key in keys if len({json.dumps(identity.get(key)) for identity in identities}) > 1]
    origins = [key for start in ORIGINS for key in differing if key.startswith(start)]
    return origins or differing


def describe_values(identity: RunIdentity, keys: Sequence[str], *, max_keys: int = 2) -> str:
    """Return the values of some keys in words, such as `learning rate 0.001`; at most `max_keys` of them."""
    if not identity:
        return "configuration not known"
    parts = [f"{describe_key(key)} {describe_value(key, identity.get(key))}" for key in keys[:max_keys]]
    return ", ".join([*parts, *([f"and {len(keys) - max_keys} more"] if len(keys) > max_keys else [])])


def describe_difference(a: RunIdentity, b: RunIdentity, keys: Sequence[str]) -> list[str]:
    """Return how two identities differ in some keys, such as `learning rate (0.001, 0.01)`, one text for each key."""
    return [
        f"{describe_key(key)} ({describe_value(key, a.get(key))}, {describe_value(key, b.get(key))})" for key in keys
    ]


def describe_key(key: str) -> str:
    """Return a dotted key in words, where there are any."""
    if key.startswith("data."):
        role = key.removeprefix("data.")
        return ROLES.get(role, role)
    if key.startswith("plugin."):
        return key.replace(".", " ", 1)
    return _WORDS.get(key, key)


def describe_value(key: str, value: JsonValue) -> str:
    """Return the value of a key for a table, shortened; of a hash the first digits."""
    is_hash = key.startswith(("data.", "plugin.")) or key == "weights"
    if value is None and is_hash:
        return "not recorded"
    text = value if isinstance(value, str) else json.dumps(value)
    if is_hash:
        return text[:_HASH_DIGITS]
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 3]}..."


def describe_environments(runs: Iterable[Run]) -> list[str]:
    """Return the versions and kinds of device in which runs differ, such as `torch 2.12.0, 2.13.0`.

    They may move the last digits of a score, but are no settings of the experiment.
    """
    values: dict[str, set[str]] = {}
    for run in runs:
        facts = run.environment
        versions = {"rs-adapt": facts.rs_adapt, "torch": facts.packages.get("torch")}
        device = None if facts.device is None else "CPU" if facts.device.startswith("CPU") else facts.device
        for name, value in {**versions, "device": device}.items():
            if value is not None:
                values.setdefault(name, set()).add(value)
    return [f"{name} {', '.join(sorted(of))}" for name, of in values.items() if len(of) > 1]


def _is_left_out(key: str) -> bool:
    parts = key.split(".")
    prefixes = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return bool(prefixes & _NO_RESULT_KEYS)


def _without_places(config: ConfigNode, *, portable: bool) -> JsonValue:
    """Return a configuration without what no result depends on; the adapted model's parts have keys of their own.

    Args:
        config: The content of `config.py`.
        portable: Leave out absolute paths: fingerprints say which data were read.
    """
    tree = {key: value for key, value in without_added_keys(config).items() if key not in _NO_RESULT}
    path = segmentor_path(config)
    model = _copy_at(tree, path)
    backbone = dict(model.get("backbone") or {})
    weights, adapter = backbone.pop("weights", None), backbone.pop("adapter", None)
    head = model.pop("decode_head", None)
    if isinstance(head, dict) and isinstance(head.get("text_weights"), str):
        # The name, not the folder.
        head = {**head, "text_weights": PurePath(head["text_weights"]).name}
    model["backbone"] = backbone
    tree |= {"adapter": adapter, "decode_head": head, "adapted": {"weights": weights}}
    names = {config.get("prepared_dir"): "<tiles>", config.get("data_root"): "<data>"}
    places = {str(place): name for place, name in names.items() if place}
    return name_places(tree, places, elsewhere="<folder>" if portable else None)


def _copy_at(tree: ConfigNode, path: Sequence[str]) -> ConfigNode:
    """Return the node at a path, after copying all nodes on the way."""
    node = tree
    for key in path:
        node[key] = dict(node.get(key) or {})
        node = node[key]
    return node
