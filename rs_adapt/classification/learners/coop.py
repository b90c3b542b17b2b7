"""CoOp: the words before a class name are vectors that train.

Shapes: K classes, n places, W width of the text tower, C dimensions of the space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.classification.class_names import ClassNames, Names
from rs_adapt.classification.learners.contract import Conditions, PromptLearner
from rs_adapt.language.prompted import word_vectors
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS


@MODELS.register_module()
class CoOp(PromptLearner):
    """Context optimization (Zhou et al., https://arxiv.org/abs/2109.01134, equations 2 and 3). Trained: `n W`.

    `t_k = g([V_1] ... [V_n] [name of k] .)`, one context for all classes, started at the words of `start_words`; the
    image side is frozen. The context by class and the name in the middle of it, which the paper has too, are left out:
    a context by class cannot score classes that it was not trained on.
    """

    no_decay = ("context",)

    def __init__(self, *, text_width: int, num_context: int = 4, start_words: str = "a photo of a") -> None:
        """Build the context.

        Args:
            text_width: Width W of the text tower.
            num_context: Number of places n, at least 1.
            start_words: Words that the context starts at; places beyond them start at random.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("CoOp", num_context=(num_context, COUNT))
        self.places, self.start_words = num_context, start_words
        self.context = nn.Parameter(torch.zeros(num_context, text_width))

    @torch.no_grad()
    def start(self, head: ClassNames) -> None:
        """Start at the embeddings of words."""
        self.context.copy_(word_vectors(head.text, self.start_words, self.places))

    def class_vectors(self, head: ClassNames, names: Names, conditions: Conditions) -> Tensor:
        """Return the vectors of the prompts, of length 1, (K, C)."""
        return normalize(head.encode(names, self.context), dim=-1)

    @staticmethod
    def num_params(*, text_width: int, num_context: int = 4) -> int:
        """Return the number of trainable parameters in closed form."""
        return num_context * text_width

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"num_context": 2},)
