"""Weights of a ViT from the layouts they are published in: renamed and split to ours.

Each family of ViTs (`Names`) states its layouts as tables of templates (see `renaming`), which are read in both
directions. They drop tensors that are not used (the final norm, mask tokens, necks and heads): feature maps are taken
before the final norm, and nothing is masked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from rs_adapt.backbones.renaming import expansion, pattern, translate
from rs_adapt.errors import WeightsError

# (template of the name in the file, our names): several names split the tensor into equal parts, an empty one drops its
# part, none drops it all. Of several rows with the same first name of ours, the first is used for writing.
Row = tuple[str, tuple[str, ...]]

# Prefixes of adapter tensors that checkpoints have next to the ViT's, below the same outer prefix.
_ADAPTER_PREFIXES = ("refine_feat.", "reins.", "adapter.")
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class TensorLayout:
    """One way in which the weights of a family are published.

    Attributes:
        title: Name of the layout, as in "the original DINOv2".
        marks: Prefixes of names; a file with a name that has one of them is in this layout.
        example: Typical name, for messages.
        rows: From its names to ours, and back.
        aliases: Prefixes of names that also occur, and the prefixes that the rows have instead.
        other_prefixes: Prefixes of names outside the ViT, such as a neck's.
    """

    title: str
    marks: tuple[str, ...]
    example: str
    rows: Sequence[Row]
    aliases: Mapping[str, str] = field(default_factory=dict)
    other_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Names:
    """The names of a family's tensors, here and in published files.

    Attributes:
        family: "DINOv2" and so on.
        original: The layout of the authors' files.
        transformers: The layout of transformers' files; our own names are accepted in it too.
        prefixes: Outer prefixes; where a file has names with one, only those belong to the ViT.
        kernel: Weight of the patch embedding (D, 3, patch, patch).
        positions: Learned positions, CLS first: (1, 1 + N, D) or (1 + N, D); a grid without CLS: (1, h, w, D); or None.
        positions_ndim: Number of their dimensions.
        tokens: Other tensors that every file of the family has.
        embeddings: Suffixes of the names of tokens and positions, which start small and have no weight decay.
        zero_biases: Patterns of layers whose bias is zero where a file has none: every layer that BitFit trains has a
            bias here, so that the method means the same on all ViTs and can be merged.
        sizes: By (width, depth): the name, such as "ViT-L", and the config of that size.
        in_stages: Whether the blocks are in stages of different widths, as in a pyramid, instead of all alike.
        block_parts: Tensors that every block of the family has, and blocks of a family with the same other names lack;
            by each, what a block without it is, for the error.
        foreign: Parts of names that files of other families have, and for each what such a file is, for the error.
        prepare: Called with a file's tensors before they are renamed: makes a patch embedding of RGB of the file's own.
    """

    family: str
    original: TensorLayout
    transformers: TensorLayout
    prefixes: tuple[str, ...]
    kernel: str
    positions: str | None
    positions_ndim: int = 3
    tokens: tuple[str, ...]
    embeddings: tuple[str, ...]
    zero_biases: tuple[str, ...] = ()
    sizes: Mapping[tuple[int, int], tuple[str, str]]
    in_stages: bool = False
    block_parts: Mapping[str, str] = field(default_factory=dict)
    foreign: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] | None = None


class DamagedWeights(WeightsError):
    """A file has the names of its family, and values that cannot be used: no other family's error says more."""


@dataclass(frozen=True, kw_only=True)
class VitSize:
    """Width, depth and patch size of a ViT; two are the same model if width and depth are equal."""

    embed_dim: int
    depth: int
    patch_px: int

    def model(self, names: Names) -> str:
        """`ViT-L` and so on, or `a ViT` for a size that was not published."""
        return names.sizes.get((self.embed_dim, self.depth), ("a ViT", ""))[0]

    def config(self, names: Names) -> str:
        """`dinov2_l` and so on, the name in configs/backbone/."""
        return names.sizes.get((self.embed_dim, self.depth), ("", "this backbone"))[1]


def convert_names(tensors: Mapping[str, Tensor], names: Names) -> tuple[str, dict[str, Tensor]]:
    """Rename tensors of any of a family's layouts (no outer prefix) to ours; missing biases of zero are added.

    Returns:
        The layout of the names, "original" or "transformers", and the tensors under our names.

    Raises:
        WeightsError: If no layout has such names, a name is unknown, or a tensor cannot be split.
    """
    if names.prepare is not None:
        tensors = names.prepare(tensors)
    layouts = {"transformers": names.transformers, "original": names.original}
    for kind, layout in layouts.items():
        if any(name.startswith(layout.marks) for name in tensors):
            return kind, with_zero_biases(rename(tensors, layout, names), names)
    kind = names.family if names.in_stages else f"{names.family} ViT"
    raise WeightsError(
        f"not a {kind}: its tensors are named {', '.join(list(tensors)[:3]) or '(none)'}, "
        f"not like {' or '.join(layout.example for layout in layouts.values())}.{_hints(tensors, names.foreign)}"
    )


def rename(tensors: Mapping[str, Tensor], layout: TensorLayout, names: Names) -> dict[str, Tensor]:
    """Rename tensors of one layout (no outer prefix) to ours; a part of a model (some blocks only) is fine.

    Tensors of adapters in released checkpoints are left out.

    Raises:
        WeightsError: If a name is unknown or a tensor cannot be split, or has the wrong number of dimensions.
    """
    noun = "" if names.in_stages else " ViT"
    renamed = rename_by_layout(tensors, layout, noun=noun, foreign=names.foreign)
    for our_name, dims in ((names.kernel, 4), (names.positions, names.positions_ndim)):
        shape = tuple(renamed[our_name].shape) if our_name is not None and our_name in renamed else None
        if shape is not None and (len(shape) != dims or 0 in shape):
            raise WeightsError(f"{our_name} has shape {shape}, not {dims} dimensions with values.")
    return renamed


def rename_by_layout(
    tensors: Mapping[str, Tensor], layout: TensorLayout, *, noun: str, foreign: Mapping[str, str] = _NOTHING
) -> dict[str, Tensor]:
    """Rename tensors by the rows of a layout, whatever model it describes.

    Args:
        tensors: The tensors.
        layout: Their layout; adapters' tensors and those below its `other_prefixes` are left out.
        noun: The model in words, after the layout's title, for messages; empty if the title says it.
        foreign: See `Names.foreign`.

    Raises:
        WeightsError: If a name is unknown or a tensor cannot be split.
    """
    rules = [(re.compile(pattern(theirs)), [expansion(name) for name in ours]) for theirs, ours in layout.rows]
    renamed: dict[str, Tensor] = {}
    unknown: list[str] = []
    for name, tensor in tensors.items():
        if name.startswith((*_ADAPTER_PREFIXES, *layout.other_prefixes)):
            continue
        alias = next((alias for alias in layout.aliases if name.startswith(alias)), "")
        full = layout.aliases.get(alias, "") + name.removeprefix(alias)
        hits = ((rule.fullmatch(full), targets) for rule, targets in rules)
        match, targets = next(((hit, targets) for hit, targets in hits if hit), (None, []))
        if match is None:
            unknown.append(name)
        elif len(targets) == 1 and not tensor.ndim:
            # The counter of a batch norm.
            renamed[match.expand(targets[0])] = tensor
        elif targets:
            if tensor.ndim == 0 or tensor.shape[0] % len(targets):
                raise WeightsError(
                    f"{name} has shape {tuple(tensor.shape)}: cannot be split into {len(targets)} parts."
                )
            parts = zip(targets, tensor.chunk(len(targets)), strict=True)
            renamed |= {match.expand(target): part for target, part in parts if target}
    if unknown:
        raise WeightsError(
            f"{len(unknown)} tensor names do not belong to {layout.title}{noun}, e.g. "
            f"{', '.join(unknown[:3])}; expected names like {layout.example}.{_hints(unknown, foreign)}"
        )
    return renamed


def _hints(unknown: Iterable[str], foreign: Mapping[str, str]) -> str:
    """Return what files with such names are, with a space before it, as far as the family states it."""
    hints = {hint: None for name in unknown for part, hint in foreign.items() if part in name}
    return "".join(f" {hint}" for hint in hints)


def to_published_names(state: Mapping[str, Tensor], layout: TensorLayout) -> dict[str, Tensor]:
    """Rename our names to those of a layout, and stack the tensors that it stacks: the inverse of `rename`.

    Args:
        state: Tensors of a ViT. Tensors that we drop (final norm, mask token) are not created.
        layout: The layout to write. A part that only the layout has (a bias of keys) is zero.
    """
    rows: dict[str, Row] = {}
    for row in layout.rows:
        if row[1]:
            rows.setdefault(row[1][0], row)
    not_first = {part for _, ours in rows.values() for part in ours[1:]}
    result: dict[str, Tensor] = {}
    for name, tensor in state.items():
        for first, (theirs, ours) in rows.items():
            if first not in not_first and (new_name := translate(name, [(first, theirs)])) is not None:
                parts = [translate(name, [(first, part)]) if part else None for part in ours]
                tensors = [torch.zeros_like(tensor) if part is None else state[part] for part in parts]
                result[new_name] = tensor if len(tensors) == 1 else torch.cat(tensors)
                break
    return result


def with_zero_biases(state: Mapping[str, Tensor], names: Names) -> dict[str, Tensor]:
    """Add biases of zero that the family has in this package but not in its files."""
    full = dict(state)
    for name, tensor in state.items():
        layer, _, kind = name.rpartition(".")
        if kind == "weight" and any(re.fullmatch(pattern, layer) for pattern in names.zero_biases):
            full.setdefault(f"{layer}.bias", tensor.new_zeros(tensor.shape[:1]))
    return full


def measure(state: Mapping[str, Tensor], names: Names) -> VitSize:
    """Read width, depth and patch size from a full state under our names.

    Raises:
        WeightsError: If tokens, positions, patch kernel or blocks are missing, or a block lacks a tensor that others
            have.
    """
    needed = [*names.tokens, *([names.positions] if names.positions else []), names.kernel]
    # What has a weight among them has a bias too: the patch embedding, and a norm before the blocks.
    needed += [name.removesuffix("weight") + "bias" for name in needed if name.endswith(".weight")]
    needed = [name for name in needed if name != f"{str(names.positions).removesuffix('weight')}bias"]
    depth = require_whole(state, needed, model=f"{names.family} ViT", block_parts=names.block_parts)
    kernel = state[names.kernel]
    bands, *sides = kernel.shape[1:]
    if bands != 3 or sides[0] != sides[1]:
        raise DamagedWeights(
            f"its patches are of {bands} bands and {sides[0]} x {sides[1]} px; allowed are 3 bands and squares. Choose "
            "a different file."
        )
    return VitSize(embed_dim=kernel.shape[0], depth=depth, patch_px=kernel.shape[-1])


def require_whole(
    state: Mapping[str, Tensor], needed: Sequence[str], *, model: str, block_parts: Mapping[str, str] = _NOTHING
) -> int:
    """Return the number of blocks of a state, after checking that nothing is missing from it.

    Args:
        state: Tensors under our names, those of the blocks as `layers.N.*`.
        needed: Names outside the blocks that have to be there.
        model: The model in words, for messages.
        block_parts: See `Names.block_parts`.

    Raises:
        WeightsError: If one of these or all blocks are missing, or a block lacks a tensor that others have.
    """
    layers: dict[int, set[str]] = {}
    for name in state:
        if name.startswith("layers."):
            _, number, rest = name.split(".", 2)
            layers.setdefault(int(number), set()).add(rest)
    absent = [name for name in needed if name not in state]
    if absent or not layers:
        raise WeightsError(f"incomplete {model}: {', '.join(absent) or 'its blocks'} missing.")
    every = set.union(*layers.values())
    for part, what in block_parts.items():
        if part not in every:
            raise WeightsError(f"not a {model}: its blocks have no {part}. {what}")
    holes = [f"layers.{n}.{rest}" for n in range(max(layers) + 1) for rest in sorted(every - layers.get(n, set()))]
    if holes:
        raise DamagedWeights(
            f"incomplete {model}: {len(holes)} tensors are missing that its other blocks have, first {holes[0]}."
        )
    return max(layers) + 1
