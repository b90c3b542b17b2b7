"""The forward pass of a trained model on a batch: no gradients, in the precision of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rs_adapt.engine.optim import Precision, autocast

if TYPE_CHECKING:
    from mmseg.structures import SegDataSample


@torch.no_grad()
def predict_batch(model: nn.Module, batch: Mapping[str, Any], *, precision: Precision) -> list[SegDataSample]:
    """Predict the images of a batch, whole or in sliding windows as the model's `test_cfg` says.

    Args:
        model: A segmentor, a strategy around one, or either inside the wrapper of several processes; in eval mode.
        batch: `inputs`, a list of uint8 (3, H, W) BGR tensors, and `data_samples`, as a loader of tiles gives them.
        precision: "fp32" or "bf16".

    Returns:
        One sample per image, with `seg_logits` (K, H, W) and `pred_sem_seg` (1, H, W) at the size of the image.
    """
    device = next(model.parameters()).device
    with autocast(precision, device.type):
        return list(model.test_step(batch))  # type: ignore[operator]
