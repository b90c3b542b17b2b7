"""CLIP as it is: hand-written sentences with the class names, and nothing that trains."""

from __future__ import annotations

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.classification.learners.contract import PromptLearner
from rs_adapt.registry import MODELS


@MODELS.register_module()
class ZeroShot(PromptLearner):
    """Zero-shot classification (Radford et al., https://arxiv.org/abs/2103.00020, section 3.1). Trained: nothing.

    `p(k | x) = softmax_k(s cos(v(x), t_k))`, with `t_k` the mean over the sentences of `model.decode_head.templates`.
    """

    @staticmethod
    def num_params() -> int:
        """Return the number of trainable parameters."""
        return 0

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({},)
