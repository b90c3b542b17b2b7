"""The keys of a configuration that are compared, in the order of what follows from a difference."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """What a difference means for the verdict."""

    MATTERS = "matters"
    # A second run of the same experiment.
    REPLICATE = "replicate"
    # What rs-adapt does otherwise on purpose, unless a protocol asks for it.
    BY_DESIGN = "by design"
    # Equal in effect for the present sizes, or no part of the result.
    NO_EFFECT = "no effect"


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key of our resolved configuration, and what follows where it differs.

    Attributes:
        name: Dotted.
        consequence: Half a sentence.
        weight: What a difference means; it may turn out to have no effect.
    """

    name: str
    consequence: str
    weight: Weight = Weight.MATTERS


def _group(consequence: str, *names: str, weight: Weight = Weight.MATTERS) -> tuple[Key, ...]:
    return tuple(Key(name=name, consequence=consequence, weight=weight) for name in names)


KEYS: tuple[Key, ...] = (
    # What is scored, and how.
    *_group("another bench: the scores are of other images", "cell.bench"),
    *_group("another setting: the target was seen in another way", "cell.setting"),
    *_group(
        "the mean is over other classes, or in another order",
        "bench.classes",
        "protocol.classes",
        "model.decode_head.num_classes",
    ),
    *_group("label values mean other classes", "bench.reduce_zero_label", "bench.ignore_index"),
    *_group(
        "the same weights predict other maps",
        "bench.inference.mode",
        "bench.inference.resize_px",
        "bench.inference.crop_px",
        "bench.inference.stride_px",
    ),
    *_group("the averaged teacher is scored on one side, the student on the other", "protocol.weights"),
    # What trains, and how long.
    *_group("another method", "cell.method"),
    *_group("another backbone", "backbone.name", "backbone.embed_dim", "backbone.depth", "backbone.patch_px"),
    *_group("another decode head", "cell.head", "model.decode_head.type"),
    *_group("source and target are used otherwise", "cell.strategy"),
    *_group("a training of another length", "bench.schedule.iters"),
    *_group(
        "another number of crops is seen, with other noise in the gradients",
        "train_dataloader.batch_size",
        "optim_wrapper.accumulative_counts",
    ),
    *_group(
        "other steps of the optimizer",
        "optim_wrapper.optimizer.type",
        "optim.lr",
        "method.paramwise.lr_mult",
        "optim.weight_decay",
        "method.paramwise.norm_decay_mult",
        "optim_wrapper.optimizer.betas",
        "optim_wrapper.clip_grad",
    ),
    *_group(
        "another learning rate at equal iterations",
        "param_scheduler.type",
        "optim.poly_power",
        "param_scheduler.eta_min",
        "param_scheduler.begin",
        "param_scheduler.end",
        "strategy.lr_warmup_iters",
        "param_scheduler.warmup_start_factor",
    ),
    *_group(
        "another adapter",
        "model.backbone.adapter.type",
        "model.backbone.adapter.rank",
        "model.backbone.adapter.frequency_layers",
        "model.backbone.adapter.cutoff",
        "model.backbone.adapter.num_tokens",
        "model.backbone.adapter.scale_init",
    ),
    *_group(
        "other pictures are learnt from",
        "bench.crop_px",
        "bench.tile_px",
        "bench.pipeline.resize_ratio",
        "bench.pipeline.cat_max_ratio",
        "bench.pipeline.photometric",
        "bench.pipeline.flip_prob",
        "bench.pipeline.fourier_mix",
        "bench.pipeline.histogram_match",
        "model.data_preprocessor.mean",
        "model.data_preprocessor.std",
    ),
    *_group(
        "the target is learnt from otherwise",
        "protocol.unlabelled_split",
        "strategy.warmup_iters",
        "strategy.mix_weight",
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
    ),
    *_group(
        "another loss, or another decoder",
        "model.decode_head.num_queries",
        "model.decode_head.channels",
        "model.decode_head.num_points",
        "model.decode_head.class_weight",
        "model.decode_head.mask_weight",
        "model.decode_head.dice_weight",
    ),
    *_group("the best score is the best of another number of evaluations", "bench.schedule.eval_every"),
    *_group("other rounding", "runtime.precision"),
    *_group(
        "crops of the target are drawn by its labels where this is below 1, as --protocol paper does",
        "train_dataloader.dataset.unlabelled.cat_max_ratio",
        weight=Weight.BY_DESIGN,
    ),
    *_group("another seed: a replicate", "randomness.seed", weight=Weight.REPLICATE),
    *_group("scores are compared by their own selection", "protocol.name", weight=Weight.NO_EFFECT),
    *_group("other rounding from run to run", "env_cfg.cudnn_benchmark", weight=Weight.NO_EFFECT),
)
