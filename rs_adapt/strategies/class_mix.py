"""ClassMix: pixels of half of the source's classes are pasted onto the target."""

from __future__ import annotations

import torch
from torch import Tensor


def class_mix(
    source_B3HW: Tensor, source_label_BHW: Tensor, target_B3HW: Tensor, target_label_BHW: Tensor
) -> tuple[Tensor, Tensor]:
    """Paste half of the label values of each source image, rounded up, onto the target image of the same position.

    ClassMix (Olsson et al., arXiv 2007.07936) as DACS uses it between domains (Tranheden et al., arXiv 2007.08702).
    The ignore value counts as a value like any other, as in the reference. Which values are pasted is drawn from
    torch's global generator of the CPU, so it does not depend on the device.

    Args:
        source_B3HW: Source images, float, normalised.
        source_label_BHW: Source labels, integer class indices and the ignore value.
        target_B3HW: Target images, same shape and dtype as the source.
        target_label_BHW: Labels or pseudo-labels of the target, same dtype as the source labels.

    Returns:
        Mixed images (B, 3, H, W) and mixed labels (B, H, W).
    """
    images, labels = [], []
    for source, source_label, target, target_label in zip(
        source_B3HW, source_label_BHW, target_B3HW, target_label_BHW, strict=True
    ):
        values = source_label.unique()
        chosen = values[torch.randperm(len(values))[: (len(values) + 1) // 2].to(values.device)]
        paste_HW = torch.isin(source_label, chosen)
        images.append(torch.where(paste_HW, source, target))
        labels.append(torch.where(paste_HW, source_label, target_label))
    return torch.stack(images), torch.stack(labels)
