"""Wiring of the head whose classes are texts: their words, the file of the text tower, and the maps that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config import axes, paths
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    import os

    from rs_adapt.config.facts import ConfigNode, MergedTree, WeightsFacts

RANDOM = "random"
_CLIP = "rs_adapt.Clip"
# The activation of OpenAI's models.
_QUICK = "quick_gelu"
# Of the published CLIPs and of nano-clip: dimensions of the space by the width of the visual tower.
_SPACES = {192: 128, 768: 512, 1024: 768}
# Whose text tower a backbone without one takes, and its dimensions.
_DEFAULT_TEXT, _DEFAULT_SPACE = "clip_b_16", 512


def maps_read(tree: MergedTree) -> str:
    """Return the kind of maps that the head of a cell reads: `pyramid`, `tokens` or `joint`.

    A head that states `text` reads what lies next to texts: the last block of CLIP, which it runs itself; the tokens of
    other ViTs; and a pyramid where there is nothing else.
    """
    stated: str = tree.get("head", {}).get("maps", "pyramid")
    if stated != "text":
        return stated
    if _is_clip(tree):
        return "joint"
    return "tokens" if tree["backbone"].get("takes_adapters", True) else "pyramid"


def resolve_text(
    head: ConfigNode, tree: MergedTree, backbone: ConfigNode, *, weights: str | os.PathLike[str] | None
) -> None:
    """Resolve the settings of a head whose classes are texts, in place.

    Args:
        head: Its settings, a copy of those of its file.
        tree: The merged axis files.
        backbone: The resolved settings of the backbone.
        weights: See `wire_model`: `random` holds for texts too, unless they have a file of their own.

    Raises:
        ConfigError: A wording is that of no class of the bench.
    """
    classes, clip = tree["bench"]["classes"], _is_clip(tree)
    words = _by_class(head.pop("text_names"), classes)
    head["class_texts"] = [words.get(number, name) for number, name in enumerate(classes)]
    learned = {_plain(name) for name in head.pop("learned_names")}
    head["learned_classes"] = [number for number, name in enumerate(classes) if _plain(name) in learned]
    head["value_path"] = clip
    if head["text_dim"] is None:
        head["text_dim"] = space_dim(backbone["embed_dim"]) if clip else _DEFAULT_SPACE
    if head["text_activation"] is None:
        head["text_activation"] = backbone.get("activation", _QUICK) if clip else _QUICK
    given = head["text_weights"]
    if given is not None:
        head["text_weights"] = RANDOM if given == RANDOM else str(Path(given).expanduser().resolve())
    elif str(weights) == RANDOM:
        head["text_weights"] = RANDOM
    else:
        head["text_weights"] = backbone["weights"] if clip else str(paths.weights_file(_default_facts()))


def space_dim(embed_dim: int) -> int:
    """Return the dimensions of the space of texts and images of a published CLIP, by the width of its visual tower."""
    return _SPACES.get(embed_dim, _DEFAULT_SPACE)


def _by_class(words: Mapping[str, object], classes: Sequence[str]) -> dict[int, str]:
    numbers = {_plain(name): number for number, name in enumerate(classes)}
    if unknown := [name for name in words if _plain(name) not in numbers]:
        raise ConfigError(
            f"model.decode_head.text_names.{unknown[0]}: the bench has no such class. Its classes: "
            f"{', '.join(classes)}."
        )
    return {numbers[_plain(name)]: str(text) for name, text in words.items()}


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())


def _is_clip(tree: MergedTree) -> bool:
    return bool(tree["model"]["backbone"]["type"] == _CLIP)


def _default_facts() -> WeightsFacts:
    facts: WeightsFacts | None = axes.backbone_facts(_DEFAULT_TEXT)["weights"]
    assert facts is not None
    return facts
