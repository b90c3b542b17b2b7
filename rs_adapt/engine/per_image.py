"""Confusion matrices of single images, with facts about model, split and inference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rs_adapt.config.added_keys import absent_classes_in
from rs_adapt.config.tasks import SEGMENTATION, task_of
from rs_adapt.datasets.digests import digest_tiles
from rs_adapt.datasets.tile_origin import find_tile_origins, region_facts
from rs_adapt.engine.build import Split, loader_settings
from rs_adapt.runs.records import data_facts
from rs_adapt.scores.class_sets import ClassSet, class_set
from rs_adapt.scores.measures import MIOU, accuracy_measure
from rs_adapt.scores.per_image import PerImage

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig


def scored_classes(cfg: ResolvedConfig) -> ClassSet:
    """Return the classes in the means of a run, with the rule for those without true pixels."""
    classes = list(cfg.bench.classes)
    is_segmented = task_of(cfg.bench).name == SEGMENTATION
    measure = MIOU if is_segmented else accuracy_measure(cfg.val_evaluator.base)
    return class_set(classes, chosen=cfg.protocol.classes, absent=absent_classes_in(cfg.protocol), measure=measure)


def make_per_image(
    cfg: ResolvedConfig,
    by_image: Sequence[tuple[str, np.ndarray[Any, Any]]],
    *,
    split: Split,
    iteration: int | None,
    tta: str | None = None,
) -> PerImage:
    """Return the matrices of a split in the form that is stored.

    Args:
        cfg: The resolved configuration.
        by_image: Path and (K, K) counts of each image, from `ConfusionMetric` or `evaluate`.
        split: "test" or "val" of the target, or "source-val".
        iteration: Iteration of the weights; None if unknown.
        tta: Views whose probabilities were averaged; None for none.

    Raises:
        DataError: The index of the tiles is damaged, or a tile cannot be read.
    """
    dataset = loader_settings(cfg, split).dataset
    origins = find_tile_origins(
        [path for path, _ in by_image],
        img_dir=Path(dataset.img_dir),
        img_suffix=dataset.img_suffix,
        scene_pattern=cfg.bench.get("scene_pattern"),
        city=region_facts(cfg.bench, dataset.name).get("city"),
    )
    return PerImage(
        tiles=origins.tiles,
        scenes=origins.scenes,
        cities=origins.cities,
        classes=tuple(cfg.bench.classes),
        counts_NKK=np.stack([counts_KK for _, counts_KK in by_image]).astype(np.int64),
        facts={
            "bench": cfg.bench.name,
            "split": " ".join(dataset.name.split("/")[-2:]),
            "iter": iteration,
            "weights": cfg.protocol.weights,
            "absent_classes": absent_classes_in(cfg.protocol),
            "protocol": f"{cfg.protocol.name}-{cfg.protocol.version}",
            "inference": cfg.bench.inference.to_dict() | ({} if tta is None else {"tta": tta}),
            "precision": cfg.runtime.precision,
            "data_sha256": data_facts(digest_tiles(dataset)).sha256,
            **scored_classes(cfg).measure.facts(list(cfg.bench.classes)),
        },
    )
