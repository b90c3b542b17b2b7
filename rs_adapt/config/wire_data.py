"""The data half of the wiring: bench facts -> pipelines, data sets and loaders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config import paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rs_adapt.config.cell import Cell

Facts = dict[str, Any]


def dataloaders(tree: Mapping[str, Any], cell: Cell, *, data_root: Path) -> Facts:
    """Return the train, val, test and source-val loaders of a cell, and where its tiles are prepared.

    `source_val_dataloader` is not read by mmengine: it scores a checkpoint on the region it was trained on. Target
    labels are only ever named in the val and test loaders, except in the setting `ss`, which trains on them.

    Args:
        tree: the merged axis files; `bench`, `runtime` and `strategy` are read.
        cell: the cell that is wired.
        data_root: absolute.
    """
    bench, runtime = tree["bench"], tree["runtime"]
    workers = {"num_workers": runtime["num_workers"], "persistent_workers": runtime["num_workers"] > 0}
    split = _Splits(bench, data_root)
    labelled = split.dataset("target" if cell.setting == "ss" else "source", "train", _train_pipeline(bench))
    unlabelled = None
    if cell.setting == "da" and tree["strategy"]["needs_target"]:
        unlabelled = split.dataset("target", "train", _train_pipeline(bench, labels=False), labels=False)
    evaluation = {
        "batch_size": 1,
        **workers,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    return {
        "train_dataloader": {
            "batch_size": bench["schedule"]["batch_size"][cell.setting],
            **workers,
            "sampler": {"type": "rs_adapt.DrawSampler"},
            "collate_fn": {"type": "pseudo_collate"},
            "dataset": {
                "type": "rs_adapt.DomainStream",
                "seed": cell.seed,
                "labelled": labelled,
                "unlabelled": unlabelled,
            },
        },
        "val_dataloader": {**evaluation, "dataset": split.dataset("target", "val", _test_pipeline(bench))},
        "test_dataloader": {**evaluation, "dataset": split.dataset("target", "test", _test_pipeline(bench))},
        "source_val_dataloader": {**evaluation, "dataset": split.dataset("source", "val", _test_pipeline(bench))},
        "prepared_dir": str(split.root) if bench["prepare"] else None,
    }


class _Splits:
    """The splits of a bench as data set configs."""

    def __init__(self, bench: Facts, data_root: Path) -> None:
        self.bench = bench
        self.root = paths.prepared_dir(bench, data_root) if bench["prepare"] else data_root

    def dataset(self, domain: str, split: str, pipeline: list[Facts], *, labels: bool = True) -> Facts:
        bench, region = self.bench, self.bench[domain]
        folders = region[split] if split in region else region["val"]
        return {
            "type": "rs_adapt.TileDataset",
            "name": f"{bench['family']}/{region['region']}/{split if split in region else 'val'}",
            "img_dir": str(self.root / folders["img_dir"]),
            "ann_dir": str(self.root / folders["ann_dir"]) if labels else None,
            "img_suffix": bench["img_suffix"],
            "ann_suffix": bench["ann_suffix"],
            "classes": list(bench["classes"]),
            "palette": [list(color) for color in bench["palette"]],
            "reduce_zero_label": bench["reduce_zero_label"],
            "ignore_index": bench["ignore_index"],
            "how_to_get": self._how_to_get(),
            "pipeline": pipeline,
        }

    def _how_to_get(self) -> str:
        """What the data manifests of the bench say about getting its tiles."""
        names = [self.bench["data"]] if isinstance(self.bench["data"], str) else list(self.bench["data"])
        return " ".join(paths.how_to_get(name) for name in names)


def _train_pipeline(bench: Facts, *, labels: bool = True) -> list[Facts]:
    knobs = bench["pipeline"]
    # cat_max_ratio makes the crop look at the labels: without labels it must be off.
    crop_ratio = knobs["cat_max_ratio"] if labels else 1.0
    return [
        _load_image(),
        *([_load_labels(bench)] if labels else []),
        {
            "type": "RandomResize",
            "scale": (bench["tile_px"], bench["tile_px"]),
            "ratio_range": tuple(knobs["resize_ratio"]),
            "keep_ratio": True,
        },
        {"type": "RandomCrop", "crop_size": (bench["crop_px"], bench["crop_px"]), "cat_max_ratio": crop_ratio},
        {"type": "RandomFlip", "prob": knobs["flip_prob"]},
        *([{"type": "PhotoMetricDistortion"}] if knobs["photometric"] else []),
        {"type": "PackSegInputs"},
    ]


def _test_pipeline(bench: Facts) -> list[Facts]:
    return [
        _load_image(),
        {"type": "Resize", "scale": (bench["tile_px"], bench["tile_px"]), "keep_ratio": True},
        # After the resize: labels are scored at their own size, never resampled.
        _load_labels(bench),
        {"type": "PackSegInputs"},
    ]


def _load_image() -> Facts:
    # Pillow raises on a truncated file where OpenCV returns grey pixels.
    return {"type": "LoadImageFromFile", "imdecode_backend": "pillow"}


def _load_labels(bench: Facts) -> Facts:
    return {
        "type": "LoadAnnotations",
        "reduce_zero_label": bench["reduce_zero_label"],
        "imdecode_backend": "pillow",
    }
