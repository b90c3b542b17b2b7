"""ClassMix: pixels of half of the source's classes are pasted onto the target."""

from __future__ import annotations

import torch
from torch import Tensor

from rs_adapt.processes import gather_in_batch_order, generator, local_slice


def class_mix(source_label_BHW: Tensor) -> Tensor:
    """Choose half of the label values of each source image, rounded up, to be pasted onto a target image.

    ClassMix (Olsson et al., arXiv 2007.07936) as DACS uses it between domains (Tranheden et al., arXiv 2007.08702).
    The ignore value counts as a value like any other, as in the reference. The values to paste are drawn from
    torch's global CPU generator, so they depend neither on the device nor on the number of processes
    (`rs_adapt.processes`).

    Args:
        source_label_BHW: Source labels, integer class indices and the ignore value.

    Returns:
        (B, H, W) bool, True where the source is pasted; `paste` applies it.
    """
    values_of = [label_HW.unique() for label_HW in source_label_BHW]
    orders = [
        torch.randperm(count, generator=generator()) for count in gather_in_batch_order([len(v) for v in values_of])
    ]
    masks = []
    for label_HW, values, order in zip(source_label_BHW, values_of, orders[local_slice(len(values_of))], strict=True):
        chosen = values[order[: (len(values) + 1) // 2].to(values.device)]
        masks.append(torch.isin(label_HW, chosen))
    return torch.stack(masks)


def paste(paste_BHW: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return source where the mask is True, else target; images (B, C, H, W), labels or weights (B, H, W)."""
    mask = paste_BHW[:, None] if source.ndim == 4 else paste_BHW
    return torch.where(mask, source, target)
