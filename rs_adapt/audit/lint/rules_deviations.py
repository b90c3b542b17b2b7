"""Rules on values that differ from the protocol, recipe or bench that a result names, or that were tuned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rs_adapt.audit.lint.changes import ABSENT, equal_values, lookup
from rs_adapt.audit.lint.finding import Hit
from rs_adapt.audit.lint.subject import Subject
from rs_adapt.config.facts import ConfigNode


def deviates_from_protocol(subject: Subject) -> Iterator[Hit]:
    """A value that differs from the file of the named protocol, or from the published recipe of the protocol."""
    protocol = subject.cfg["protocol"]
    name = protocol["name"]
    for change in subject.changed:
        if change.key.startswith("protocol."):
            yield Hit(
                level="warning",
                key=change.key,
                found=f"{name}, changed: {_text(change.now)} here, {_text(change.before)} in "
                f"configs/protocol/{name}.py",
                consequence=f"The result does not follow protocol {name}, although it names it.",
                remedy="Use a protocol that has this value, or leave it unchanged.",
            )
    for key, published in _recipe(protocol, subject.setting).items():
        now = lookup(subject.cfg, key)
        if not equal_values(now, published):
            yield Hit(
                level="warning",
                key=key,
                found=f"{_text(now)} here, {_text(published)} in the published recipe of {name}",
                consequence="The score does not compare with the one published for this recipe.",
                remedy=f"Set it to {_text(published)}, or report the difference with the score.",
            )


def deviates_from_bench(subject: Subject) -> Iterator[Hit]:
    """A value that can move scores and differs from the file of the bench, method, head, strategy or backbone."""
    # The rule above reports the keys of the recipe.
    in_recipe = _recipe(subject.cfg["protocol"], subject.setting)
    for change in subject.changed:
        if change.key.startswith("protocol.") or change.key in in_recipe:
            continue
        yield Hit(
            level="warning",
            key=change.key,
            found=f"{_text(change.now)} here, {_text(change.before)} in the file",
            consequence="The score does not belong to the bench and method as their files define them.",
            remedy="Report the change with the score, or leave the value unchanged.",
        )


def tuned_on_target_labels(subject: Subject) -> Iterator[Hit]:
    """Values of the method that were chosen for this bench and setting by scores on target labels."""
    values: ConfigNode = subject.cfg["method"].get("tuned") or {}
    if values:
        yield Hit(
            level="note",
            key="method.tuned",
            found=", ".join(f"{key}={_text(value)}" for key, value in values.items()),
            consequence="These values were tuned on target labels, so comparing with a method that was not is unfair.",
            remedy="Use --untuned, which takes the same values on all benches.",
        )


def _recipe(protocol: ConfigNode, setting: str) -> ConfigNode:
    """Return the published values of a setting; a dict in the recipe gives a value for each setting."""
    values = {}
    for key, value in (protocol.get("recipe") or {}).items():
        if not isinstance(value, Mapping):
            values[key] = value
        elif setting in value:
            values[key] = value[setting]
    return values


def _text(value: Any) -> str:
    return "nothing" if isinstance(value, str) and value == ABSENT else repr(value)
