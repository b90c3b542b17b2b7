"""Wiring of the head whose classes are texts: their words, the file of the text tower, and the maps that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config import axes, paths, wire_open
from rs_adapt.config.class_means import OPEN
from rs_adapt.config.vocabularies import region_numbers
from rs_adapt.errors import ConfigError, IncompatibleCell

if TYPE_CHECKING:
    import os

    from rs_adapt.config.facts import ConfigNode, MergedTree, WeightsFacts

RANDOM = "random"
# Maps of a head that reads earlier blocks of CLIP besides the last.
LEVELS = "text_levels"
_CLIP = "rs_adapt.Clip"
# The activation of OpenAI's models.
_QUICK = "quick_gelu"
# Of the published CLIPs and of nano-clip: dimensions of the space by the width of the visual tower.
_SPACES = {192: 128, 768: 512, 1024: 768}
# The same: width and depth of the text tower by the width of the visual one; heads have 64 channels.
_TOWERS = {192: (128, 4), 768: (512, 12), 1024: (768, 12)}
_HEAD_DIM = 64
# Whose text tower a backbone without one takes, and its dimensions.
_DEFAULT_TEXT, _DEFAULT_SPACE = "clip_b_16", 512


def maps_read(tree: MergedTree) -> str:
    """Return the kind of maps that the head of a cell reads: `pyramid`, `tokens` or `joint`.

    A head that states `text` reads what lies next to texts: the last block of CLIP, which it runs itself; the tokens of
    other ViTs; and a pyramid where there is nothing else. One that states `text_levels` reads tokens of blocks before
    that too.
    """
    stated: str = tree.get("head", {}).get("maps", "pyramid")
    if stated not in ("text", LEVELS):
        return stated
    if is_clip(tree):
        return "joint"
    return "tokens" if stated == LEVELS or tree["backbone"].get("takes_adapters", True) else "pyramid"


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
    classes, clip = tree["bench"]["classes"], is_clip(tree)
    words = _by_class(head.pop("text_names"), classes)
    head["class_texts"] = [words.get(number, name) for number, name in enumerate(classes)]
    seen = None
    if OPEN in tree["bench"]:
        head["seen_classes"] = seen = wire_open.seen_classes(tree["bench"])
        if (named := region_numbers(tree["bench"], "target")) is not None:
            head["predicted_classes"] = sorted(named)
    if "learned_names" in head:
        learned = {_plain(name) for name in head.pop("learned_names")}
        numbers = [number for number, name in enumerate(classes) if _plain(name) in learned]
        head["learned_classes"] = [number for number in numbers if seen is None or number in seen]
    for settings in nested(backbone["adapter"]):
        if "text_embed_dim" in settings:
            width, depth = settings["text_embed_dim"], settings["text_depth"]
            head["text_tower"] = {"embed_dim": width, "depth": depth, "num_heads": max(1, width // _HEAD_DIM)}
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


def tower_facts(tree: MergedTree, adapter: ConfigNode) -> ConfigNode:
    """Return the facts of the text tower that a method on both towers needs; none for other methods.

    Args:
        tree: The merged axis files.
        adapter: The settings of the method.

    Raises:
        IncompatibleCell: The head holds no text tower, or the backbone is no CLIP.
        ConfigError: The text tower's sizes are not known.
    """
    of_text = [settings for settings in nested(adapter) if "text_embed_dim" in settings]
    if not of_text:
        return {}
    method = tree["method"]["name"]
    if "text_names" not in tree["model"]["decode_head"]:
        raise IncompatibleCell(
            f"Method {method} trains the text tower too, but the head {tree['model']['decode_head']['type']} reads no "
            "texts. Allowed: --head cost or --head text."
        )
    if adapter not in of_text and adapter["type"] != "rs_adapt.Stack":
        raise IncompatibleCell(
            f"Method {method} puts one that sits in both towers of CLIP inside another, which would leave out the "
            "text tower. Allowed: the method alone, or a stack such as hclip-both+vpt."
        )
    if not is_clip(tree):
        raise IncompatibleCell(
            f"Method {method} sits in both towers of CLIP, but backbone {tree['backbone']['name']} is no CLIP. "
            "Allowed: --backbone clip-b-16, and the other CLIPs that `rs-adapt list backbones` prints."
        )
    width = tree["model"]["backbone"]["embed_dim"]
    if width in _TOWERS:
        return dict(zip(("text_embed_dim", "text_depth"), _TOWERS[width], strict=True))
    if any(settings[key] is None for settings in of_text for key in ("text_embed_dim", "text_depth")):
        raise ConfigError(
            f"Width and depth of the text tower next to a visual one of width {width} are not known. State them: --set "
            "model.backbone.adapter.text_embed_dim=... and --set model.backbone.adapter.text_depth=..."
        )
    return {}


def nested(adapter: ConfigNode | None) -> list[ConfigNode]:
    """Return the settings of an adapter and of all adapters inside it."""
    if adapter is None:
        return []
    inner = [*adapter.get("adapters", {}).values(), *([adapter["host"]] if "host" in adapter else [])]
    return [adapter, *(settings for direct in inner for settings in nested(direct))]


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


def is_clip(tree: MergedTree) -> bool:
    """Return whether the backbone of merged axis files is the visual tower of a CLIP."""
    return bool(tree["model"]["backbone"]["type"] == _CLIP)


def _default_facts() -> WeightsFacts:
    facts: WeightsFacts | None = axes.backbone_facts(_DEFAULT_TEXT)["weights"]
    assert facts is not None
    return facts
