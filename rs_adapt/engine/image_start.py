"""Adapters that start from images (EVA) see those of the first iterations before a new run begins."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from torch import Tensor

from rs_adapt.engine.param_groups import adapter_of
from rs_adapt.engine.parts import segmentor_of, unwrapped
from rs_adapt.engine.runner import CellRunner
from rs_adapt.processes import gather_images, take_from_rank_zero

# Iterations whose images are shown: 16 to 32 crops of a thousand tokens are enough for a few dozen directions.
_BATCHES = 8


def start_from_images(runner: CellRunner, *, is_new: bool) -> None:
    """Show an adapter that asks for it the images of the first iterations; all others start as they are.

    They are the images that training sees, of the target too where it is used, and no labels. A run that is resumed, or
    starts from trained weights, has its start already. Of several processes each sees the images of all, and takes the
    start of rank 0, because a decomposition has other signs on another machine.

    Args:
        runner: The runner, before its training.
        is_new: Whether the run begins with new weights.
    """
    model: Any = unwrapped(runner.model)
    adapter = adapter_of(model)
    if not is_new or adapter is None or not adapter.needs_images:
        return
    settings = copy.deepcopy(runner.cfg.train_dataloader)
    # A loader of its own, as the place in the stream of samples belongs to the training.
    settings.update(num_workers=0, persistent_workers=False)
    loader = runner.build_dataloader(settings, seed=runner.seed)
    images: list[Tensor] = []
    for batch in itertools.islice(loader, _BATCHES):
        views = model.data_preprocessor(batch, True)
        images += [gather_images(domain["inputs"]) for domain in ([views] if "inputs" in views else views.values())]
    adapter.start_from_images(segmentor_of(model).backbone, images)
    take_from_rank_zero([*adapter.parameters(), *adapter.buffers()])
