"""The forward pass of a trained model on a batch: no gradients, in the precision of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rs_adapt.engine.optim import Precision, autocast
from rs_adapt.engine.padding import pad_batch
from rs_adapt.engine.parts import segmentor_of, unwrapped

if TYPE_CHECKING:
    from mmseg.structures import SegDataSample


@torch.no_grad()
def predict_batch(model: nn.Module, batch: Mapping[str, Any], *, precision: Precision) -> list[SegDataSample]:
    """Predict the images of a batch, whole or in sliding windows as the model's `test_cfg` says.

    Images of any size: sides that do not divide into patches are padded, see `pad_to_patches`.

    Args:
        model: A segmentor, a strategy around one, or either inside the wrapper of several processes; in eval mode.
        batch: `inputs`, a list of uint8 (3, H, W) BGR tensors, and `data_samples`, as a loader of tiles gives them.
        precision: "fp32" or "bf16".

    Returns:
        One sample per image, with `seg_logits` (K, H, W) and `pred_sem_seg` (1, H, W) at the size of the image.
    """
    inner, device = unwrapped(model), next(model.parameters()).device
    with autocast(precision, device.type):
        data = pad_batch(inner.data_preprocessor(batch, False), segmentor_of(inner))
        return list(inner(**data, mode="predict"))
