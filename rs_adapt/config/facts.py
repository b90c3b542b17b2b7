"""The facts that the axis files state about themselves, which the wiring reads.

They are plain dicts, as mmengine reads them from `configs/` and stores them in a resolved configuration; the types list
their keys. Nothing refuses a misspelt key except the reader that misses its own.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict, get_args

from rs_adapt.config.region_facts import RegionFacts

# A table of a composed configuration, such as `dict(type="rs_adapt.Lora", rank=8)`. mmengine gives its nodes no types:
# every class takes arguments of its own, and a value has its type where a constructor takes it.
ConfigNode: TypeAlias = dict[str, Any]

Domain: TypeAlias = Literal["source", "target"]
Split: TypeAlias = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
FolderKind: TypeAlias = Literal["img_dir", "ann_dir"]
# A class without true pixels in the scored split is in no mean, or, as in mmsegmentation, its IoU is 0 if predicted.
AbsentClasses: TypeAlias = Literal["left_out", "zero_if_predicted"]
ABSENT_CLASSES: tuple[AbsentClasses, ...] = get_args(AbsentClasses)


class PipelineFacts(TypedDict):
    """Augmentation; probabilities are 0 to 1, `resize_ratio` holds the smallest and the largest factor.

    `photometric` distorts labelled images, `photometric_unlabelled` those of a teacher; None: as `photometric`.
    """

    resize_ratio: list[float]
    cat_max_ratio: float
    flip_prob: float
    photometric: bool
    photometric_unlabelled: NotRequired[bool | None]
    fourier_mix: float
    histogram_match: float


class ScheduleFacts(TypedDict):
    """Training iterations, iterations between evaluations, and crops per region and iteration by setting."""

    iters: int
    eval_every: int
    batch_size: dict[str, int]


class InferenceFacts(TypedDict):
    """The mode of prediction: `whole`, or `slide` with windows of `crop_px` every `stride_px`."""

    mode: str
    crop_px: int
    stride_px: int
    resize_px: NotRequired[int]


class DefaultsFacts(TypedDict):
    """Default values of other axes, strategies by setting, and the backbone that describes the domain, if any."""

    method: str
    backbone: str
    head: str
    domain: NotRequired[str]
    strategies: NotRequired[dict[str, str]]


class OpenVocabularyFacts(TypedDict):
    """The setting `ov` of a bench: the classes without labels in training, and default values of other axes."""

    unseen: list[str]
    defaults: DefaultsFacts


class BenchFacts(TypedDict):
    """A bench; docs/reference/configuration.md describes the keys."""

    name: str
    family: str
    direction: str
    default: NotRequired[bool]
    title: str
    data: str | list[str]
    classes: list[str]
    palette: list[list[int]]
    reduce_zero_label: bool
    ignore_index: int
    gsd_m: float | None
    tile_px: int
    crop_px: int
    img_suffix: str
    ann_suffix: str
    source: RegionFacts
    target: RegionFacts
    pipeline: PipelineFacts
    schedule: ScheduleFacts
    inference: InferenceFacts
    defaults: DefaultsFacts
    # The keys depend on the kind of preparation; see `rs_adapt.datasets.prepare`.
    prepare: ConfigNode | None
    settings: NotRequired[list[str]]
    ov: NotRequired[OpenVocabularyFacts]
    scene_pattern: NotRequired[str]
    shared_scenes: NotRequired[str]
    own: NotRequired[ConfigNode]
    resolve: NotRequired[str | None]
    partial: NotRequired[bool]
    # What a model predicts; segmentation where it is missing. See `rs_adapt.config.tasks`.
    task: NotRequired[str]
    # Of classification: images of a class, views of each (1 to 8), and classes (of the source: or the bench with them).
    shots: NotRequired[int]
    views: NotRequired[int]
    base_classes: NotRequired[list[str] | None]
    novel_classes: NotRequired[list[str] | None]
    source_classes: NotRequired[list[str] | str]
    # Of captions: what is trained on and scored, and the negatives; see configs/bench/_captions.py.
    captions: NotRequired[ConfigNode]
    # Of super-resolution: the factor, the operator of coarse images, and the snapshots to learn from (None for all).
    scale: NotRequired[int]
    degradation: NotRequired[str]
    train_snapshots: NotRequired[int | None]


class OptimFacts(TypedDict):
    """AdamW's learning rate and weight decay, and the power of the rate's decay; of classification those of SGD."""

    lr: float
    weight_decay: float
    poly_power: float
    momentum: NotRequired[float]
    warmup_iters: NotRequired[int]


class WeightsFacts(TypedDict):
    """A file of base weights; see `rs_adapt.config.weights_files`."""

    file: str
    url: NotRequired[str]
    mirrors: NotRequired[list[str]]
    bytes: NotRequired[int | None]
    sha256: NotRequired[str | None]
    licence: NotRequired[str]
    shipped: NotRequired[bool]
    gated: NotRequired[str]
    # Of a gated file: the nearest backbone whose weights anybody may fetch.
    alternative: NotRequired[str]
    base_sha256: NotRequired[str]


class BackboneFacts(TypedDict):
    """A backbone as the other axes see it; `mean` and `std` are those of RGB in the range 0 to 255."""

    name: str
    title: str
    embed_dim: int
    depth: int
    patch_px: int
    mean: list[float]
    std: list[float]
    level_strides: list[float]
    weights: WeightsFacts | None
    takes_tokens: NotRequired[bool]
    # Of a CLIP, `width` and `depth` of the text tower, where they are not those of the published ones.
    text: NotRequired[dict[str, int]]
    # False for a model that has no blocks of one width: it trains in full or stays frozen.
    takes_adapters: NotRequired[bool]


class HeadFacts(TypedDict):
    """A head as the other axes see it; a file without such facts reads the pyramid of the backbone's file."""

    # What the head reads: "pyramid", maps of four resolutions; "tokens", the same blocks on the token grid; "joint",
    # the tokens before the last `joint_blocks` blocks, which the head runs itself; "text", what lies next to texts: the
    # last block of CLIP, run by the head; tokens or a pyramid of others; "text_levels", that and two earlier blocks.
    maps: NotRequired[Literal["pyramid", "tokens", "joint", "text", "text_levels"]]
    requires: NotRequired[ConfigNode | None]


class MethodFacts(TypedDict):
    """A method as the other axes see it."""

    name: str
    title: str
    paper: str | None
    paramwise: NotRequired[ConfigNode]
    requires: NotRequired[ConfigNode | None]
    adds_tokens: NotRequired[bool]
    # The weight decay at the end of a cosine over the training; None, as without the key: it stays.
    weight_decay_end: NotRequired[float | None]
    kinds: NotRequired[dict[str, ConfigNode]]
    refused: NotRequired[dict[str, str]]
    tuned: NotRequired[ConfigNode]
    # The task that it is made for; segmentation where it is missing. Heads, strategies and protocols have it too.
    task: NotRequired[str]
    # Settings that a method of classification cannot work in, with the reason.
    refused_settings: NotRequired[dict[str, str]]


class ProtocolFacts(TypedDict):
    """The use of the target, the scored tiles, and the reported checkpoint; see docs/trust/protocols.md."""

    name: str
    version: int
    title: str
    settings: list[str]
    families: list[str] | None
    unlabelled_split: Literal["train", "val"]
    target_crops: str
    teacher_view: Literal["plain", "distorted"]
    ignored_pixels: Literal["left_out", "background"]
    report_split: Literal["test", "val", "server"]
    classes: str
    absent_classes: NotRequired[AbsentClasses]
    inference: str | None
    weights: str
    selection: str
    label_free: str
    source_val_tiles: int
    label_free_tiles: int
    recipe: ConfigNode


class StyleFacts(TypedDict):
    """Changes of the look of labelled images, each a probability per image from 0 to 1."""

    band_match: float
    band_jitter: float
    # Absent in files of your own that are older than the key.
    random_convolution: NotRequired[float]


class StrategyFacts(TypedDict):
    """A strategy; every other key is an argument of its class."""

    name: str
    title: str
    settings: list[str]
    needs_target: bool
    # False for a strategy that reads no image or label of the source in training, and starts from trained weights.
    needs_source: NotRequired[bool]
    # True for a student, which every start of a run gives a trained run to learn from.
    needs_teacher: NotRequired[bool]
    # False for the mean of trained models, which is never trained itself.
    trains: NotRequired[bool]
    type: NotRequired[str | None]
    class_sampling: NotRequired[ConfigNode]
    style: NotRequired[StyleFacts]
    match_gsd: NotRequired[bool]
    lr_warmup_iters: NotRequired[int | str]
    backbone_lr_mult: NotRequired[float]  # Factor on the method's.
    warmup_iters: NotRequired[int | str]
    feature_iters: NotRequired[int | str]
    ema_decay: NotRequired[float | str]
    mixstyle_prob: NotRequired[float]
    mixstyle_layers: NotRequired[str | list[int] | None]


class RuntimeFacts(TypedDict):
    """The use of the machine by a run."""

    precision: str
    base_precision: str
    num_workers: int
    memory: str
    sharding: str
    compile: str
    tf32: bool
    fused_adamw: bool
    deformable_gather: bool
    pin_memory: bool


class MergedTree(TypedDict):
    """The merged axis files of a cell, before the wiring; further keys are those that mmengine reads."""

    bench: BenchFacts
    optim: OptimFacts
    backbone: BackboneFacts
    head: NotRequired[HeadFacts]
    method: MethodFacts
    strategy: StrategyFacts
    protocol: ProtocolFacts
    runtime: RuntimeFacts
    model: ConfigNode
