"""The tasks of benches: what a model predicts for an image, and by which score it is judged. Loads no torch.

A bench states its task (`bench.task`; segmentation where it states none), and so does every method, head, strategy and
protocol that is made for one task alone. What differs between tasks is looked up by the task's name in three tables:
here (defaults and what works together), in `rs_adapt.config.wire_task` (how a configuration is wired) and in
`rs_adapt.engine.tasks` (how data are checked before a run). A new task is one entry in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rs_adapt.config.facts import BenchFacts

SEGMENTATION, CLASSIFICATION = "segmentation", "classification"
CAPTIONS, SUPER_RESOLUTION = "captions", "super-resolution"
# Of captions, the class of items whose true text did not score highest; no item is of it.
WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a bench asks of a model.

    Attributes:
        name: As `bench.task` states it.
        settings: The settings that a bench has if it states none.
        strategies: The default strategy of each setting.
        protocol: The default protocol.
        also: By axis, the values that are made for segmentation and work for this task too.
        own_backbones: Whether the task has backbones of its own, and works with no others.
    """

    name: str
    settings: tuple[str, ...]
    strategies: Mapping[str, str]
    protocol: str
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    own_backbones: bool = False


TASKS = {
    SEGMENTATION: Task(
        name=SEGMENTATION,
        settings=("da", "dg", "ss", "ov"),
        strategies={"da": "dacs", "dg": "source_only", "ss": "source_only", "ov": "source_only"},
        protocol="strict",
    ),
    CLASSIFICATION: Task(
        name=CLASSIFICATION,
        settings=("b2n",),
        strategies=dict.fromkeys(("b2n", "xd", "dg"), "few_shot"),
        protocol="few_shot",
        # Changes of layers, which work on any ViT and leave the class token in its place.
        also={"method": ("lora", "adaptformer", "adapter", "bitfit", "norm", "flora", "sam_parser")},
    ),
    CAPTIONS: Task(
        name=CAPTIONS,
        settings=("dg",),
        strategies={"dg": "degla"},
        protocol="captions",
        # Changes of layers, which both towers take.
        also={"method": ("full", "frozen", "lora", "adaptformer", "adapter", "bitfit", "norm", "flora", "peft")},
    ),
    SUPER_RESOLUTION: Task(
        name=SUPER_RESOLUTION,
        settings=("sr",),
        strategies={"sr": "supervised"},
        protocol="snapshots",
        own_backbones=True,
    ),
}


def task_of(bench: BenchFacts | Mapping[str, Any]) -> Task:
    """Return the task of a bench's facts."""
    return TASKS[str(bench.get("task", SEGMENTATION))]


def works_for(task: Task, axis: str, name: str, facts: Mapping[str, Any]) -> bool:
    """Return whether a value of an axis works for a task: it is made for it, or the task names it.

    Args:
        task: The task.
        axis: `method`, `backbone`, `head`, `strategy` or `protocol`.
        name: Name of the value.
        facts: Its facts, with `task` where it is not made for segmentation.
    """
    if axis == "backbone":
        return facts.get("task") == (task.name if task.own_backbones else None)
    return str(facts.get("task", SEGMENTATION)) == task.name or name in task.also.get(axis, ())
