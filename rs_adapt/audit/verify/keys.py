"""The keys of a configuration that are compared, those with the largest consequences first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """The meaning of a difference for the verdict."""

    MATTERS = "matters"
    # A second run of the same experiment.
    REPLICATE = "replicate"
    # A deliberate difference of rs-adapt, unless a protocol asks for the other value.
    BY_DESIGN = "by design"
    # Equal in effect for the present sizes, or no part of the result.
    NO_EFFECT = "no effect"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of a resolved configuration, and the consequence of a difference.

    Attributes:
        name: The dotted key.
        consequence: Half a sentence on what follows from a difference.
        weight: The meaning of a difference, unless it turns out to have no effect.
    """

    name: str
    consequence: str
    weight: Weight = Weight.MATTERS


def _group(consequence: str, *names: str, weight: Weight = Weight.MATTERS) -> tuple[Key, ...]:
    return tuple(Key(name=name, consequence=consequence, weight=weight) for name in names)


KEYS: tuple[Key, ...] = (
    # What is scored, and how.
    *_group("different benches: the scores belong to different images", "cell.bench"),
    *_group("different settings: the target is used in different ways", "cell.setting"),
    *_group(
        "the mean is over different classes, or in a different order",
        "bench.classes",
        "protocol.classes",
        "model.decode_head.num_classes",
    ),
    *_group("a class without true pixels counts 0 on one side, once predicted", "protocol.absent_classes"),
    *_group("label values mean different classes", "bench.reduce_zero_label", "bench.ignore_index"),
    *_group(
        "the same weights predict different maps",
        "bench.inference.mode",
        "bench.inference.resize_px",
        "bench.inference.crop_px",
        "bench.inference.stride_px",
    ),
    *_group("the averaged teacher is scored on one side, the student on the other", "protocol.weights"),
    # What trains, and how long.
    *_group("different methods", "cell.method"),
    *_group("different backbones", "backbone.name", "backbone.embed_dim", "backbone.depth", "backbone.patch_px"),
    *_group("different decode heads", "cell.head", "model.decode_head.type"),
    *_group("source and target are used in different ways", "cell.strategy"),
    *_group("training is longer or shorter", "bench.schedule.iters"),
    *_group(
        "a different number of crops is seen, with different noise in the gradients",
        "train_dataloader.batch_size",
        "optim_wrapper.accumulative_counts",
    ),
    *_group(
        "different optimizer steps",
        "optim_wrapper.optimizer.type",
        "optim.lr",
        "method.paramwise.lr_mult",
        "optim.weight_decay",
        "method.paramwise.norm_decay_mult",
        "optim_wrapper.optimizer.betas",
        "optim_wrapper.clip_grad",
    ),
    *_group(
        "different learning rates at equal iterations",
        "param_scheduler.type",
        "optim.poly_power",
        "param_scheduler.eta_min",
        "param_scheduler.begin",
        "param_scheduler.end",
        "strategy.lr_warmup_iters",
        "param_scheduler.warmup_start_factor",
    ),
    *_group(
        "different adapters",
        "model.backbone.adapter.type",
        "model.backbone.adapter.rank",
        "model.backbone.adapter.frequency_layers",
        "model.backbone.adapter.cutoff",
        "model.backbone.adapter.num_tokens",
        "model.backbone.adapter.scale_init",
    ),
    *_group(
        "training sees different images",
        "bench.crop_px",
        "bench.tile_px",
        "bench.pipeline.resize_ratio",
        "bench.pipeline.cat_max_ratio",
        "bench.pipeline.photometric",
        "bench.pipeline.photometric_unlabelled",
        "bench.pipeline.flip_prob",
        "bench.pipeline.fourier_mix",
        "bench.pipeline.histogram_match",
        "strategy.match_gsd",
        "strategy.style.band_match",
        "strategy.style.band_jitter",
        "strategy.style.random_convolution",
        "strategy.mixstyle_prob",
        "strategy.mixstyle_beta",
        "strategy.mixstyle_layers",
        "model.data_preprocessor.mean",
        "model.data_preprocessor.std",
    ),
    *_group(
        "training on the target differs",
        "protocol.unlabelled_split",
        "protocol.teacher_view",
        "strategy.warmup_iters",
        "strategy.mix_weight",
        "strategy.mix_classes",
        "strategy.back_weight",
        "strategy.class_match",
        "strategy.ema_decay",
        "strategy.weighting",
        "strategy.confidence",
        "strategy.per_class",
        "strategy.align",
        "strategy.feature_weight",
        "strategy.mask_weight",
        "strategy.mask_ratio",
        "strategy.jitter_prob",
        "strategy.blur_prob",
        "strategy.border_px",
        "strategy.feature_iters",
        "strategy.probability_weight",
        "strategy.temperature",
        "strategy.label_weight",
    ),
    *_group(
        "a different loss, or a different decoder",
        "model.decode_head.num_queries",
        "model.decode_head.channels",
        "model.decode_head.num_points",
        "model.decode_head.class_weight",
        "model.decode_head.mask_weight",
        "model.decode_head.dice_weight",
        "model.decode_head.ignored_pixels",
    ),
    *_group("the best score is chosen from a different number of evaluations", "bench.schedule.eval_every"),
    *_group("different rounding", "runtime.precision"),
    *_group(
        "crops of the target are drawn by its labels where this is below 1, as --protocol paper does",
        "train_dataloader.dataset.unlabelled.cat_max_ratio",
        weight=Weight.BY_DESIGN,
    ),
    *_group("different seeds: a replicate", "randomness.seed", weight=Weight.REPLICATE),
    *_group("scores are compared selection by selection", "protocol.name", weight=Weight.NO_EFFECT),
    *_group("rounding that changes from run to run", "env_cfg.cudnn_benchmark", weight=Weight.NO_EFFECT),
)
