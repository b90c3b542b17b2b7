"""A linear classifier on the frozen vectors of images.

Shapes: K trained classes, C dimensions of the space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.classification.class_names import ClassNames, Names
from rs_adapt.classification.learners.contract import Conditions, PromptLearner
from rs_adapt.registry import MODELS


@MODELS.register_module()
class LinearProbe(PromptLearner):
    """`logits = s W v(x)` with `W (K, C)` started at the vectors of the class names. Trained: `K C`.

    Departs from the probe of CLIP (Radford et al., https://arxiv.org/abs/2103.00020, section 3.2), which starts at zero
    and uses logistic regression on features before the projection: a start at the text vectors makes the untrained
    probe CLIP's zero-shot classifier. Classes that are not trained have no row of their own; they keep their text
    vectors, so that a base-to-novel score of the novel classes is that of zero-shot.
    """

    no_decay = ("weight",)

    def __init__(self, *, text_dim: int, num_trained: int) -> None:
        """Build the weight.

        Args:
            text_dim: Dimensions C of the space.
            num_trained: Number of trained classes K.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_trained, text_dim))

    @torch.no_grad()
    def start(self, head: ClassNames) -> None:
        """Start at the vectors of the class names."""
        self.weight.copy_(head.plain_vectors("trained"))

    def class_vectors(self, head: ClassNames, names: Names, conditions: Conditions) -> Tensor:
        """Return the rows of the trained classes, and the text vectors of the others."""
        if names == "trained":
            return self.weight
        plain_KC = head.plain_vectors("scored")
        rows = [self.weight[row] if row is not None else plain_KC[k] for k, row in enumerate(head.trained_rows)]
        return torch.stack(rows)

    @staticmethod
    def num_params(*, text_dim: int, num_trained: int) -> int:
        """Return the number of trainable parameters in closed form."""
        return num_trained * text_dim

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({},)
