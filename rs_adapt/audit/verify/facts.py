"""Configurations of rs-adapt and of mmsegmentation under one set of keys: those of a resolved configuration.

`resolved_facts` reads a resolved configuration of rs-adapt, `mmseg_facts` one of mmsegmentation or of a repository
built on it. Both return only what the configuration states; nothing is filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rs_adapt.audit.verify.config_tree import MISSING, Facts, Path, Tree
from rs_adapt.config.segmentor import segmentor_path

# The name of a setting here -> its names in other repositories.
_ADAPTER = {
    "rank": ("rank", "dim", "lora_dim", "bottleneck"),
    "frequency_layers": ("frequency_layers", "fft_layer", "fft_layers"),
    "cutoff": ("cutoff", "cutoff_ratio", "ratio"),
    "scale_init": ("scale_init", "scale"),
    "num_tokens": ("num_tokens", "token_length"),
}
_STRATEGY = {
    "ema_decay": ("ema_decay", "ema_alpha", "alpha"),
    "confidence": ("confidence", "pseudo_threshold"),
    "mix_weight": ("mix_weight", "mix_lambda"),
    "warmup_iters": ("warmup_iters", "warm_up_iters"),
    "feature_weight": ("feature_weight", "imnet_feature_dist_lambda"),
    "mask_weight": ("mask_weight", "mask_lambda"),
    "mask_ratio": ("mask_ratio",),
}
_OUR_STRATEGY = (
    *_STRATEGY,
    *("weighting", "per_class", "align", "jitter_prob", "blur_prob", "border_px", "mix_classes", "back_weight"),
    *("class_match", "feature_iters", "probability_weight", "temperature", "label_weight"),
    *("mixstyle_prob", "mixstyle_beta", "mixstyle_layers"),
)
_OUR_PIPELINE = (
    *("resize_ratio", "cat_max_ratio", "flip_prob", "photometric", "photometric_unlabelled"),
    *("fourier_mix", "histogram_match"),
)
_OUR_HEAD = (
    "type",
    "num_classes",
    "num_queries",
    "channels",
    "num_points",
    "class_weight",
    "mask_weight",
    "dice_weight",
    "ignored_pixels",
)


class _Collector:
    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.facts: Facts = {}

    def take(self, name: str, *path: str | int, via: Callable[[Any], Any] | None = None) -> None:
        """Record the value at a path, if there is one and the name has none yet."""
        value = self.tree.at(*path)
        if value is not MISSING and value is not None:
            self.facts.setdefault(name, via(value) if via else value)

    def steps(self, where: Path) -> dict[str, Path]:
        """Return the paths of a pipeline's steps, by the last part of their type."""
        pipeline = self.tree.peek(*where)
        paths: dict[str, Path] = {}
        for place, step in enumerate(pipeline if isinstance(pipeline, list) else ()):
            if isinstance(step, dict):
                paths.setdefault(str(step.get("type")).rpartition(".")[2], (*where, place))
        return paths


def resolved_facts(tree: Tree) -> Facts:
    """Return the facts of a resolved configuration of rs-adapt."""
    c = _Collector(tree)
    for key in ("bench", "setting", "method", "head", "strategy"):
        c.take(f"cell.{key}", "cell", key)
    for key in ("name", "classes", "absent_classes", "weights", "unlabelled_split", "teacher_view"):
        c.take(f"protocol.{key}", "protocol", key)
    for key in ("name", "embed_dim", "depth", "patch_px"):
        c.take(f"backbone.{key}", "backbone", key)
    for key in ("classes", "reduce_zero_label", "ignore_index", "tile_px", "crop_px"):
        c.take(f"bench.{key}", "bench", key)
    for key in ("mode", "crop_px", "stride_px", "resize_px"):
        c.take(f"bench.inference.{key}", "bench", "inference", key)
    c.take("bench.inference.resize_px", "bench", "tile_px")
    for key in _OUR_PIPELINE:
        c.take(f"bench.pipeline.{key}", "bench", "pipeline", key)
    # Version 0.1.0 had one switch for both domains.
    c.take("bench.pipeline.photometric_unlabelled", "bench", "pipeline", "photometric")
    segmentor: Path = segmentor_path(tree.content)
    adapter = tree.peek(*segmentor, "backbone", "adapter")
    for key in adapter if isinstance(adapter, dict) else ():
        if key not in ("embed_dim", "depth"):
            c.take(f"model.backbone.adapter.{key}", *segmentor, "backbone", "adapter", key)
    for key in _OUR_HEAD:
        c.take(f"model.decode_head.{key}", *segmentor, "decode_head", key)
    for key in ("mean", "std"):
        c.take(f"model.data_preprocessor.{key}", *segmentor, "data_preprocessor", key)
    if segmentor != ("model",):
        for key in _OUR_STRATEGY:
            c.take(f"strategy.{key}", "model", key)
    for key in ("band_match", "band_jitter", "random_convolution"):
        c.take(f"strategy.style.{key}", "strategy", "style", key)
    c.take("strategy.match_gsd", "strategy", "match_gsd")
    target: Path = ("train_dataloader", "dataset", "unlabelled")
    crop = c.steps((*target, "pipeline")).get("RandomCrop")
    if crop:
        c.take("train_dataloader.dataset.unlabelled.cat_max_ratio", *crop, "cat_max_ratio")
    c.take("runtime.precision", "runtime", "precision")
    _training(c, warmup_from_end=1)
    # The same facts once more, in other parts of the configuration.
    tree.at("train_dataloader", "dataset", "seed")
    for copy in (
        ("protocol",),
        ("method", "paramwise"),
        ("method", "tuned"),
        ("strategy",),
        ("bench", "schedule"),
        ("optim",),
    ):
        tree.at(*copy)
    return c.facts


def mmseg_facts(tree: Tree) -> Facts:
    """Return the facts of a configuration of mmsegmentation, as a log of mmengine prints it."""
    c = _Collector(tree)
    model = _model(tree)
    for name, key in (("embed_dim", "embed_dim"), ("depth", "depth"), ("patch_px", "patch_size")):
        c.take(f"backbone.{name}", *model, "backbone", key)
    for key in ("mean", "std"):
        c.take(f"model.data_preprocessor.{key}", *model, "data_preprocessor", key)
    for name, aliases in _ADAPTER.items():
        for place in _adapter_places(tree, (*model, "backbone")):
            for alias in aliases:
                c.take(f"model.backbone.adapter.{name}", *place, alias)
    _head(c, (*model, "decode_head"))
    for name, aliases in _STRATEGY.items():
        for alias in aliases:
            c.take(f"strategy.{name}", *model[:1], alias)
            c.take(f"strategy.{name}", "uda", alias)
    c.take("bench.inference.mode", *model, "test_cfg", "mode")
    c.take("bench.inference.crop_px", *model, "test_cfg", "crop_size", via=_side)
    c.take("bench.inference.stride_px", *model, "test_cfg", "stride", via=_side)
    source, target = _datasets(tree)
    _train_pipeline(c, source)
    c.take("bench.classes", *source, "metainfo", "classes")
    c.take("bench.reduce_zero_label", *source, "reduce_zero_label")
    if target and (crop := c.steps((*target, "pipeline")).get("RandomCrop")):
        c.take("train_dataloader.dataset.unlabelled.cat_max_ratio", *crop, "cat_max_ratio")
    resize = c.steps(("val_dataloader", "dataset", "pipeline")).get("Resize")
    if resize:
        c.take("bench.inference.resize_px", *resize, "scale", via=_side)
    wrapper = str(tree.at("optim_wrapper", "type"))
    if wrapper == "AmpOptimWrapper":
        c.take("runtime.precision", "optim_wrapper", "dtype", via=_precision)
        c.facts.setdefault("runtime.precision", "fp16")
    elif wrapper == "OptimWrapper":
        c.facts["runtime.precision"] = "fp32"
    _training(c, warmup_from_end=0)
    c.take("randomness.seed", "seed")
    return c.facts


def _training(c: _Collector, *, warmup_from_end: int) -> None:
    """Collect length, batch, optimizer and schedule, whose keys are mmengine's in both kinds."""
    c.take("bench.schedule.iters", "train_cfg", "max_iters")
    c.take("bench.schedule.eval_every", "train_cfg", "val_interval")
    c.take("train_dataloader.batch_size", "train_dataloader", "batch_size")
    wrapper = "optim_wrapper"
    c.take("optim_wrapper.optimizer.type", wrapper, "optimizer", "type")
    c.take("optim.lr", wrapper, "optimizer", "lr")
    c.take("optim.weight_decay", wrapper, "optimizer", "weight_decay")
    c.take("optim_wrapper.optimizer.betas", wrapper, "optimizer", "betas")
    c.take("optim_wrapper.accumulative_counts", wrapper, "accumulative_counts")
    c.take("optim_wrapper.clip_grad", wrapper, "clip_grad")
    c.take("method.paramwise.norm_decay_mult", wrapper, "paramwise_cfg", "norm_decay_mult")
    keys = c.tree.peek(wrapper, "paramwise_cfg", "custom_keys")
    lr_mult: dict[str, object] = {}
    if isinstance(keys, dict):
        c.tree.at(wrapper, "paramwise_cfg", "custom_keys")
        rules = {name: rule for name, rule in keys.items() if isinstance(rule, dict)}
        lr_mult |= {name: rule["lr_mult"] for name, rule in rules.items() if rule.get("lr_mult", 1.0) != 1.0}
        if "decay_mult" in rules.get("norm", {}):
            c.facts.setdefault("method.paramwise.norm_decay_mult", rules["norm"]["decay_mult"])
    adapter_mult = c.tree.at(wrapper, "paramwise_cfg", "adapter_lr_mult")
    if adapter_mult is not MISSING and adapter_mult != 1.0:
        lr_mult["adapter"] = adapter_mult
    if isinstance(keys, dict) or lr_mult:
        c.facts["method.paramwise.lr_mult"] = lr_mult
    _schedule(c, warmup_from_end=warmup_from_end)
    c.take("randomness.seed", "randomness", "seed")
    c.take("env_cfg.cudnn_benchmark", "env_cfg", "cudnn_benchmark")


def _schedule(c: _Collector, *, warmup_from_end: int) -> None:
    schedulers = c.tree.peek("param_scheduler")
    if isinstance(schedulers, dict):
        places: list[Path] = [("param_scheduler",)]
    elif isinstance(schedulers, list):
        places = [("param_scheduler", place) for place in range(len(schedulers))]
        c.facts["strategy.lr_warmup_iters"] = 0
    else:
        return
    for place in places:
        c.tree.at(*place, "by_epoch")
        if c.tree.peek(*place, "type") == "LinearLR":
            end = c.tree.at(*place, "end")
            c.tree.at(*place, "type")
            c.facts["strategy.lr_warmup_iters"] = end - warmup_from_end if isinstance(end, int) else end
            c.take("param_scheduler.warmup_start_factor", *place, "start_factor")
            continue
        c.take("param_scheduler.type", *place, "type")
        c.take("optim.poly_power", *place, "power")
        for key in ("eta_min", "begin", "end"):
            c.take(f"param_scheduler.{key}", *place, key)


def _train_pipeline(c: _Collector, source: Path) -> None:
    steps = c.steps((*source, "pipeline")) or c.steps(("train_pipeline",))
    if not steps:
        return
    step = steps.get
    if place := step("LoadAnnotations"):
        c.take("bench.reduce_zero_label", *place, "reduce_zero_label")
    if place := step("RandomResize"):
        c.take("bench.tile_px", *place, "scale", via=_side)
        c.take("bench.pipeline.resize_ratio", *place, "ratio_range")
    if place := step("RandomCrop"):
        c.take("bench.crop_px", *place, "crop_size", via=_side)
        c.take("bench.pipeline.cat_max_ratio", *place, "cat_max_ratio")
    if place := step("RandomFlip"):
        c.take("bench.pipeline.flip_prob", *place, "prob")
    c.facts["bench.pipeline.photometric"] = "PhotoMetricDistortion" in steps
    for place in steps.values():
        c.tree.at(*place, "type")


def _head(c: _Collector, head: Path) -> None:
    for name, aliases in {"num_classes": ("num_classes",), "num_queries": ("num_queries",)}.items():
        for alias in aliases:
            c.take(f"model.decode_head.{name}", *head, alias)
    c.take("model.decode_head.channels", *head, "feat_channels")
    c.take("model.decode_head.num_points", *head, "train_cfg", "num_points")
    for name in ("class", "mask", "dice"):
        loss = "loss_cls" if name == "class" else f"loss_{name}"
        c.take(f"model.decode_head.{name}_weight", *head, loss, "loss_weight")


def _model(tree: Tree) -> Path:
    """Return the path of backbone and head: `model`, or one level below it where a wrapper holds the segmentor."""
    model = tree.peek("model")
    if isinstance(model, dict) and "backbone" not in model:
        for key, value in model.items():
            if isinstance(value, dict) and "backbone" in value:
                return ("model", key)
    return ("model",)


def _adapter_places(tree: Tree, backbone: Path) -> list[Path]:
    """Return the paths that may hold an adapter's settings: the dicts directly in the backbone, then the backbone."""
    settings = tree.peek(*backbone)
    inside = settings if isinstance(settings, dict) else {}
    return [*((*backbone, key) for key, value in inside.items() if isinstance(value, dict)), backbone]


def _datasets(tree: Tree) -> tuple[Path, Path | None]:
    """Return the paths of the labelled training set and of the target's, if there is one."""
    place: Path = ("train_dataloader", "dataset")
    while isinstance(tree.peek(*place, "dataset"), dict):
        place = (*place, "dataset")
    return _first(tree, place, ("source_dataset", "source", "labelled")) or place, _first(
        tree, place, ("target_dataset", "target", "unlabelled")
    )


def _first(tree: Tree, place: Path, names: Iterable[str]) -> Path | None:
    return next(((*place, name) for name in names if isinstance(tree.peek(*place, name), dict)), None)


def _side(value: Any) -> Any:
    """Return a side of a square where it is one."""
    return value[0] if isinstance(value, list) and len(value) == 2 and value[0] == value[1] else value


def _precision(dtype: Any) -> str:
    return {"bfloat16": "bf16", "float16": "fp16"}.get(str(dtype), str(dtype))
