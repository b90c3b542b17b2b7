"""Keys of a resolved configuration that version 0.1.0 did not store; its runs stay the same runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rs_adapt.config import axes
from rs_adapt.config.facts import AbsentClasses
from rs_adapt.errors import ConfigError


def absent_classes_of(protocol: str) -> AbsentClasses:
    """Return what a class without true pixels counts under a protocol, by the protocol's file.

    Args:
        protocol: Name of the protocol; under one without a file such a class is left out.
    """
    try:
        return axes.protocol_facts(axes.find("protocol", protocol)).get("absent_classes", "left_out")
    except ConfigError:
        return "left_out"


def absent_classes_in(protocol: Mapping[str, Any]) -> AbsentClasses:
    """Return what a class without true pixels counts under the `protocol` of a resolved configuration."""
    stated: AbsentClasses | None = protocol.get("absent_classes")
    return stated or absent_classes_of(str(protocol.get("name")))


def without_added_keys(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved configuration without keys that older versions did not store, where they change nothing.

    A configuration without such a key means the value in the protocol's file; a different value stays.
    """
    protocol = tree.get("protocol")
    name = protocol.get("name") if isinstance(protocol, Mapping) else None
    implied = {"absent_classes": absent_classes_of(str(name))}
    dropped: dict[str, Any] = _drop(dict(tree), implied)
    return dropped


def _drop(value: Any, implied: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _drop(inner, implied)
            for key, inner in value.items()
            if not (key in implied and isinstance(inner, str) and inner == implied[key])
        }
    return type(value)(_drop(inner, implied) for inner in value) if isinstance(value, list | tuple) else value
