"""Layers of heads that can be computed again in the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


class RecomputedLayer(nn.Module):
    """To be put before a layer's own class among the bases of one that can be computed again.

    Of the layer, its inputs alone are saved then (Chen et al., arXiv 1604.06174). Numbers stay the same. The layer must
    draw nothing.

    Attributes:
        recomputes: True computes the layer again in the backward pass, which needs less memory.
    """

    recomputes: bool = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the layer."""
        plain = super().forward
        if self.recomputes and torch.is_grad_enabled():
            return checkpoint(plain, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)
        return plain(*args, **kwargs)
