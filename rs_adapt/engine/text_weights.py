"""The file of the text tower, checked before a run folder is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.backbones.weights import find_weights
from rs_adapt.config.class_means import OPEN
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.weights_files import published_facts

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def check_texts(cfg: ResolvedConfig) -> tuple[str, ...]:
    """Find and read the text weights of a run whose classes are texts, and check that they fit its head.

    Args:
        cfg: The resolved configuration; other heads need no text weights.

    Returns:
        A sentence on each class whose prompts are longer than CLIP reads, or hold words that the text tower lacks.

    Raises:
        WeightsError: The file is missing or damaged, has no text tower, or does not fit the head.
        ConfigError: A wording or a template cannot be used, or, in the setting `ov`, not be read as a whole.
    """
    head = segmentor_config(cfg).decode_head
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
