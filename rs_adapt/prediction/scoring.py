"""The scores of a map against labels: read window by window, so that memory does not grow with the map.

Shapes: K classes, H/W pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rs_adapt.config.vocabularies import region_numbers
from rs_adapt.datasets.own.translation import LabelReader
from rs_adapt.datasets.own.windows import IGNORE
from rs_adapt.datasets.recipes import LabelItem, LabelSource, ScenesRecipe, read_recipe
from rs_adapt.engine.per_image import scored_classes
from rs_adapt.engine.results import score_fields
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.scenes import Box, Scene, SceneInfo
from rs_adapt.scores.class_sets import ClassSet

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.prediction.inputs import NamedScene

# Sides of the windows in which maps and labels are compared.
_WINDOW_HW = (1024, 2048)
# Endings of files that lie beside labels and are none.
_COMPANION_SUFFIXES = frozenset({".xml", ".tfw", ".pgw", ".wld", ".qml", ".prj", ".txt", ".md", ".json", ".ovr"})


@dataclass(frozen=True, kw_only=True)
class MapScores:
    """The scores of maps, in percent, 0 to 100; None where there is no value.

    Attributes:
        labels: Files of the labels.
        pixels: Pixels that have a label and lie in the map.
        classes_line: The classes in the mean, in words.
        miou_pct: Mean of the IoU of `classes_in_mean`.
        macc_pct: Mean of their accuracies.
        aacc_pct: Share of all pixels that are right.
        classes_in_mean: The scored classes that have true pixels, by the rule of the run's protocol.
        iou_pct: IoU by class.
        acc_pct: Accuracy by class.
        confusion_KK: Pixel counts, int64; row = truth, column = prediction.
        class_set: The classes, and those in the means.
    """

    labels: tuple[Path, ...]
    pixels: int
    classes_line: str
    miou_pct: float | None
    macc_pct: float | None
    aacc_pct: float | None
    classes_in_mean: list[str]
    iou_pct: Mapping[str, float | None]
    acc_pct: Mapping[str, float | None]
    confusion_KK: NDArray[np.int64] = field(repr=False, compare=False)
    class_set: ClassSet = field(repr=False, compare=False)

    @property
    def score_title(self) -> str:
        """The name of the mean that `miou_pct` is: mIoU, or hIoU of a run of the setting `ov`."""
        return self.class_set.mean_name

    def content(self) -> dict[str, object]:
        """Return the scores as they are printed by `--json`."""
        return {
            "labels": [str(file) for file in self.labels],
            "pixels": self.pixels,
            "miou_pct": self.miou_pct,
            "macc_pct": self.macc_pct,
            "aacc_pct": self.aacc_pct,
            "classes_in_mean": list(self.classes_in_mean),
            "iou_pct": dict(self.iou_pct),
            "acc_pct": dict(self.acc_pct),
            "confusion": self.confusion_KK.tolist(),
        }


class MapScorer:
    """Compares maps with labels as a run's bench reads them.

    The labels of a bench of the user's own are read as its file says: values, colours or polygons, on any grid. Those
    of a shipped bench hold the values of its tiles.

    Args:
        cfg: The configuration of the run.
        region: Name of the region whose labels are read; None for the target's, or the source's where the target has
            none.

    Attributes:
        classes: The classes, and those in the means.
        labels: How labels are read.
    """

    def __init__(self, cfg: ResolvedConfig, *, region: str | None = None) -> None:
        self.classes: ClassSet = scored_classes(cfg)
        self.labels = _label_source(cfg, region)

    def check(self, scene: SceneInfo, label: Path) -> None:
        """Read the label of a scene, so that one that does not fit is refused before the scene is predicted.

        Raises:
            DataNotFound: There is no such label.
            DataError: It cannot be read, does not lie on the scene, or holds what belongs to no class or no class at
                all.
        """
        if not label.exists():
            raise DataNotFound(f"There is no label {label}. Name the labels of {scene.path} with --evaluate.")
        with LabelReader(self.labels, scene, label) as reader:
            windows = windows_of(scene)
            # Every window is read, because each may hold an unknown value.
            labelled = sum(int((reader.read(box).classes_HW != IGNORE).sum()) for box in windows)
        if not labelled:
            raise DataError(f"{label} labels no pixel of {scene.path} with a class of the model.")

    def count(self, map_file: Path, label: Path) -> NDArray[np.int64]:
        """Return pixel counts of a map, (K, K) int64: row = truth, column = prediction.

        Args:
            map_file: The map of classes.
            label: Its labels.
        """
        num_classes = len(self.classes.classes)
        counts = np.zeros(num_classes**2, dtype=np.int64)
        with Scene(map_file) as made, LabelReader(self.labels, made.info, label) as reader:
            for box in windows_of(made.info):
                classes_HW, valid_HW = made.read_classes(box)
                truth_HW = reader.read(box).classes_HW
                is_counted_HW = valid_HW & (truth_HW != IGNORE)
                pairs = truth_HW[is_counted_HW].astype(np.int64) * num_classes + classes_HW[is_counted_HW]
                counts += np.bincount(pairs, minlength=num_classes**2)
        return counts.reshape(num_classes, num_classes)

    def score(self, map_file: Path, label: Path) -> MapScores:
        """Return the scores of a map of classes against its label."""
        return _scores_of(self.count(map_file, label), [label], self.classes)


def pool_scores(scores: Sequence[MapScores]) -> MapScores:
    """Return the scores of several maps as if they were one; there must be one at least."""
    counts_KK: NDArray[np.int64] = np.sum([one.confusion_KK for one in scores], axis=0)
    return _scores_of(counts_KK, [file for one in scores for file in one.labels], scores[0].class_set)


def label_files(scenes: Sequence[NamedScene], labels: Path) -> dict[Path, Path]:
    """Return the label of each scene.

    Args:
        scenes: The scenes.
        labels: The label's file if there is one scene or the labels are polygons; else a folder, in which each label
            has the name of its scene, with any ending. That of a STAC item has the name of the item, or of its asset if
            no other scene's file is called the same.

    Raises:
        DataNotFound: There is no such file, or a scene has no label in the folder.
        ConfigError: A scene has several labels in the folder.
    """
    if not labels.is_dir():
        if not labels.exists():
            raise DataNotFound(f"--evaluate names {labels}, which does not exist. Name a file or a folder of labels.")
        return dict.fromkeys((scene.path for scene in scenes), labels)
    by_stem: dict[str, list[Path]] = {}
    for file in sorted(labels.iterdir()):
        if file.is_file() and file.suffix.lower() not in _COMPANION_SUFFIXES:
            by_stem.setdefault(file.stem, []).append(file)
    chosen: dict[Path, Path] = {}
    uses = Counter(scene.path.stem for scene in scenes)
    for path, name in scenes:
        names = [name, *([path.stem] if path.stem != name and uses[path.stem] == 1 else [])]
        files = next((by_stem[each] for each in names if each in by_stem), [])
        if not files:
            raise DataNotFound(f"The folder {labels} holds no label named {' or '.join(names)}, for {path}.")
        if len(files) > 1:
            raise ConfigError(f"{files[0]} and {files[1]} could both be the label of {path}. Remove one of them.")
        chosen[path] = files[0]
    return chosen


def windows_of(info: SceneInfo) -> Iterator[Box]:
    """Yield the windows of a raster, from top to bottom and left to right."""
    height, width = _WINDOW_HW
    for top in range(0, info.height_px, height):
        for left in range(0, info.width_px, width):
            yield Box(left, top, min(left + width, info.width_px), min(top + height, info.height_px))


def _scores_of(counts_KK: NDArray[np.int64], labels: Sequence[Path], classes: ClassSet) -> MapScores:
    return MapScores(
        labels=tuple(dict.fromkeys(labels)),
        pixels=int(counts_KK.sum()),
        classes_line=classes.line(counts_KK),
        confusion_KK=counts_KK,
        class_set=classes,
        **score_fields(counts_KK, classes),
    )


def _label_source(cfg: ResolvedConfig, region: str | None) -> LabelSource:
    recipe = read_recipe(cfg.bench.prepare.to_dict()) if cfg.bench.get("own") else None
    if isinstance(recipe, ScenesRecipe):
        named = [table.labels for table in (recipe.target, recipe.source) if table.name == region]
        tables = [labels for labels in (*named, recipe.target.labels, recipe.source.labels) if labels is not None]
        # Training has required labels of the source.
        return tables[0]
    first = 1 if cfg.bench.reduce_zero_label else 0
    ignored: list[LabelItem] = [int(cfg.bench.ignore_index), *range(first)]
    numbers = region_numbers(cfg.bench.to_dict(), "target") or range(len(cfg.bench.classes))
    return LabelSource(
        kind="values",
        path="",
        suffix="",
        column=None,
        background=None,
        to_index=tuple((value, index) for value, index in enumerate(numbers, start=first)),
        ignore=tuple(ignored),
    )
