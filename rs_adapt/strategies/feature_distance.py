"""Feature distance: a loss that holds the adapted features near those of the frozen backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.processes import global_mean_denominator
from rs_adapt.ranges import SHARE, check_ranges


def feature_distance(
    features_BDhw: Tensor,
    frozen_BDhw: Tensor,
    labels_BHW: Tensor,
    *,
    num_classes: int,
    classes: Sequence[int] | None,
    min_share: float,
) -> Tensor:
    """Return the mean Euclidean distance between two feature maps over the cells that show one class.

    Thing-class feature distance of DAFormer (Hoyer et al., arXiv 2111.14887, equations 6 to 9): a cell counts if one
    class of `classes` covers at least `min_share` of the pixels below it.

    Args:
        features_BDhw: Features of the backbone with its adapter.
        frozen_BDhw: Features of the same images without adapter; no gradient flows into them.
        labels_BHW: Int64, class indices; anything outside [0, num_classes) belongs to no class.
        num_classes: K.
        classes: Classes that count; None for all.
        min_share: Least share of a cell's pixels, 0 to 1.

    Returns:
        A float32 scalar, 0 if no cell counts.

    Raises:
        ConfigError: `min_share` is out of its range.
    """
    check_ranges("feature_distance", min_share=(min_share, SHARE))
    known_BHW = (labels_BHW >= 0) & (labels_BHW < num_classes)
    onehot_BHWK = F.one_hot(labels_BHW.clamp(0, num_classes - 1), num_classes) * known_BHW[..., None]
    h, w = features_BDhw.shape[-2:]
    share_BKhw = F.adaptive_avg_pool2d(onehot_BHWK.permute(0, 3, 1, 2).float(), (h, w))
    top_Bhw, class_Bhw = share_BKhw.max(dim=1)
    counts_Bhw = top_Bhw >= min_share
    if classes is not None:
        # Not `isin`: a tensor of the classes would be copied to the GPU, which the host waits for.
        is_wanted_Bhw = torch.zeros_like(counts_Bhw)
        for number in classes:
            is_wanted_Bhw |= class_Bhw == number
        counts_Bhw &= is_wanted_Bhw
    distance_Bhw = torch.linalg.vector_norm(features_BDhw.float() - frozen_BDhw.detach().float(), dim=1)
    mean: Tensor = (distance_Bhw * counts_Bhw).sum() / global_mean_denominator(counts_Bhw.sum(), least=1)
    return mean
