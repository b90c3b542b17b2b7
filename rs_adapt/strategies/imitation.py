"""Losses by which a student imitates a teacher: its feature maps, and its class probabilities.

Shapes: B batch, D channels of the teacher's map, K classes, h/w grid of a map, H/W pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.processes import global_mean_denominator

# Probabilities below it have no logarithm to imitate in single precision.
_LEAST_PROBABILITY = 1e-8


def feature_loss(imitated_BDhw: Tensor, wanted_BDhw: Tensor, valid_BHW: Tensor) -> Tensor:
    """Return the smooth L1 distance of a projected map to the teacher's map, whose positions are whitened.

    Feature distillation (Wei et al., arXiv 2205.14141, section 3): a layer norm without weights brings every position
    of the teacher's map to mean 0 and variance 1 over the channels, so that the few channels with large values, which
    ViTs have, do not decide alone.

    Args:
        imitated_BDhw: The student's map after its projection.
        wanted_BDhw: The teacher's map of the same images; no gradient flows into it.
        valid_BHW: Bool, False on padding. A position counts by the share of its pixels that are image.

    Returns:
        A float32 scalar: the mean over channels and positions of the batch, 0 if none counts.
    """
    wanted = F.layer_norm(wanted_BDhw.detach().float().movedim(1, -1), wanted_BDhw.shape[1:2]).movedim(-1, 1)
    distance_Bhw = F.smooth_l1_loss(imitated_BDhw.float(), wanted, reduction="none").mean(dim=1)
    height, width = distance_Bhw.shape[-2:]
    share_Bhw = F.adaptive_avg_pool2d(valid_BHW[:, None].float(), (height, width))[:, 0]
    return _mean(distance_Bhw, share_Bhw)


def probability_loss(student_BKHW: Tensor, teacher_BKHW: Tensor, valid_BHW: Tensor, *, temperature: float) -> Tensor:
    """Return the Kullback-Leibler divergence of the student's probabilities from the teacher's, at a temperature.

    Hinton et al., arXiv 1503.02531: both are raised to the power `1 / temperature` and divided by their sum, and the
    loss is multiplied by `temperature ** 2`, so that its gradients keep their size. Below 1 the teacher's largest
    probability counts more (LFMDA, IEEE TIP 34, 2025, takes 0.3), above 1 the smaller ones do.

    Args:
        student_BKHW: Class probabilities, 0 to 1.
        teacher_BKHW: Those of the teacher; no gradient flows into them.
        valid_BHW: Bool, False on pixels that do not count.
        temperature: Above 0.

    Returns:
        A float32 scalar: the mean over the pixels of the batch that count, 0 if none does.
    """
    student, teacher = (
        (values.float().clamp_min(_LEAST_PROBABILITY).log() / temperature).log_softmax(dim=1)
        for values in (student_BKHW, teacher_BKHW.detach())
    )
    divergence_BHW = F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim=1)
    return temperature**2 * _mean(divergence_BHW, valid_BHW.float())


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    mean: Tensor = (values * weights).sum() / global_mean_denominator(weights.sum(), least=torch.finfo().eps)
    return mean
