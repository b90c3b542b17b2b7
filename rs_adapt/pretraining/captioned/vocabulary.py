"""The tokens that captions of training may hold: those of every phrase of the grammar."""

from __future__ import annotations

import torch
from torch import Tensor

from rs_adapt.language.tokenizer import ClipTokenizer
from rs_adapt.pretraining.captioned.objects import COLOURS, TRAINING_KINDS
from rs_adapt.pretraining.captioned.words import (
    BUILDING_WORDS,
    COVER_PHRASES,
    DENSE_TREES,
    KIND_WORDS,
    LINKS,
    NUMBERS,
    PLACES,
    RELATIONS,
    SEASON_WORDS,
    SIZES,
    TEMPLATES,
    plural,
)


def training_phrases() -> tuple[str, ...]:
    """Return phrases of which every caption of training is made."""
    nouns = [noun for kind in TRAINING_KINDS for noun in KIND_WORDS[kind]]
    return (
        *(template.replace("{}", " ") for template in TEMPLATES),
        *(word for words in SEASON_WORDS.values() for word in words),
        *(*COVER_PHRASES, *DENSE_TREES, *NUMBERS.values(), *BUILDING_WORDS, *RELATIONS, *PLACES, *COLOURS, *SIZES),
        *(*LINKS, *nouns, *(plural(noun) for noun in nouns)),
    )


def training_ids() -> Tensor:
    """Return the entries of CLIP's vocabulary that captions of training hold, ascending, int64 (R)."""
    ids_TN = ClipTokenizer()([*training_phrases(), *(f"{phrase}," for phrase in training_phrases())]).ids_TN
    ids_R = torch.unique(ids_TN)
    # 0 fills the places behind the end.
    known_R: Tensor = ids_R[ids_R > 0]
    return known_R
