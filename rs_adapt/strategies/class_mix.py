"""ClassMix: pixels of half of the classes of one domain are pasted onto the other."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from rs_adapt.processes import gather_in_batch_order, generator, global_batch_size, local_slice, sum_over_ranks
from rs_adapt.strategies.label_counts import present_values

MixClasses = Literal["image", "batch"]
MIX_CLASSES: tuple[MixClasses, ...] = get_args(MixClasses)


class Labelled(NamedTuple):
    """Images of a batch with labels and pixel weights.

    Attributes:
        images_B3HW: Normalised images.
        labels_BHW: Int64 class indices and the ignore value.
        weights_BHW: Float32 in [0, 1], weight of each pixel in the loss.
    """

    images_B3HW: Tensor
    labels_BHW: Tensor
    weights_BHW: Tensor


def class_mix(source_label_BHW: Tensor, *, classes_of: MixClasses = "image") -> Tensor:
    """Choose label values for each source image, whose pixels are to be pasted onto a target image.

    ClassMix (Olsson et al., arXiv 2007.07936) as DACS uses it between domains (Tranheden et al., arXiv 2007.08702).
    Each image draws half of the values, rounded up: of those in the image itself ("image", as in the paper and in
    Earth-Adapter's release), or of those in the whole batch ("batch", as in DAFormer's code). Of the batch's values an
    image may lack some or all that it draws, so its share of pasted pixels varies more.

    The ignore value counts as a value like any other, as in the references. The values to paste are drawn from
    torch's global CPU generator, so they depend neither on the device nor on the number of processes
    (`rs_adapt.processes`).

    Args:
        source_label_BHW: Labels of the images to paste from, integer class indices and the ignore value, 0 to 255.
        classes_of: The labels that the values are drawn from.

    Returns:
        (B, H, W) bool, True where the source is pasted; `paste` applies it.
    """
    images = len(source_label_BHW)
    present_BV = present_values(source_label_BHW)
    if classes_of == "batch":
        present_BV = (sum_over_ranks(present_BV.sum(dim=0)) > 0).expand(images, -1)
    # The values decide how many numbers are drawn, on the host: the one wait for a GPU here.
    values_of = [present_V.nonzero()[:, 0] for present_V in present_BV.cpu()]
    if classes_of == "batch":
        sizes = [len(values_of[0])] * global_batch_size(images)
    else:
        sizes = gather_in_batch_order([len(values) for values in values_of])
    orders = [torch.randperm(size, generator=generator()) for size in sizes]
    is_chosen_BV = torch.zeros(present_BV.shape, dtype=torch.bool)
    for is_chosen_V, values, order in zip(is_chosen_BV, values_of, orders[local_slice(images)], strict=True):
        is_chosen_V[values[order[: (len(values) + 1) // 2]]] = True
    is_chosen_BV = is_chosen_BV.to(source_label_BHW.device, non_blocking=True)
    return is_chosen_BV.gather(1, source_label_BHW.flatten(1).long()).view_as(source_label_BHW)


def paste(paste_BHW: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return source where the mask is True, else target; images (B, C, H, W), labels or weights (B, H, W)."""
    mask = paste_BHW[:, None] if source.ndim == 4 else paste_BHW
    return torch.where(mask, source, target)


def paste_labelled(paste_BHW: Tensor, front: Labelled, ground: Labelled) -> Labelled:
    """Return `front` where the mask is True, else `ground`: images, labels and weights alike."""
    pairs = zip(front, ground, strict=True)
    return Labelled(*(paste(paste_BHW, in_front, behind) for in_front, behind in pairs))
