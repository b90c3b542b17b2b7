"""The temperature that fits predictions to labels, by which logits are divided.

Source: Guo et al., On Calibration of Modern Neural Networks (arXiv 1706.04599), section 4.2.

Shapes: N pixels, K classes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from rs_adapt.strategies.pseudo_labels import ScoreKind

# Logarithms of the temperatures that are searched, and the width at which the search ends.
_LOWEST, _HIGHEST, _WIDTH = math.log(0.05), math.log(20.0), 1e-5
_SMALLEST = 1e-12


def fit_temperature(logits_NK: Tensor, truth_N: Tensor) -> float:
    """Return the temperature with the smallest negative log-likelihood, 0.05 to 20, rounded to 4 digits.

    The likelihood has a single minimum in the inverse temperature, so a golden-section search finds it.

    Args:
        logits_NK: Logits, or logarithms of probabilities, float32.
        truth_N: True classes, int64.
    """
    ratio = (math.sqrt(5) - 1) / 2
    low, high = _LOWEST, _HIGHEST
    inner = [high - ratio * (high - low), low + ratio * (high - low)]
    losses = [log_loss(logits_NK, truth_N, math.exp(place)) for place in inner]
    while high - low > _WIDTH:
        if losses[0] <= losses[1]:
            high = inner[1]
            inner = [high - ratio * (high - low), inner[0]]
            losses = [log_loss(logits_NK, truth_N, math.exp(inner[0])), losses[0]]
        else:
            low = inner[0]
            inner = [inner[1], low + ratio * (high - low)]
            losses = [losses[1], log_loss(logits_NK, truth_N, math.exp(inner[1]))]
    return round(math.exp((low + high) / 2), 4)


def log_loss(logits_NK: Tensor, truth_N: Tensor, temperature: float) -> float:
    """Return the mean negative log-likelihood of the true classes (N,) under logits (N, K) at a temperature, nats."""
    scaled_NK = logits_NK.double() / temperature
    true_N = scaled_NK.gather(1, truth_N[:, None])[:, 0]
    return float((scaled_NK.logsumexp(dim=1) - true_N).mean())


def spread_pixels(positions: Tensor, *, most: int) -> Tensor:
    """Return at most `most` of some positions (N,), evenly spread."""
    if len(positions) <= most:
        return positions
    return positions[torch.linspace(0, len(positions) - 1, most, device=positions.device).long()]


def logits_of(scores_NK: Tensor, kind: ScoreKind) -> Tensor:
    """Return logits of scores; shares of non-negative scores become their logarithms."""
    if kind == "logits":
        return scores_NK
    shares_NK = scores_NK / scores_NK.sum(dim=1, keepdim=True).clamp_min(_SMALLEST)
    return shares_NK.clamp_min(_SMALLEST).log()
