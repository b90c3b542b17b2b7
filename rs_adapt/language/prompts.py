"""Class names as vectors: prompts of each class through the text tower, normalised and averaged.

CLIP: Radford et al., arXiv 2103.00020, section 3.1.4 (prompts and their mean in the space of embeddings).
Shapes: K classes, C dimensions of the space.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from rs_adapt.errors import ConfigError, WeightsError
from rs_adapt.language.clip_files import ClipFile
from rs_adapt.language.text_tower import TextTower
from rs_adapt.language.token_rows import unknown_words
from rs_adapt.language.tokenizer import CONTEXT, END, START, ClipTokenizer

PLACE = "{}"
# Wordings of one class, all of which count.
OR = "|"
_BATCH = 64


def prompts_of(class_texts: Sequence[str], templates: Sequence[str]) -> list[list[str]]:
    """Return the prompts of each class: every template with every wording of the class.

    Args:
        class_texts: The wording of each class; several are separated by `|`. `_` and `-` become spaces.
        templates: Sentences with `{}` in place of the class.

    Raises:
        ConfigError: If there is no template or one without the place, or a wording is empty or holds CLIP's own marks
            of start and end.
    """
    if not templates or any(text.count(PLACE) != 1 for text in templates):
        raise ConfigError(
            f"model.decode_head.templates is {list(templates)}; give one or more sentences, each with {PLACE} once, in "
            "place of the class."
        )
    prompts = []
    for number, text in enumerate(class_texts):
        wordings = [" ".join(part.replace("_", " ").replace("-", " ").split()) for part in text.split(OR)]
        if not all(wordings) or START in text or END in text:
            raise ConfigError(
                f"The wording of class {number} is {text!r}; give words to read, several of them separated by {OR}, "
                "with --set model.decode_head.text_names.CLASS=WORDS."
            )
        prompts.append([template.replace(PLACE, wording) for wording in wordings for template in templates])
    return prompts


def describe_cut(class_texts: Sequence[str], templates: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence on each class whose prompts are longer than CLIP reads.

    Raises:
        ConfigError: See `prompts_of`.
    """
    tokenizer = ClipTokenizer()
    return tuple(
        f"Of class {text[:40]!r}, {len(cut)} of {len(prompts)} prompts are longer than the {CONTEXT} tokens that CLIP "
        "reads; their ends are cut off."
        for text, prompts in zip(class_texts, prompts_of(class_texts, templates), strict=True)
        if (cut := tokenizer(prompts).cut)
    )


def describe_unknown(content: ClipFile, class_texts: Sequence[str], templates: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence on each class, and one on the templates, with words that a text tower has no tokens for.

    Args:
        content: The file of the text tower; one with the whole vocabulary lacks no word.
        class_texts: See `prompts_of`.
        templates: See `prompts_of`.
    """
    if content.known_ids is None:
        return ()
    sources = {f"class {text[:40]!r}": text.replace(OR, " ") for text in class_texts}
    sources["the templates"] = " ".join(templates).replace(PLACE, " ")
    return tuple(
        f"{content.path.name} was trained without {_listed(lacking)} (in {source}): its vector stands for no word in "
        "particular. Use words that it knows, or the file of a larger CLIP."
        for source, text in sources.items()
        if (lacking := unknown_words(content.known_ids, text))
    )


def lacking_names(content: ClipFile, names: Sequence[str]) -> tuple[str, ...]:
    """Return the class names with a word that a text tower has no tokens for; see `describe_unknown`."""
    if content.known_ids is None:
        return ()
    return tuple(name for name in names if unknown_words(content.known_ids, name))


def _listed(words: Sequence[str]) -> str:
    return ", ".join(repr(word) for word in words)


@torch.no_grad()
def embed_classes(tower: TextTower, class_texts: Sequence[str], templates: Sequence[str]) -> Tensor:
    """Return the vector of each class, of length 1, fp32 (K, C): the mean of its prompts' vectors of length 1.

    Args:
        tower: The text tower.
        class_texts: See `prompts_of`.
        templates: See `prompts_of`.

    Raises:
        ConfigError: See `prompts_of`.
        WeightsError: If the tower's vocabulary or context is not CLIP's.
    """
    tokenizer = ClipTokenizer()
    num_tokens, context = tower.num_tokens, tower.context
    if num_tokens != tokenizer.num_tokens or context < CONTEXT:
        raise WeightsError(
            f"The text tower has {num_tokens} tokens and {context} places; CLIP's tokenizer has {tokenizer.num_tokens} "
            f"and {CONTEXT}. Name a file of CLIP, or of a model that was trained from it."
        )
    prompts = prompts_of(class_texts, templates)
    ids_TN = tokenizer([prompt for of_class in prompts for prompt in of_class]).ids_TN
    vectors_TC = torch.cat([F.normalize(tower(part_TN).float(), dim=1) for part_TN in torch.split(ids_TN, _BATCH)])
    counts = [len(of_class) for of_class in prompts]
    means_KC = torch.stack([of_class_TC.mean(dim=0) for of_class_TC in torch.split(vectors_TC, counts)])
    return F.normalize(means_KC, dim=1)
