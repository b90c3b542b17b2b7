"""Texts with learned places: a text tower of CLIP whose first words are vectors that train.

Shapes: B images, K texts, N tokens, n places, W width of the tower, C dimensions of the space.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from rs_adapt.errors import ConfigError
from rs_adapt.language.text_tower import TextTower
from rs_adapt.language.tokenizer import CONTEXT, END, START, VOCABULARY, ClipTokenizer

# A word of one token, in whose place a vector is put.
_PLACE = "x"


def prompt_tokens(names: Sequence[str], places: int) -> Tensor:
    """Return the tokens (K, 77) of `x x ... NAME.`, with `places` words in front.

    Args:
        names: The names of the classes; `_` and `-` become spaces.
        places: Number of words in front, 0 or more.

    Raises:
        ConfigError: A name has no token, holds CLIP's own marks, or is longer than CLIP reads with the places.
    """
    tokenizer = ClipTokenizer()
    words = [" ".join(name.replace("_", " ").replace("-", " ").split()) for name in names]
    for name, word in zip(names, words, strict=True):
        if START in name or END in name or not word or int(tokenizer([word]).ids_TN[0, 1]) == VOCABULARY - 1:
            raise ConfigError(
                f"The class name {name!r} has no word that CLIP's tokenizer reads. Name the class by words, in "
                "bench.classes or in the list of the split."
            )
    tokens = tokenizer([" ".join([*[_PLACE] * places, f"{word}."]) for word in words])
    if tokens.cut:
        name = names[tokens.cut[0]]
        raise ConfigError(
            f"The class name {name[:60]!r} is longer than the {CONTEXT} tokens that CLIP reads, {places} places for "
            "learned vectors included. Shorten it."
        )
    return tokens.ids_TN


def word_vectors(tower: TextTower, words: str, count: int) -> Tensor:
    """Return the embeddings (count, W) of the first tokens of some words, to start learned places from.

    Places beyond the words are normal numbers of standard deviation 0.02 (CoOp's random start).
    """
    ids_N = ClipTokenizer()([words]).ids_TN[0]
    length = int(ids_N.argmax()) - 1
    table: Tensor = tower.get_parameter("embeddings.token_embedding.weight")
    first_NW = table.detach()[ids_N[1 : 1 + min(count, length)].to(table.device)]
    if length >= count:
        return first_NW.clone()
    return torch.cat([first_NW, 0.02 * torch.randn(count - length, table.shape[1], device=table.device)])


def encode_prompts(tower: TextTower, ids_KN: Tensor, context: Tensor, *, deep: Sequence[Tensor] = ()) -> Tensor:
    """Return the vectors of texts whose places hold learned vectors, not normalised: (K, C), or (B, K, C).

    Args:
        tower: The text tower; gradients pass through it to the context.
        ids_KN: Tokens of `prompt_tokens`, (K, N).
        context: The vectors in the places after the start: (n, W), or (B, n, W) for each image.
        deep: Vectors (n, W) that replace those in the places at the input of block 1, 2, ...; MaPLe, arXiv 2210.03117,
            equations 4 and 5. Behind the last of them, the places keep what the blocks make of them.

    Raises:
        ConfigError: There are more deep vectors than blocks behind the first.
    """
    if len(deep) >= tower.depth:
        raise ConfigError(
            f"There are prompts for {len(deep) + 1} blocks, but the text tower has {tower.depth}. Lower "
            "model.backbone.adapter.prompt_depth."
        )
    ends_K = ids_KN.argmax(dim=1)
    # Nothing looks forward, so places behind the last end need not be computed.
    ids_KN = ids_KN[:, : int(ends_K.max()) + 1]
    batch = context.shape[0] if context.ndim == 3 else 1
    places, (texts, length) = context.shape[-2], ids_KN.shape
    embedding = tower.embeddings.get_submodule("token_embedding")
    words_KNW = embedding(ids_KN)
    x_BKNW = words_KNW.expand(batch, -1, -1, -1)
    context_BnW = context.to(words_KNW.dtype).expand(batch, -1, -1)
    x_BKNW = _put(x_BKNW, context_BnW[:, None].expand(-1, texts, -1, -1), places)
    x_TNW: Tensor = tower.embeddings(inputs_embeds=x_BKNW.flatten(0, 1))
    sees_11NN = torch.ones(length, length, dtype=torch.bool, device=ids_KN.device).tril()[None, None]
    for number, layer in enumerate(tower.layers):
        if 0 < number <= len(deep):
            x_TNW = _put(x_TNW, deep[number - 1].to(x_TNW.dtype).expand(len(x_TNW), -1, -1), places)
        x_TNW = layer(x_TNW, sees_11NN)
    ends_T = ends_K.repeat(batch)
    ends_TW = x_TNW[torch.arange(len(x_TNW), device=x_TNW.device), ends_T]
    vectors_TC: Tensor = tower.projection(tower.final_norm(ends_TW))
    return vectors_TC if context.ndim == 2 else vectors_TC.reshape(batch, texts, -1)


def _put(x: Tensor, vectors: Tensor, places: int) -> Tensor:
    """Return tokens (..., N, W) with vectors (..., n, W) in the places after the start."""
    return torch.cat([x[..., :1, :], vectors, x[..., 1 + places :, :]], dim=-2)
