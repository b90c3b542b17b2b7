"""The file of the text tower, checked before a run folder is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.backbones.weights import find_weights
from rs_adapt.config.class_means import OPEN
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.tasks import CLASSIFICATION, task_of
from rs_adapt.config.weights_files import published_facts

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode
    from rs_adapt.config.resolved import ResolvedConfig


def check_texts(cfg: ResolvedConfig) -> tuple[str, ...]:
    """Find and read the text weights of a run whose classes are texts, and check that they fit its head.

    Args:
        cfg: The resolved configuration; other heads need no text weights.

    Returns:
        A sentence on each class whose prompts are longer than CLIP reads, or hold words that the text tower lacks; of
        scene classification one sentence on all names with such words.

    Raises:
        WeightsError: The file is missing or damaged, has no text tower, or does not fit the head.
        ConfigError: A wording or a template cannot be used, or, in the setting `ov`, not be read as a whole.
    """
    head = segmentor_config(cfg).decode_head
    if task_of(cfg.bench).name == CLASSIFICATION:
        return _describe_names(head)
    given = head.get("text_weights")
    if given is None:
        return ()
    from rs_adapt.heads.text_start import read_start
    from rs_adapt.language.class_prompts import check_readable
    from rs_adapt.language.prompts import describe_cut, describe_unknown

    path = find_weights(given, published_facts(given))
    if cfg.cell.setting == OPEN:
        # A class that is known by its name alone has to be read as a whole.
        check_readable(head.class_texts, head.templates)
    cut = describe_cut(head.class_texts, head.templates)
    if path is None:
        return cut
    image_dim = head.in_channels[-1] if head.value_path else None
    content = read_start(path, text_dim=head.text_dim, image_dim=image_dim, tower=head.get("text_tower"))
    return (*cut, *describe_unknown(content, head.class_texts, head.templates))


def _describe_names(head: ConfigNode) -> tuple[str, ...]:
    """Return which class names a CLIP of few words cannot read, and on which side of base and novel they are."""
    path = find_weights(head["clip_weights"], published_facts(head["clip_weights"]))
    if path is None:
        return ()
    from rs_adapt.language.clip_files import read_clip
    from rs_adapt.language.prompts import lacking_names

    scored, groups = list(head["class_texts"]), list(head["candidates"])
    names = [*scored, *(name for name in head["trained_texts"] if name not in scored)]
    lacking = lacking_names(read_clip(path), names)
    if not lacking:
        return ()
    sentence = (
        f"{path.name} was trained without words of {len(lacking)} of {len(names)} class names ({', '.join(lacking)}): "
        "its vectors of these names stand for no word in particular."
    )
    if len(set(groups)) > 1:
        sides = [[name for name, group in zip(scored, groups, strict=True) if group == side] for side in (0, 1)]
        base, novel = (f"{len(side) - len(set(side) & set(lacking))} of {len(side)}" for side in sides)
        sentence += (
            f" It knows the words of {base} base classes and of {novel} novel ones; names that it does not know differ "
            "in their length and their other words alone, so the accuracy among them says little about names."
        )
    return (sentence,)
