from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import compose, paths, resolve_cell
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from mmengine.config import Config

# Learning rates that Earth-Adapter's authors logged in their da rural-to-urban run, five digits, every 50 iterations:
# VisionXLab/Earth-Adapter @49a8ff8, training_log/. The other seven runs log the same values (all 3200 are equal).
LOGGED_LR = [
    (50, 9.9779e-05),
    (100, 9.9554e-05),
    (500, 9.7752e-05),
    (1000, 9.5493e-05),
    (2500, 8.868e-05),
    (4000, 8.1809e-05),
    (5000, 7.7192e-05),
    (7500, 6.5511e-05),
    (10000, 5.3591e-05),
    (12500, 4.1366e-05),
    (15000, 2.8719e-05),
    (17500, 1.539e-05),
    (19000, 6.7467e-06),
    (19500, 3.6155e-06),
    (19900, 8.4936e-07),
    (19950, 4.5516e-07),
    (20000, 0.0),
]


def composed(bench: str, *overrides: str, **axes: str) -> Config:
    return compose(resolve_cell(bench, **axes), overrides=overrides)


def segmentor(cfg: Config) -> Any:
    return segmentor_config(cfg)


def kinds(pipeline: Any) -> list[str]:
    return [step["type"] for step in pipeline]


def test_weight_decay_of_a_method_falls_by_a_cosine_from_the_benchs() -> None:
    cell = resolve_cell("loveda-dg", method="soma", head="linear")
    (schedule,) = [s for s in compose(cell).param_scheduler if s["type"] == "CosineAnnealingParamScheduler"]
    assert schedule["param_name"] == "weight_decay"
    assert schedule["eta_min_ratio"] == pytest.approx(1e-5 / 0.05)
    assert (schedule["begin"], schedule["end"]) == (0, compose(cell).train_cfg.max_iters)
    for text in ("method.weight_decay_end=None", "optim.weight_decay=0.0"):
        assert len(compose(cell, overrides=[text]).param_scheduler) == 1
    stack = resolve_cell("loveda-dg", method="lora+soma", head="linear")
    assert len(compose(stack).param_scheduler) == 2


def test_learning_rates_are_the_published_ones() -> None:
    from mmengine.optim import PolyLR
    from torch.nn import Parameter
    from torch.optim import AdamW

    cfg = composed("loveda-da")
    settings = {key: value for key, value in cfg.optim_wrapper.optimizer.items() if key != "type"}
    optimizer = AdamW([Parameter()], **settings)
    (poly,) = cfg.param_scheduler
    assert (cfg.optim_wrapper.optimizer.type, poly.type) == ("AdamW", "PolyLR")
    scheduler = PolyLR(optimizer, **{key: value for key, value in poly.items() if key != "type"})
    used = {}
    for step in range(1, cfg.train_cfg.max_iters + 1):
        used[step] = float(f"{optimizer.param_groups[0]['lr']:.4e}")
        if step == 1:
            # Once is enough for the order that the scheduler checks, and 20 000 times would take seconds.
            optimizer.step()
        scheduler.step()
    assert [(step, used[step]) for step, _ in LOGGED_LR] == LOGGED_LR


def test_adaptation_pairs_labelled_source_with_unlabelled_target() -> None:
    cfg = composed("loveda-da")
    stream = cfg.train_dataloader.dataset
    assert (stream.labelled.name, stream.unlabelled.name) == ("loveda/rural/train", "loveda/urban/train")
    assert stream.labelled.ann_dir.endswith("loveda/rural/train/ann_dir")
    assert stream.unlabelled.ann_dir is None
    assert "LoadAnnotations" not in kinds(stream.unlabelled.pipeline)
    # A crop chosen by the share of its largest class would read the target's labels.
    assert [step.cat_max_ratio for step in stream.unlabelled.pipeline if step.type == "RandomCrop"] == [1.0]
    assert [step.cat_max_ratio for step in stream.labelled.pipeline if step.type == "RandomCrop"] == [0.75]


@pytest.mark.parametrize(("bench", "axes"), [("loveda-dg", {}), ("loveda-da", {"strategy": "source_only"})])
def test_without_adaptation_no_training_loader_names_the_target(bench: str, axes: dict[str, str]) -> None:
    cfg = composed(bench, **axes)
    assert cfg.train_dataloader.dataset.unlabelled is None
    assert "urban" not in str(cfg.train_dataloader.to_dict())
    assert cfg.model.type == "EncoderDecoder"


def test_supervised_trains_on_the_target_alone() -> None:
    cfg = composed("loveda-ss")
    assert cfg.train_dataloader.dataset.labelled.name == "loveda/urban/train"
    assert "rural" not in str(cfg.train_dataloader.to_dict())


def test_pipelines_have_the_benchs_steps() -> None:
    cfg = composed("loveda-da")
    assert kinds(cfg.train_dataloader.dataset.labelled.pipeline) == [
        "LoadImageFromFile",
        "LoadAnnotations",
        "RandomResize",
        "RandomCrop",
        "RandomFlip",
        "PhotoMetricDistortion",
        "PackSegInputs",
    ]
    test = ["LoadImageFromFile", "Resize", "LoadAnnotations", "PackSegInputs"]
    assert kinds(cfg.val_dataloader.dataset.pipeline) == test
    assert kinds(cfg.test_dataloader.dataset.pipeline) == test
    plain = composed("loveda-da", "bench.pipeline.photometric=false")
    assert "PhotoMetricDistortion" not in kinds(plain.train_dataloader.dataset.unlabelled.pipeline)


@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
def test_scores_are_on_the_targets_labels(setting: str) -> None:
    cfg = composed(f"isprs-{setting}")
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.name == "isprs/vaihingen/val"
        assert loader.dataset.ann_dir.endswith("vaihingen/ann_dir/val")
        assert loader.batch_size == 1
        assert loader.sampler.shuffle is False
    assert cfg.source_val_dataloader.dataset.name == "isprs/potsdam/val"


def test_a_test_split_is_used_where_the_bench_has_one(own_configs: Path) -> None:
    file = own_configs / "bench" / "loveda_r2u.py"
    text = file.read_text().replace('region="urban",', 'region="urban", test=dict(img_dir="t/i", ann_dir="t/a"),')
    file.write_text(text)
    cfg = composed("loveda-dg")
    assert (cfg.test_dataloader.dataset.name, cfg.val_dataloader.dataset.name) == (
        "loveda/urban/test",
        "loveda/urban/val",
    )
    assert cfg.test_dataloader.dataset.img_dir.endswith("/t/i")


def test_error_of_missing_data_names_the_command() -> None:
    labelled = composed("isprs-dg").train_dataloader.dataset.labelled
    for command in ("rs-adapt data prepare potsdam", "rs-adapt data prepare vaihingen"):
        assert command in labelled.how_to_get
    assert "--data-root" in labelled.how_to_get


def test_self_training_wraps_the_segmentor() -> None:
    model = composed("loveda-da").model
    assert model.type == "rs_adapt.SelfTraining"
    assert model.segmentor.type == "EncoderDecoder"


def test_the_warm_up_is_a_share_of_the_schedule_or_a_number() -> None:
    assert composed("loveda-da", "bench.schedule.iters=50").model.warmup_iters == 10
    assert composed("loveda-da", "strategy.warmup_iters=7").model.warmup_iters == 7
    with pytest.raises(ConfigError, match="strategy.warmup_iters is 'late'"):
        composed("loveda-da", "strategy.warmup_iters=late")


@pytest.mark.parametrize(("backbone", "width", "depth"), [("dinov2_s", 384, 12), ("dinov2_l", 1024, 24)])
def test_widths_reach_adapter_and_head(backbone: str, width: int, depth: int) -> None:
    model = segmentor(composed("loveda-dg", backbone=backbone))
    assert (model.backbone.adapter.embed_dim, model.backbone.adapter.depth) == (width, depth)
    assert list(model.decode_head.in_channels) == [width] * 4
    assert all(0 <= layer < depth for layer in model.backbone.adapter.frequency_layers)


@pytest.mark.parametrize(("bench", "classes"), [("loveda-dg", 7), ("isprs-dg", 6)])
def test_classes_reach_head_and_metric(bench: str, classes: int) -> None:
    cfg = composed(bench)
    assert segmentor(cfg).decode_head.num_classes == classes
    assert len(cfg.val_evaluator.classes) == len(cfg.test_evaluator.classes) == classes


def test_rein_links_its_tokens_to_the_queries() -> None:
    model = segmentor(composed("loveda-dg", "model.backbone.adapter.num_tokens=50", method="rein"))
    assert model.decode_head.num_queries == 50
    assert model.decode_head.learned_query_pos is False
    assert model.backbone.adapter.query_dim == model.decode_head.channels
    assert model.backbone.adapter.patch_px == 16


@pytest.mark.parametrize("head", ["mask2former", "linear"])
def test_rein_without_the_link_leaves_the_head_alone(head: str) -> None:
    model = segmentor(composed("loveda-dg", "model.backbone.adapter.query_dim=None", method="rein", head=head))
    assert model.backbone.adapter.query_dim is None
    assert model.decode_head.get("learned_query_pos", True)
    assert model.decode_head.get("num_queries", 100) == 100


def test_normalisation_and_padding_follow_backbone_and_bench() -> None:
    preprocessor = composed("loveda-da").model.segmentor.data_preprocessor
    assert list(preprocessor.mean) == [123.675, 116.28, 103.53]
    assert preprocessor.size == (512, 512)
    assert (preprocessor.pad_val, preprocessor.seg_pad_val) == (0, 255)


def test_inference_follows_the_bench() -> None:
    assert segmentor(composed("loveda-dg")).test_cfg == {"mode": "slide", "crop_size": (512, 512), "stride": (341, 341)}
    assert segmentor(composed("loveda-dg", "bench.inference.mode=whole")).test_cfg == {"mode": "whole"}
    with pytest.raises(ConfigError, match="mode is 'fast'. Allowed: 'slide' or 'whole'"):
        composed("loveda-dg", "bench.inference.mode=fast")
    with pytest.raises(ConfigError, match="pixels would be skipped. Allowed: 1 to 512"):
        composed("loveda-dg", "bench.inference.stride_px=600")


@pytest.mark.parametrize(("crop", "near"), [(500, "496 or 512"), (7, "16"), (520, "512 or 528")])
def test_a_crop_must_be_whole_patches(crop: int, near: str) -> None:
    with pytest.raises(
        ConfigError, match=rf"crop_px is {crop}, which is not a multiple .*16 pixels. Nearest valid: {near} "
    ):
        composed("loveda-dg", f"bench.crop_px={crop}")
    with pytest.raises(ConfigError, match=r"bench\.inference\.crop_px is 100"):
        composed("loveda-dg", "bench.inference.crop_px=100")


def test_weights_come_from_the_backbone_or_the_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = resolve_cell("loveda-dg")
    assert compose(cell).model.backbone.weights == str(paths.weights_dir() / "dinov2_vitl14_pretrain.pth")
    assert compose(cell, weights="random").model.backbone.weights == "random"
    monkeypatch.chdir(tmp_path)
    assert compose(cell, weights="mine.pth").model.backbone.weights == str(tmp_path / "mine.pth")
    nano = resolve_cell("loveda-dg", backbone="dinov2_nano")
    # They come with the package: nothing has to be fetched.
    assert compose(nano).model.backbone.weights == str(paths.shipped_weights_dir() / "dinov2_nano.safetensors")
    assert compose(nano, weights="random").model.backbone.weights == "random"


@pytest.mark.parametrize(("setting", "batch_size"), [("da", 2), ("dg", 4), ("ss", 4)])
def test_schedule_follows_the_bench(setting: str, batch_size: int) -> None:
    cfg = composed(f"loveda-{setting}")
    assert cfg.train_dataloader.batch_size == batch_size
    assert cfg.train_cfg == {"type": "IterBasedTrainLoop", "max_iters": 20000, "val_interval": 2000}


def test_colours_and_classes_must_match(own_configs: Path) -> None:
    file = own_configs / "bench" / "_loveda.py"
    file.write_text(file.read_text().replace("        [255, 195, 128],\n", ""))
    with pytest.raises(ConfigError, match="7 classes but 6 colours"):
        composed("loveda-dg")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim.lr=-1.0", "optim.lr is -1.0; it must be larger than 0"),
        ("bench.pipeline.resize_ratio=[2.0]", "it must be 2 numbers, each larger than 0"),
        ("bench.pipeline.resize_ratio=[2.0, 0.5]", "smallest first"),
        ("bench.schedule.iters=0", "bench.schedule.iters is 0; it must be 1 or larger"),
    ],
)
def test_values_out_of_range_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        composed("loveda-da", override)
