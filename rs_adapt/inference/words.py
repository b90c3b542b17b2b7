"""A trained model whose classes are texts, given other words after the training: the classes of a map in any words."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from rs_adapt.backbones.weights import find_weights
from rs_adapt.config.class_names import check_class_names
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.config.weights_files import published_facts
from rs_adapt.errors import CheckpointMismatch, ConfigError, IncompatibleCell
from rs_adapt.heads.text_start import RANDOM, read_start
from rs_adapt.language.class_prompts import ClassPrompts, check_readable
from rs_adapt.language.prompts import describe_unknown
from rs_adapt.language.text_tower import TextTower

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.records import Manifest

# A map stores classes in 8 bit, and 255 is no data.
_MOST_WORDS = 254
# Vectors of one text computed on two machines differ by less.
_SAME = 1e-3
# Hues that follow each other by this share of the circle stay apart, however many there are.
_GOLDEN = 0.618034


def check_words(cfg: ResolvedConfig, words: Sequence[str], checkpoint: Path) -> None:
    """Refuse words that cannot be the classes of a model's maps, before it is loaded.

    Args:
        cfg: The configuration of the checkpoint, from `recompose`.
        words: Names of the classes.
        checkpoint: Folder of the pack, for messages.

    Raises:
        IncompatibleCell: The classes of its head are those of its training.
        ConfigError: There is no word, a word cannot be shown or read, or two are the same.
    """
    head = segmentor_config(cfg).decode_head
    if "class_texts" not in head:
        raise IncompatibleCell(
            f"--classes gives a model new classes by their words, but {checkpoint} was trained with the head "
            f"{cfg.cell.head}, which has one weight for each of its own: {', '.join(cfg.bench.classes)}. Leave "
            "--classes out, or train with --head cost or --head text (bench ...-ov)."
        )
    if not words or len(words) > _MOST_WORDS:
        raise ConfigError(f"--classes has {len(words)} names. Allowed: 1 to {_MOST_WORDS}, separated by commas.")
    check_class_names(words, "--classes")
    check_readable(words, head.templates)


def describe_words(cfg: ResolvedConfig, words: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence on each of these names with words that the model's text tower was trained without.

    Args:
        cfg: The configuration of the checkpoint, from `recompose`.
        words: Names of the classes, checked by `check_words`.

    Raises:
        WeightsError: The file of the text tower is missing or damaged.
    """
    head = segmentor_config(cfg).decode_head
    if not words or str(head.text_weights) == RANDOM:
        return ()
    path = find_weights(head.text_weights, published_facts(head.text_weights))
    assert path is not None
    content = read_start(path, text_dim=head.text_dim, image_dim=None)
    return describe_unknown(content, words, head.templates)


def name_classes(model: Any, cfg: ResolvedConfig, checkpoint: Path, words: Sequence[str]) -> None:
    """Give a loaded model other classes, in place: their vectors come from the text tower that it was trained with.

    Args:
        model: The segmentor, loaded.
        cfg: Its configuration.
        checkpoint: Folder of the pack, for messages.
        words: Names of the classes, checked by `check_words`.

    Raises:
        WeightsError: The file of the text tower is missing or damaged.
        CheckpointMismatch: The text tower is not the one of the training.
        ConfigError: The model was trained on vectors without meaning.
    """
    settings, head = segmentor_config(cfg).decode_head, model.decode_head
    if str(settings.text_weights) == RANDOM:
        raise ConfigError(
            f"{checkpoint} was trained with random vectors in place of texts, so no word means anything to it. Train "
            "it with the weights of a CLIP."
        )
    path = find_weights(settings.text_weights, published_facts(settings.text_weights))
    assert path is not None
    content = read_start(path, text_dim=settings.text_dim, image_dim=None)
    tower = TextTower.from_file(content, activation=settings.text_activation).to(head.text_KC.device)
    adapter = model.backbone.adapter
    if adapter is not None and (side := adapter.text_side()) is not None:
        tower.take(side)
    with torch.no_grad():
        trained_KC = ClassPrompts(head.class_texts, head.templates).vectors(tower)
        if float((trained_KC - head.text_KC).abs().max()) > _SAME:
            raise CheckpointMismatch(
                f"The text tower in {path} is not the one that {checkpoint} was trained with: it gives its classes "
                "other vectors. Name the file of the training with --weights."
            )
        head.name_classes(words, ClassPrompts(words, head.templates).vectors(tower))
    model.num_classes = model.out_channels = len(words)


def colours_of(words: Sequence[str], manifest: Manifest) -> tuple[tuple[int, int, int], ...]:
    """Return a colour for each word, RGB 0 to 255: that of the trained class of the same name, else one of its own."""
    known = {_plain(name): colour for name, colour in zip(manifest.classes, manifest.palette, strict=True)}
    colours = []
    for number, word in enumerate(words):
        red, green, blue = known.get(_plain(word)) or _distinct(number)
        colours.append((int(red), int(green), int(blue)))
    return tuple(colours)


def _distinct(number: int) -> list[int]:
    values = colorsys.hsv_to_rgb((number * _GOLDEN) % 1, 0.75 if number % 2 else 0.5, 0.9)
    return [round(255 * value) for value in values]


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())
