"""Keys of a resolved configuration that version 0.1.0 did not store; its runs stay the same runs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from rs_adapt.config import axis_files, paths
from rs_adapt.config.execution import RUNTIME_DEFAULTS
from rs_adapt.config.facts import ABSENT_CLASSES, AbsentClasses
from rs_adapt.config.literals import read_literals
from rs_adapt.config.names import normalize
from rs_adapt.errors import ConfigError


def absent_classes_of(protocol: str) -> AbsentClasses:
    """Return what a class without true pixels counts under a protocol, by the protocol's file; loads no mmengine.

    Args:
        protocol: Name of the protocol; under one without a file such a class is left out.
    """
    stem = normalize(protocol)
    if stem not in axis_files.stems("protocol"):
        return "left_out"
    path = paths.configs_dir() / "protocol" / f"{stem}.py"
    return _read_rule(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read_rule(path: Path, _mtime_ns: int) -> AbsentClasses:
    """Return the rule in a protocol's file, or in the file that it is based on."""
    try:
        content = read_literals(path, remedy="Fix the file.").values
    except ConfigError:
        # A file of your own may compute its values.
        content = axis_files.read_file("protocol", path.stem)
    stated = content.get("protocol", {}).get("absent_classes")
    base = content.get("_base_")
    if stated is None and isinstance(base, str) and (path.parent / base).is_file():
        return _read_rule(path.parent / base, (path.parent / base).stat().st_mtime_ns)
    return stated if stated in ABSENT_CLASSES else "left_out"


def absent_classes_in(protocol: Mapping[str, Any]) -> AbsentClasses:
    """Return what a class without true pixels counts under the `protocol` of a resolved configuration."""
    stated: AbsentClasses | None = protocol.get("absent_classes")
    return stated or absent_classes_of(str(protocol.get("name")))


def without_added_keys(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved configuration without keys that older versions did not store, where they change nothing.

    A configuration without such a key means the value that it has in `_implied_values`; a different value stays.
    """
    dropped: dict[str, Any] = _drop(dict(tree), _implied_values(tree))
    return dropped


def _implied_values(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of keys that a configuration without them stands for."""
    protocol, bench, cell = (_table(tree, key) for key in ("protocol", "bench", "cell"))
    pipeline = _table(bench, "pipeline")
    head = _table(_table(_table(tree, "model"), "segmentor") or _table(tree, "model"), "decode_head")
    distorted = pipeline.get("photometric_unlabelled", pipeline.get("photometric"))
    return {
        # The protocol's rule.
        "absent_classes": absent_classes_of(str(protocol.get("name"))),
        # One switch for both pipelines, and the teacher labelled what came out. What nobody distorts has one view.
        "photometric_unlabelled": pipeline.get("photometric"),
        "teacher_view": "distorted" if distorted and cell.get("setting") == "da" else protocol.get("teacher_view"),
        # Half of the classes of each image.
        "mix_classes": "image",
        # No changes of the look of labelled images, and nothing pasted onto the source.
        **dict.fromkeys(("band_match", "band_jitter", "random_convolution", "back_weight", "class_match"), 0.0),
        # All samples by their classes, where there is such a sampling.
        "drawn_share": 1.0,
        # Images of both regions in their own pixels.
        "match_gsd": False,
        # No rule by type, which is one for Mask2Former alone: the names of all other norms say what they are.
        "norm_decay_mult": None if "num_queries" in head else 0.0,
        **RUNTIME_DEFAULTS,
        # Background of every mask. Heads without masks do not ask.
        "ignored_pixels": "background" if "ignored_pixels" in head else protocol.get("ignored_pixels"),
    }


def _table(tree: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = tree.get(key)
    return value if isinstance(value, Mapping) else {}


def _drop(value: Any, implied: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        kept = {
            key: _drop(inner, implied)
            for key, inner in value.items()
            if not (key in implied and isinstance(inner, str | bool | float | None) and inner == implied[key])
        }
        # A table of such keys alone was not stored either.
        return {key: inner for key, inner in kept.items() if key != "style" or inner}
    return type(value)(_drop(inner, implied) for inner in value) if isinstance(value, list | tuple) else value
