"""MaPLe: prompts in both towers, those of the visual one projected from those of the text.

Shapes: K classes, n places, W width of the text tower, D of the visual one, C dimensions of the space.
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


class CoupledPrompts(PromptLearner):
    """What MaPLe, DCPL and QNet have in common: a context, and deep prompts of the text tower.

    Attributes:
        context: Vectors of the places at the input of the text tower, (n, W).
        deep: Vectors of the places at the input of text blocks 1, 2, ..., each (n, W).
        first: Projection of the context to the prompts of the first visual block.
    """

    trains_image = True
    no_decay = ("context", "deep", "bias")

    def __init__(
        self,
        method: str,
        *,
        embed_dim: int,
        depth: int,
        text_width: int,
        text_depth: int,
        num_context: int,
        prompt_depth: int,
        start_words: str,
    ) -> None:
        super().__init__()
        check_ranges(method, num_context=(num_context, COUNT), prompt_depth=(prompt_depth, COUNT))
        self.places, self.start_words = num_context, start_words
        self.context = nn.Parameter(torch.zeros(num_context, text_width))
        # Small towers have fewer blocks than the prompts of the published ones.
        number = count_deep(prompt_depth, depth, text_depth)
        self.deep = nn.ParameterList(0.02 * torch.randn(num_context, text_width) for _ in range(number))
        self.first = nn.Linear(text_width, embed_dim)

    @torch.no_grad()
    def start(self, head: ClassNames) -> None:
        """Start the context at the embeddings of words."""
        self.context.copy_(word_vectors(head.text, self.start_words, self.places))

    def why_unmergeable(self) -> str | None:
        """Return the reason: prompts are inputs."""
        return "its prompts are inputs of the blocks"


def count_deep(prompt_depth: int, depth: int, text_depth: int) -> int:
    """Return the number of blocks behind the first that get prompts of their own, in both towers."""
    return min(prompt_depth, depth, text_depth) - 1


@MODELS.register_module()
class MaPLe(CoupledPrompts):
    """Multi-modal prompts (Khattak et al., https://arxiv.org/abs/2210.03117, equations 4 to 8).

    Text blocks 0 to J - 1 get prompts `P_j` (n, W), visual blocks `W_j P_j + b_j` (n, D); behind them the prompts stay
    among the tokens. Trained: `J n W + J (W D + D)`: 3 555 072 with CLIP ViT-B/16, n = 2 and J = 9.

    Visual prompts are put after the patches, behind the tower's first norm.
    """

    def __init__(
        self,
        *,
        embed_dim: int,
        depth: int,
        text_width: int,
        text_depth: int,
        num_context: int = 2,
        prompt_depth: int = 9,
        start_words: str = "a photo of a",
    ) -> None:
        """Build prompts and projections.

        Args:
            embed_dim: Width D of the visual tower.
            depth: Its number of blocks.
            text_width: Width W of the text tower.
            text_depth: Its number of blocks.
            num_context: Prompts a block n, at least 1.
            prompt_depth: Blocks with prompts J, at least 1; all blocks of a smaller tower.
            start_words: Words that the context starts at.

        Raises:
            ConfigError: An argument is out of its range.
        """
        super().__init__(
            "MaPLe",
            embed_dim=embed_dim,
            depth=depth,
            text_width=text_width,
            text_depth=text_depth,
            num_context=num_context,
            prompt_depth=prompt_depth,
            start_words=start_words,
        )
        self.projections = nn.ModuleList(nn.Linear(text_width, embed_dim) for _ in self.deep)

    def class_vectors(self, head: ClassNames, names: Names, conditions: Conditions) -> Tensor:
        """Return the vectors of the prompts, of length 1, (K, C)."""
        return normalize(head.encode(names, self.context, deep=list(self.deep)), dim=-1)

    def visual_prompts(self, conditions: Conditions) -> tuple[Tensor, ...]:
        """Return the prompts (n, D) of the first J visual blocks."""
        deep = (project(prompt) for project, prompt in zip(self.projections, self.deep, strict=True))
        return (self.first(self.context), *deep)

    @staticmethod
    def num_params(
        *, embed_dim: int, depth: int, text_width: int, text_depth: int, num_context: int = 2, prompt_depth: int = 9
    ) -> int:
        """Return the number of trainable parameters in closed form."""
        blocks = 1 + count_deep(prompt_depth, depth, text_depth)
        return blocks * (num_context * text_width + text_width * embed_dim + embed_dim)

    @staticmethod
    def examples() -> tuple[Settings, ...]:
        """Return small settings for the contract test."""
        return ({"num_context": 2, "prompt_depth": 2},)
