"""Wiring of what changes the look of labelled images: steps of their pipeline, blocks with mixed statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rs_adapt.config import words
from rs_adapt.errors import ConfigError, IncompatibleCell

if TYPE_CHECKING:
    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import ConfigNode, Domain, FolderKind, MergedTree, Split

    Folder = Callable[[Domain, Split, FolderKind], str]

# The mix of `bench.pipeline.fourier_mix`, by setting. da: FDA (arXiv 2004.05498), which swaps a box of the spectrum
# with a target image's; the smallest of the paper's three, because larger ones leave coloured blotches on fields and
# water. dg and ss, which read one region: FACT (arXiv 2105.11120), which mixes whole spectra by a random weight.
_FDA: ConfigNode = {"strength": (1.0, 1.0), "share": 0.01}
_FACT: ConfigNode = {"strength": (0.0, 1.0), "share": 0.5}
_FOURIER_MIX = {"da": _FDA, "dg": _FACT, "ss": _FACT, "ov": _FACT}


def style_steps(tree: MergedTree, cell: Cell, *, folder: Folder) -> list[ConfigNode]:
    """Return the steps that change the look of labelled images, in their order; none by default.

    Steps of the bench (`bench.pipeline`) come first, then those of the strategy (`strategy.style`).

    Args:
        tree: The merged axis files; `bench` and `strategy` are read.
        cell: The cell.
        folder: The function from a domain, a split and a kind of files to their folder.

    Raises:
        ConfigError: A step needs target images that the setting forbids.
    """
    return [*_steps_of_bench(tree, cell, folder), *_steps_of_strategy(tree, cell, folder)]


def float_steps(tree: MergedTree) -> list[ConfigNode]:
    """Return the steps that leave the grey levels from 0 to 255, and belong behind all others; none by default.

    Args:
        tree: The merged axis files; `backbone` and `strategy` are read.
    """
    style = tree["strategy"].get("style")
    prob = 0.0 if style is None else style.get("random_convolution", 0.0)
    if not prob:
        return []
    backbone = tree["backbone"]
    normalisation = {"mean": list(backbone["mean"]), "std": list(backbone["std"])}
    return [{"type": "rs_adapt.RandomConvolution", "prob": prob, **normalisation}]


def mixed_layers(tree: MergedTree, cell: Cell) -> list[int]:
    """Return the blocks after which MixStyle mixes, after a check that it can.

    Args:
        tree: The merged axis files; `backbone`, `bench`, `model` and `strategy` are read.
        cell: The cell.

    Raises:
        ConfigError: They do not exist, or the batch has one image.
        IncompatibleCell: The backbone has no blocks of a ViT.
    """
    backbone, strategy = tree["backbone"], tree["strategy"]
    if not backbone.get("takes_adapters", True):
        raise IncompatibleCell(
            f"The strategy {cell.strategy} does not work with backbone {backbone['name']}: it mixes tokens of a ViT, "
            "and this backbone is a pyramid without tokens. Allowed: --strategy source-styled or source-randconv, or a "
            "ViT as backbone."
        )
    if strategy["mixstyle_prob"] and tree["bench"]["schedule"]["batch_size"][cell.setting] < 2:
        raise ConfigError(
            f"The strategy {cell.strategy} mixes the statistics of two images, but the batch has one. Use --batch-size "
            "2 or more, or --set strategy.mixstyle_prob=0.0."
        )
    depth, stated = tree["model"]["backbone"]["depth"], strategy["mixstyle_layers"]
    if stated is None:
        return sorted({max(0, depth * quarters // 4 - 1) for quarters in (1, 2)})
    return list(words.resolve_layers(stated, depth=depth, key="strategy.mixstyle_layers"))


def refuse_style_steps(tree: MergedTree, cell: Cell) -> None:
    """Refuse changes of the style of labelled images where the strategy learns from none.

    Raises:
        IncompatibleCell: Such a change is switched on.
    """
    knobs = tree["bench"]["pipeline"]
    for key, probability in (("fourier_mix", knobs["fourier_mix"]), ("histogram_match", knobs["histogram_match"])):
        if probability:
            raise IncompatibleCell(
                f"bench.pipeline.{key} is {probability}, which changes labelled images, but strategy {cell.strategy} "
                f"learns from none. Set bench.pipeline.{key}=0.0, or use a strategy that reads the source."
            )


def _steps_of_bench(tree: MergedTree, cell: Cell, folder: Folder) -> list[ConfigNode]:
    bench = tree["bench"]
    knobs = bench["pipeline"]
    _check_target("bench.pipeline.histogram_match", knobs["histogram_match"], tree, cell)
    # dg never touches the target: source images take their style from each other, as target images do in ss.
    domain: Domain = "source" if cell.setting in ("dg", "ov") else "target"
    references = {
        "reference_dir": folder(domain, "train", "img_dir"),
        "reference_suffix": bench["img_suffix"],
    }
    steps: list[ConfigNode] = []
    if prob := knobs["fourier_mix"]:
        mix = {"type": "rs_adapt.FourierAmplitudeMix", "prob": prob, **_FOURIER_MIX[cell.setting]}
        steps.append({**mix, **references})
    if prob := knobs["histogram_match"]:
        steps.append({"type": "rs_adapt.HistogramMatch", "prob": prob, **references})
    return steps


def _steps_of_strategy(tree: MergedTree, cell: Cell, folder: Folder) -> list[ConfigNode]:
    style = tree["strategy"].get("style")
    if style is None:
        return []
    _check_target("strategy.style.band_match", style["band_match"], tree, cell)
    suffix = tree["bench"]["img_suffix"]
    steps: list[ConfigNode] = []
    if prob := style["band_match"]:
        regions = {
            "image_dir": folder("source", "train", "img_dir"),
            "image_suffix": suffix,
            "reference_dir": folder("target", "train", "img_dir"),
            "reference_suffix": suffix,
        }
        steps.append({"type": "rs_adapt.BandMatch", "prob": prob, **regions})
    if prob := style["band_jitter"]:
        steps.append({"type": "rs_adapt.BandJitter", "prob": prob})
    return steps


def _check_target(key: str, value: float, tree: MergedTree, cell: Cell) -> None:
    if value and cell.setting != "da":
        raise ConfigError(
            f"{key} is {value}, which needs unlabelled target images, but the setting {cell.setting} has none. "
            f"Allowed: 0 here, or the setting da (--bench {tree['bench']['family']}-da). bench.pipeline.fourier_mix "
            "and strategy.style.band_jitter work in every setting."
        )
