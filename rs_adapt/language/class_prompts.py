"""The prompts of class names as tokens, and their vectors through a text tower, with gradients where it has a method.

Shapes: K classes, R of them, T texts, N tokens, C dimensions of the space.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.language.prompts import OR, prompts_of
from rs_adapt.language.text_tower import TextTower
from rs_adapt.language.tokenizer import CONTEXT, END, START, ClipTokenizer

_BATCH = 64
# Start and end, which every text has.
_FRAME = 2
# Letters, digits, and pictures such as emojis.
_READ = ("Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "So")


class ClassPrompts:
    """Prompts of class names, as tokens.

    Attributes:
        num_classes: Number of classes K.
    """

    def __init__(self, class_texts: Sequence[str], templates: Sequence[str]) -> None:
        """Write the prompts and cut them into tokens; see `prompts_of`.

        Raises:
            ConfigError: See `prompts_of`.
        """
        tokenizer = ClipTokenizer()
        self._num_tokens = tokenizer.num_tokens
        self._ids = [tokenizer(prompts).ids_TN for prompts in prompts_of(class_texts, templates)]
        self.num_classes = len(self._ids)

    def vectors(self, tower: TextTower, rows: Sequence[int] | None = None) -> Tensor:
        """Return the vectors of classes, of length 1, fp32 (R, C): the mean of their prompts' vectors of length 1.

        Args:
            tower: The text tower; the result has a gradient where a method sits in it.
            rows: Numbers of the classes; None for all.

        Raises:
            WeightsError: If the tower's vocabulary or context is not CLIP's.
        """
        if tower.num_tokens != self._num_tokens or tower.context < CONTEXT:
            raise WeightsError(
                f"The text tower has {tower.num_tokens} tokens and {tower.context} places; CLIP's tokenizer has "
                f"{self._num_tokens} and {CONTEXT}. Name a file of CLIP, or of a model that was trained from it."
            )
        chosen = self._ids if rows is None else [self._ids[row] for row in rows]
        ids_TN = torch.cat(chosen).to(tower.patch_embed.weight.device)  # type: ignore[arg-type]
        vectors_TC = torch.cat([F.normalize(tower(part_TN).float(), dim=1) for part_TN in torch.split(ids_TN, _BATCH)])
        means_RC = [of_class_TC.mean(dim=0) for of_class_TC in torch.split(vectors_TC, [len(ids) for ids in chosen])]
        return F.normalize(torch.stack(means_RC), dim=1)


def check_readable(class_texts: Sequence[str], templates: Sequence[str]) -> None:
    """Refuse classes that a text tower cannot read as a whole: without a word, or with prompts that are too long.

    Args:
        class_texts: See `prompts_of`.
        templates: See `prompts_of`.

    Raises:
        ConfigError: A class, or one of its wordings, has no letter, digit or picture, or no token; it has the tokens of
            a different class; it holds CLIP's own marks of start and end; or a prompt of it is longer than CLIP reads;
            or see `prompts_of`.
    """
    tokenizer = ClipTokenizer()
    first: dict[frozenset[tuple[int, ...]], str] = {}
    for text in class_texts:
        if START in text or END in text:
            raise ConfigError(f"The class name {text!r} holds a mark of CLIP's own, {START} or {END}. Remove it.")
        # Bytes of blanks, marks and punctuation have tokens too, and a vector that means nothing.
        if not all(any(unicodedata.category(char) in _READ for char in part) for part in text.split(OR)):
            raise ConfigError(f"The class name {text!r} holds no word that CLIP reads. Give words to read.")
    for text, words, prompts in zip(
        class_texts, prompts_of(class_texts, ["{}"]), prompts_of(class_texts, templates), strict=True
    ):
        ids_TN = tokenizer(words).ids_TN
        if any(int((ids_N != 0).sum()) <= _FRAME for ids_N in ids_TN):
            raise ConfigError(f"The class name {text!r} holds no word that CLIP reads. Give words to read.")
        wordings = frozenset(tuple(ids) for ids in ids_TN.tolist())
        if wordings in first:
            raise ConfigError(
                f"The class names {first[wordings]!r} and {text!r} are the same to CLIP, so their scores would be "
                "equal. Use other words for one of them."
            )
        first[wordings] = text
        if cut := tokenizer(prompts).cut:
            raise ConfigError(
                f"The class name {text[:40]!r} makes {len(cut)} of {len(prompts)} prompts longer than the {CONTEXT} "
                "tokens that CLIP reads, so its end would be lost. Use fewer words, or a shorter sentence in "
                "model.decode_head.templates."
            )
