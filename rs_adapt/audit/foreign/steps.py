"""The steps of the pipelines of a configuration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rs_adapt.audit.foreign.node import Node


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a pipeline: the last part of its type, its settings, and its dotted key."""

    name: str
    node: Node
    key: str

    @property
    def loads_no_labels(self) -> bool:
        """Whether it stands where labels are loaded and loads none, as mmdetection's `LoadEmptyAnnotations`."""
        return self.name.startswith("LoadEmpty")


def steps_of(pipeline: Node | None, key: str) -> Iterator[Step]:
    """Yield the steps of a pipeline, and those within steps: of a pipeline, of branches, of a choice of transforms."""
    for place, node in enumerate(pipeline.items if pipeline else ()):
        yield from _steps_in(node, f"{key}.{place}")


def last_part(node: Node | None) -> str:
    """Return the last part of a dotted name, such as a type; empty without a text."""
    return "" if node is None else node.text.rpartition(".")[2]


def _steps_in(node: Node, key: str) -> Iterator[Step]:
    if node.items:
        # `TestTimeAug` holds lists of steps, of which each is a branch.
        yield from steps_of(node, key)
        return
    if node.at("type") is not None:
        yield Step(name=last_part(node.at("type")), node=node, key=key)
    for name, child in node.entries.items():
        yield from _steps_in(child, f"{key}.{name}")
