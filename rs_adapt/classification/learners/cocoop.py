"""CoCoOp: CoOp's context with an offset from the image.

Shapes: B images, K classes, n places, W width of the text tower, C dimensions of the space.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from rs_adapt.adapters.contract.adapter import Settings
from rs_adapt.classification.class_names import ClassNames, Names
from rs_adapt.classification.learners.contract import Conditions, PromptLearner
from rs_adapt.language.prompted import word_vectors
from rs_adapt.ranges import COUNT, check_ranges
from rs_adapt.registry import MODELS

# The hidden layer has a sixteenth of the space's dimensions.
_SHRINK = 16


@MODELS.register_module()
class CoCoOp(PromptLearner):
    """Conditional context (Zhou et al., https://arxiv.org/abs/2203.05557, equation 3).

    `V_m(x) = V_m + W2 relu(W1 v(x) + b1) + b2` with the frozen vector v(x) of the image; the text tower runs once for
    each image and class. Trained: `n W + (C H + H + H W + W)`, `H = C / 16`: 35 360 with CLIP ViT-B/16 and n = 4.
    """

    needs_image = True
    no_decay = ("context", "bias")

    def __init__(
        self, *, text_width: int, text_dim: int, num_context: int = 4, start_words: str = "a photo of a"
    ) -> None:
        """Build context and net.

        Args:
            text_width: Width W of the text tower.
            text_dim: Dimensions C of the space.
            num_context: Number of places n, at least 1.
            start_words: Words that the context starts at.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__()
        check_ranges("CoCoOp", num_context=(num_context, COUNT))
        self.places, self.start_words = num_context, start_words
        self.context = nn.Parameter(torch.zeros(num_context, text_width))
        hidden = max(1, text_dim // _SHRINK)
        self.squeeze, self.expand = nn.Linear(text_dim, hidden), nn.Linear(hidden, text_width)

    @torch.no_grad()
    def start(self, head: ClassNames) -> None:
        """Start at the embeddings of words."""
        self.context.copy_(word_vectors(head.text, self.start_words, self.places))

    def class_vectors(self, head: ClassNames, names: Names, conditions: Conditions) -> Tensor:
        """Return the vectors of the prompts of each image, of length 1, (B, K, C)."""
        assert conditions.image_BC is not None
        offset_BW = self.expand(relu(self.squeeze(conditions.image_BC)))
        return normalize(head.encode(names, self.context + offset_BW[:, None]), dim=-1)

    @staticmethod
    def num_params(*, text_width: int, text_dim: int, num_context: int = 4) -> int:
        """Return the number of trainable parameters in closed form."""
        hidden = max(1, text_dim // _SHRINK)
        return num_context * text_width + text_dim * hidden + hidden + hidden * text_width + text_width

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"num_context": 2},)
