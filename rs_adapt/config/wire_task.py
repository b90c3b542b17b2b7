"""Wiring by task: each task has a function that turns merged axis files into a configuration for mmengine's Runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rs_adapt.config import wire as segmentation
from rs_adapt.config import wire_captions as captions
from rs_adapt.config import wire_classification as classification
from rs_adapt.config import wire_super_resolution as super_resolution
from rs_adapt.config.tasks import CAPTIONS, CLASSIFICATION, SEGMENTATION, SUPER_RESOLUTION, task_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import ConfigNode, MergedTree


class Wiring(Protocol):
    """A function that wires the configurations of one task; see `rs_adapt.config.wire.wire`."""

    def __call__(
        self,
        tree: MergedTree,
        cell: Cell,
        *,
        data_root: Path,
        work_dir: Path,
        weights: str | os.PathLike[str] | None,
    ) -> ConfigNode:
        """Return the resolved configuration; `tree` is not changed."""


WIRINGS: Mapping[str, Wiring] = {
    SEGMENTATION: segmentation.wire,
    CLASSIFICATION: classification.wire,
    CAPTIONS: captions.wire,
    SUPER_RESOLUTION: super_resolution.wire,
}


def wiring_of(tree: MergedTree) -> Wiring:
    """Return the wiring of the task of merged axis files."""
    return WIRINGS[task_of(tree["bench"]).name]
