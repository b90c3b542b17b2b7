"""Wiring of the data: facts of the bench become pipelines, data sets and loaders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config import paths, vocabularies, wire_ground, wire_open, wire_protocol, wire_regions, wire_style, words
from rs_adapt.config.tree import copy_tree
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.path_names import path_below, relative_fault

if TYPE_CHECKING:
    from rs_adapt.config.cell import Cell
    from rs_adapt.config.facts import (
        BenchFacts,
        ConfigNode,
        Domain,
        FolderKind,
        MergedTree,
        PipelineFacts,
        Split,
        StrategyFacts,
    )

_DOMAINS: tuple[Domain, ...] = ("source", "target")
# mmsegmentation's, with its own ranges.
_DISTORTION: ConfigNode = {"type": "PhotoMetricDistortion"}


def wire_dataloaders(tree: MergedTree, cell: Cell, *, data_root: Path) -> ConfigNode:
    """Return the train, val, test and source-val loaders of a cell, and the folder of its prepared tiles.

    mmengine does not read `source_val_dataloader`, which scores a checkpoint on the region of its training. The two
    loaders of `monitor` hold evenly spread tiles for every evaluation: `source_val` with labels, `label_free` from the
    target without labels. If the target has no labels (`bench.target.val` is None), there is no test loader, and
    mmengine validates on tiles of the source, or scores nothing where the strategy reads no source. Target labels
    appear in the val and test loaders only, except in the setting `ss`, which trains on them, and under a protocol that
    draws its crops by them.

    Args:
        tree: The merged axis files; `bench`, `protocol`, `runtime` and `strategy` are read.
        cell: The cell.
        data_root: The folder of the data sets, absolute.

    Raises:
        ConfigError: A style step of the bench needs images that the setting forbids.
        IncompatibleCell: The setting is `ss`, and the target has no labels.
    """
    bench, runtime, protocol = tree["bench"], tree["runtime"], tree["protocol"]
    if cell.setting == "ss" and not wire_regions.has_target_labels(bench):
        raise IncompatibleCell(
            f"The target of bench {bench['name']} has no labels, but the setting ss trains on them. Use the setting da "
            "(adaptation with its images) or dg (source only)."
        )
    workers = {"num_workers": runtime["num_workers"], "persistent_workers": runtime["num_workers"] > 0}
    split = _Splits(bench, data_root)
    enlarged = wire_ground.enlargements(bench, tree["strategy"], setting=cell.setting)
    labelled = None
    if wire_regions.learns_from_labels(tree["strategy"]):
        domain: Domain = "target" if cell.setting == "ss" else "source"
        pipeline = [
            *_crops(bench, labels=True, enlarged=enlarged[domain]),
            *wire_style.style_steps(tree, cell, folder=split.folder),
            *([dict(_DISTORTION)] if bench["pipeline"]["photometric"] else []),
            *wire_style.float_steps(tree),
            {"type": "PackSegInputs"},
        ]
        labelled = split.dataset(domain, "train", wire_open.without_unseen(pipeline, bench, cell))
    else:
        wire_style.refuse_style_steps(tree, cell)
    unlabelled = None
    if cell.setting == "da" and tree["strategy"]["needs_target"]:
        by_labels = protocol["target_crops"] == "by_labels"
        plain_teacher = protocol["teacher_view"] == "plain"
        pipeline = _unlabelled_pipeline(
            bench, by_labels=by_labels, plain_teacher=plain_teacher, enlarged=enlarged["target"]
        )
        unlabelled = split.dataset("target", protocol["unlabelled_split"], pipeline, labels=by_labels)
    evaluation = {
        "batch_size": 1,
        **workers,
        "sampler": {"type": "DefaultSampler", "shuffle": False},
    }
    patch_px = tree["backbone"]["patch_px"]
    scoring = {
        domain: _test_pipeline(bench, domain, enlarged=enlarged[domain], patch_px=patch_px) for domain in _DOMAINS
    }
    target_val = split.dataset("target", "val", scoring["target"]) if wire_regions.has_target_labels(bench) else None
    source_val = split.dataset("source", "val", scoring["source"])
    # A checkpoint may be chosen by it, which is a use of labels.
    of_source = split.dataset("source", "val", wire_open.without_unseen(scoring["source"], bench, cell))
    source_monitor = {**evaluation, "dataset": {**of_source, "spread": protocol["source_val_tiles"]}}
    seen = wire_protocol.label_free_split(tree, cell)
    unlabelled_steps = _test_pipeline(bench, seen[0], enlarged=enlarged[seen[0]], patch_px=patch_px, labels=False)
    label_free = split.dataset(*seen, unlabelled_steps, labels=False)
    unlabelled_monitor = {**evaluation, "dataset": {**label_free, "spread": protocol["label_free_tiles"]}}
    scored = {
        "target": {**evaluation, "dataset": target_val},
        "source": copy_tree(source_monitor),
        # mmengine needs a loader even where nothing is scored.
        "none": copy_tree(unlabelled_monitor),
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
                "class_sampling": _class_sampling(tree["strategy"]),
            },
        },
        "val_dataloader": scored[wire_regions.scored_region(bench, tree["strategy"])],
        "test_dataloader": {
            **evaluation,
            "dataset": split.dataset("target", protocol["report_split"], scoring["target"]),
        }
        if target_val and protocol["report_split"] != "server"
        else None,
        "source_val_dataloader": {**evaluation, "dataset": source_val},
        "monitor": {
            # In ss the labelled region is the target, whose validation tiles are scored in any case.
            "source_val": None if cell.setting == "ss" else source_monitor,
            "label_free": unlabelled_monitor,
        },
        "prepared_dir": str(split.root) if bench["prepare"] else None,
    }


def resolve_distortion(pipeline: PipelineFacts) -> None:
    """Give unlabelled images the switch of labelled ones where they have none of their own.

    Args:
        pipeline: The bench's `pipeline`; changed in place.

    Raises:
        ConfigError: `photometric_unlabelled` is no switch.
    """
    stated: object = pipeline.get("photometric_unlabelled")
    if stated is not None and not isinstance(stated, bool):
        raise ConfigError(
            f"bench.pipeline.photometric_unlabelled is {stated!r}. Allowed: True, False, or None for the value of "
            "bench.pipeline.photometric."
        )
    pipeline["photometric_unlabelled"] = pipeline["photometric"] if stated is None else stated


def _class_sampling(strategy: StrategyFacts) -> ConfigNode | None:
    knobs: ConfigNode = strategy.get("class_sampling") or {}
    if knobs.get("temperature") is None:
        return None
    words.check_temperature(knobs["temperature"], key="strategy.class_sampling.temperature")
    return dict(knobs)


class _Splits:
    """The splits of a bench as data set configs."""

    def __init__(self, bench: BenchFacts, data_root: Path) -> None:
        self.bench = bench
        endings = {"img_suffix": bench["img_suffix"], "ann_suffix": bench["ann_suffix"]}
        endings |= {f"{domain}.ann_suffix": vocabularies.own_ann_suffix(bench, domain) for domain in _DOMAINS}
        for key, ending in endings.items():
            if "/" in ending or relative_fault(ending):
                raise ConfigError(f"bench.{key} is {ending!r}; it must be the end of a file's name, such as '.png'.")
        self.root = paths.prepared_dir(bench, data_root) if bench["prepare"] else data_root

    def dataset(self, domain: Domain, split: Split, pipeline: list[ConfigNode], *, labels: bool = True) -> ConfigNode:
        bench, region = self.bench, self.bench[domain]
        classes, palette = vocabularies.own_classes(bench, domain)
        return {
            "type": "rs_adapt.TileDataset",
            "name": f"{bench['family']}/{region['region']}/{split if split in region else 'val'}",
            "img_dir": self.folder(domain, split, "img_dir"),
            "ann_dir": self.folder(domain, split, "ann_dir") if labels else None,
            "img_suffix": bench["img_suffix"],
            "ann_suffix": vocabularies.own_ann_suffix(bench, domain),
            "classes": classes,
            "palette": palette,
            "reduce_zero_label": bench["reduce_zero_label"],
            "ignore_index": bench["ignore_index"],
            "how_to_get": self._how_to_get(),
            "pipeline": wire_open.in_joint_numbers(pipeline, bench, domain),
        }

    def folder(self, domain: Domain, split: Split, kind: FolderKind) -> str:
        region = self.bench[domain]
        folders = region[split] if split in region else region["val"]
        assert folders is not None
        if not self.bench["prepare"]:
            return str(self.root / folders[kind])
        # Tiles are written there.
        return str(path_below(self.root, folders[kind], what=f"bench.{domain}.{split}.{kind}"))

    def _how_to_get(self) -> str:
        """Return the sentences of the bench's data manifests on how to get its tiles."""
        names = [self.bench["data"]] if isinstance(self.bench["data"], str) else list(self.bench["data"])
        return " ".join(paths.how_to_get(name) for name in names)


def _unlabelled_pipeline(
    bench: BenchFacts, *, by_labels: bool, plain_teacher: bool, enlarged: float
) -> list[ConfigNode]:
    """Return the steps for images that a teacher labels.

    Args:
        bench: The bench.
        by_labels: Crops are drawn by labels, which are forgotten afterwards.
        plain_teacher: Where images are distorted, the teacher gets a view from before.
        enlarged: See `_crops`.
    """
    steps = _crops(bench, labels=by_labels, forget_labels=by_labels, enlarged=enlarged)
    if not bench["pipeline"]["photometric_unlabelled"]:
        return [*steps, {"type": "PackSegInputs"}]
    if not plain_teacher:
        return [*steps, dict(_DISTORTION), {"type": "PackSegInputs"}]
    return [*steps, {"type": "rs_adapt.RememberPlainView"}, dict(_DISTORTION), {"type": "rs_adapt.PackViews"}]


def _crops(bench: BenchFacts, *, labels: bool, enlarged: float, forget_labels: bool = False) -> list[ConfigNode]:
    """Return the steps from the file to a crop.

    Args:
        bench: The bench.
        labels: Whether labels are read.
        enlarged: Factor on the sizes to which tiles are resized at random.
        forget_labels: Whether labels serve to draw the crop alone.
    """
    knobs = bench["pipeline"]
    # cat_max_ratio chooses the crop by its labels, so it must be off without them.
    crop_ratio = knobs["cat_max_ratio"] if labels else 1.0
    return [
        _load_image(),
        *([_load_labels(bench)] if labels else []),
        *_resolve(bench, enlarged),
        {
            "type": "RandomResize",
            "scale": (bench["tile_px"], bench["tile_px"]),
            "ratio_range": tuple(ratio * enlarged for ratio in knobs["resize_ratio"]),
            "keep_ratio": True,
        },
        {"type": "RandomCrop", "crop_size": (bench["crop_px"], bench["crop_px"]), "cat_max_ratio": crop_ratio},
        *([{"type": "rs_adapt.ForgetLabels"}] if forget_labels else []),
        {"type": "RandomFlip", "prob": knobs["flip_prob"]},
    ]


def _side_px(bench: BenchFacts, domain: Domain, enlarged: float, patch_px: int) -> int:
    """Return the side at which tiles are predicted, which may be larger than the one they are trained at."""
    side_px: int = bench["inference"].get("resize_px", bench["tile_px"])
    if domain == "source":
        side_px = bench["source"].get("resize_px", side_px)
    # A whole number of patches needs no padding.
    return side_px if enlarged == 1 else round(side_px * enlarged / patch_px) * patch_px


def _test_pipeline(
    bench: BenchFacts, domain: Domain, *, enlarged: float, patch_px: int, labels: bool = True
) -> list[ConfigNode]:
    side_px = _side_px(bench, domain, enlarged, patch_px)
    return [
        _load_image(),
        *_resolve(bench, enlarged),
        {"type": "Resize", "scale": (side_px, side_px), "keep_ratio": True},
        # After the resize: labels are scored at their own size, never resampled.
        *([_load_labels(bench)] if labels else []),
        {"type": "PackSegInputs"},
    ]


def _resolve(bench: BenchFacts, enlarged: float) -> list[ConfigNode]:
    """Return the step that enlarges images by a model, before they are resized as with interpolation alone."""
    model = bench.get("resolve")
    return [] if model is None or enlarged == 1 else [{"type": "rs_adapt.ResolveImage", "model": model}]


def _load_image() -> ConfigNode:
    # Pillow raises on a truncated file where OpenCV returns grey pixels.
    return {"type": "LoadImageFromFile", "imdecode_backend": "pillow"}


def _load_labels(bench: BenchFacts) -> ConfigNode:
    return {
        "type": wire_open.LOAD_LABELS,
        "reduce_zero_label": bench["reduce_zero_label"],
        "imdecode_backend": "pillow",
    }
