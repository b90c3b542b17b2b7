"""One pass over a labelled split: a confusion matrix for each image, and a callback for each prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from rs_adapt.engine.forward import predict_batch
from rs_adapt.engine.loaders import end_processes
from rs_adapt.engine.optim import Precision
from rs_adapt.metrics import confusion_matrix

OnSample = Callable[[int, int, Any], None]


def evaluate(
    model: nn.Module,
    dataloader: Any,
    *,
    num_classes: int,
    ignore_index: int = 255,
    precision: Precision = "fp32",
    predict: Callable[[Any], list[Any]] | None = None,
    on_sample: OnSample | None = None,
) -> list[tuple[str, np.ndarray[Any, Any]]]:
    """Predict every tile of a split.

    Args:
        model: An mmengine model with `test_step`; it is put into eval mode.
        dataloader: Loader of the split; it must not shuffle.
        num_classes: K.
        ignore_index: Label value of pixels that are not counted.
        precision: "fp32" or "bf16".
        predict: Returns the samples of a batch, as `predict_batch` does; None for the model's own prediction.
        on_sample: Called with (position from 0, number of tiles, `SegDataSample`) for each tile.

    Returns:
        Path and (K, K) int64 counts (row = truth, column = prediction) of each image, in the order of the split.
    """
    model.eval()
    device = next(model.parameters()).device
    by_image: list[tuple[str, np.ndarray[Any, Any]]] = []
    total = len(dataloader.dataset)
    try:
        for batch in dataloader:
            for sample in predict(batch) if predict else predict_batch(model, batch, precision=precision):
                truth = sample.gt_sem_seg.data.to(device)
                counts_KK = confusion_matrix(truth, sample.pred_sem_seg.data, num_classes, ignore_index)
                by_image.append((str(sample.img_path), counts_KK.numpy()))
                if on_sample:
                    on_sample(len(by_image) - 1, total, sample)
    finally:
        end_processes(dataloader)
    return by_image
