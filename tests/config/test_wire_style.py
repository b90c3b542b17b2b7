"""Steps of the labelled pipeline that lend an image the look of another: when they are there, and whose look it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.config import compose, resolve_cell
from rs_adapt.config.segmentor import segmentor_config
from rs_adapt.errors import ConfigError, DataNotFound, IncompatibleCell

if TYPE_CHECKING:
    from pathlib import Path

    from mmengine.config import Config

FOURIER, HISTOGRAM = "rs_adapt.FourierAmplitudeMix", "rs_adapt.HistogramMatch"
MATCH, JITTER, CONVOLUTION = "rs_adapt.BandMatch", "rs_adapt.BandJitter", "rs_adapt.RandomConvolution"
BOTH = ("bench.pipeline.fourier_mix=0.5", "bench.pipeline.histogram_match=0.25")


def composed(bench: str, *overrides: str, data_root: Path | None = None, **axes: str) -> Config:
    return compose(resolve_cell(bench, **axes), overrides=overrides, data_root=data_root)


def labelled(cfg: Config) -> list[Any]:
    return list(cfg.train_dataloader.dataset.labelled.pipeline)


def kinds(pipeline: Any) -> list[str]:
    return [step["type"] for step in pipeline]


@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
@pytest.mark.parametrize("bench", ["loveda", "isprs", "dubai", "synthetic"])
def test_nothing_is_added_by_default(bench: str, setting: str) -> None:
    assert "rs_adapt." not in str(kinds(labelled(composed(f"{bench}-{setting}"))))


def test_the_steps_are_between_flip_and_photometric_distortion() -> None:
    cfg = composed("loveda-da", *BOTH)
    steps = kinds(labelled(cfg))
    assert steps[4:] == ["RandomFlip", FOURIER, HISTOGRAM, "PhotoMetricDistortion", "PackSegInputs"]
    assert [labelled(cfg)[index].prob for index in (5, 6)] == [0.5, 0.25]


def test_the_unlabelled_and_the_scored_images_are_left_alone() -> None:
    plain, cfg = composed("loveda-da"), composed("loveda-da", *BOTH)
    assert cfg.train_dataloader.dataset.unlabelled == plain.train_dataloader.dataset.unlabelled
    for loader in ("val_dataloader", "test_dataloader", "source_val_dataloader"):
        assert cfg[loader] == plain[loader]


@pytest.mark.parametrize("axes", [{}, {"strategy": "source_only"}])
def test_adaptation_uses_the_style_of_the_targets_training_images(axes: dict[str, str]) -> None:
    cfg = composed("loveda-da", *BOTH, **axes)
    for step in labelled(cfg)[5:7]:
        assert step.reference_dir.endswith("/loveda/urban/train/img_dir")
        assert step.reference_suffix == ".png"
    # Never the target's labels.
    assert "urban/train/ann_dir" not in str(cfg.train_dataloader.to_dict())


@pytest.mark.parametrize(("setting", "region", "other"), [("dg", "rural", "urban"), ("ss", "urban", "rural")])
def test_without_adaptation_only_the_labelled_images_are_named(setting: str, region: str, other: str) -> None:
    cfg = composed(f"loveda-{setting}", BOTH[0])
    (step,) = (step for step in labelled(cfg) if step.type == FOURIER)
    assert step.reference_dir == cfg.train_dataloader.dataset.labelled.img_dir
    assert f"/loveda/{region}/train/" in step.reference_dir
    assert other not in str(cfg.train_dataloader.to_dict())


def test_adaptation_swaps_a_small_box_and_generalization_mixes_the_whole_spectrum() -> None:
    fda, fact = (labelled(composed(f"loveda-{setting}", BOTH[0]))[5] for setting in ("da", "dg"))
    assert (fda.strength, fda.share) == ((1.0, 1.0), 0.01)
    assert (fact.strength, fact.share) == ((0.0, 1.0), 0.5)
    place = "train_dataloader.dataset.labelled.pipeline.5"
    own = labelled(composed("loveda-da", BOTH[0], f"{place}.strength=[0.5, 1]", f"{place}.share=0.05"))[5]
    assert (own.strength, own.share) == ((0.5, 1), 0.05)


@pytest.mark.parametrize("setting", ["dg", "ss"])
def test_histograms_are_matched_in_adaptation_only(setting: str) -> None:
    with pytest.raises(ConfigError, match=rf"histogram_match is 0.25.*setting {setting} .*--bench loveda-da\)"):
        composed(f"loveda-{setting}", BOTH[1])


@pytest.mark.parametrize("strategy", ["source_styled", "dacs", "daformer"])
def test_a_strategy_matches_and_jitters_bands_after_the_styles_of_the_bench(strategy: str) -> None:
    cfg = composed(
        "loveda-da",
        *BOTH,
        "strategy.style.band_match=0.5",
        "strategy.style.band_jitter=0.25",
        strategy=strategy,
    )
    assert kinds(labelled(cfg))[5:-1] == [FOURIER, HISTOGRAM, MATCH, JITTER, "PhotoMetricDistortion"]
    match, jitter = labelled(cfg)[7:9]
    assert match.image_dir.endswith("/loveda/rural/train/img_dir")
    assert match.reference_dir.endswith("/loveda/urban/train/img_dir")
    assert (match.prob, jitter.prob) == (0.5, 0.25)


def test_two_way_mixing_matches_half_of_the_source_images() -> None:
    (match,) = (step for step in labelled(composed("synthetic-da", strategy="dacs_two_way")) if step.type == MATCH)
    assert match.prob == 0.5
    assert MATCH not in kinds(labelled(composed("synthetic-da")))


@pytest.mark.parametrize("setting", ["dg", "ss"])
def test_bands_are_matched_in_adaptation_only_and_jittered_everywhere(setting: str) -> None:
    assert JITTER in kinds(labelled(composed(f"loveda-{setting}", strategy="source_styled")))
    with pytest.raises(ConfigError, match=rf"strategy\.style\.band_match is 0.5.*setting {setting} .*-da\)"):
        composed(f"loveda-{setting}", "strategy.style.band_match=0.5", strategy="source_styled")


@pytest.mark.parametrize("strategy", ["source_randconv", "dacs"])
def test_random_convolutions_come_last_with_the_normalisation_of_the_backbone(strategy: str) -> None:
    cfg = composed("loveda-da", *BOTH, "strategy.style.random_convolution=0.25", strategy=strategy)
    # The distortion clips to grey levels.
    assert kinds(labelled(cfg))[-4:] == [HISTOGRAM, "PhotoMetricDistortion", CONVOLUTION, "PackSegInputs"]
    step, preprocessor = labelled(cfg)[-2], segmentor_config(cfg).data_preprocessor
    assert (step.prob, step.mean, step.std) == (0.25, preprocessor.mean, preprocessor.std)
    assert CONVOLUTION not in str(cfg.train_dataloader.dataset.unlabelled)


@pytest.mark.parametrize("setting", ["da", "dg", "ss"])
def test_random_convolutions_need_no_image_but_the_labelled_one(setting: str) -> None:
    plain, cfg = (composed(f"loveda-{setting}", strategy=name) for name in ("source_only", "source_randconv"))
    assert labelled(cfg)[-2].prob == 0.5
    pipeline = cfg.train_dataloader.dataset.labelled.pipeline
    pipeline.pop(-2)
    assert cfg.train_dataloader == plain.train_dataloader
    assert cfg.model == plain.model


@pytest.mark.parametrize(
    ("backbone", "layers"),
    [("dinov2_nano", [0, 2]), ("dinov2_b", [2, 5]), ("dinov2_l", [5, 11])],
)
def test_mixstyle_acts_after_the_first_two_quarters_of_the_blocks(backbone: str, layers: list[int]) -> None:
    model = composed("loveda-dg", strategy="source_mixstyle", backbone=backbone).model
    assert (model.type, model.mixstyle_layers) == ("rs_adapt.MixStyle", layers)
    assert model.segmentor == composed("loveda-dg", backbone=backbone).model


def test_the_blocks_of_mixstyle_can_be_named() -> None:
    for text, layers in (("first 3", [0, 1, 2]), ("[4, 2]", [2, 4])):
        model = composed("loveda-dg", f"strategy.mixstyle_layers={text}", strategy="source_mixstyle").model
        assert model.mixstyle_layers == layers
    with pytest.raises(ConfigError, match=r"strategy\.mixstyle_layers is 'early'.*'first N'"):
        composed("loveda-dg", "strategy.mixstyle_layers=early", strategy="source_mixstyle")


def test_mixstyle_needs_two_images_and_tokens() -> None:
    one = "bench.schedule.batch_size.dg=1"
    with pytest.raises(ConfigError, match=r"the batch has one\. Use --batch-size 2 or more"):
        composed("loveda-dg", one, strategy="source_mixstyle")
    composed("loveda-dg", one, "strategy.mixstyle_prob=0.0", strategy="source_mixstyle")
    with pytest.raises(IncompatibleCell, match="convnext_nano: it mixes tokens of a ViT"):
        composed("loveda-dg", strategy="source_mixstyle", backbone="convnext_nano")


@pytest.mark.parametrize(
    "key",
    [
        "bench.pipeline.fourier_mix",
        "bench.pipeline.histogram_match",
        "strategy.style.band_match",
        "strategy.style.band_jitter",
        "strategy.style.random_convolution",
    ],
)
@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_only_probabilities_are_taken(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{re.escape(key)} is {value}; it must be from 0 to 1"):
        composed("loveda-da", f"{key}={value}")


def stream_of(cfg: Config) -> Any:
    from rs_adapt.registry import DATASETS, load_libraries

    load_libraries()
    return DATASETS.build(cfg.train_dataloader.dataset.to_dict())


def test_a_sample_depends_on_its_position_alone(loveda_root: Path) -> None:
    import numpy as np
    import torch

    small = ("bench.tile_px=64", "bench.crop_px=64", "bench.inference.crop_px=64", "bench.inference.stride_px=64")
    always = ("bench.pipeline.fourier_mix=1", "bench.pipeline.histogram_match=0.5")
    first, second = (stream_of(composed("loveda-da", *small, *always, data_root=loveda_root)) for _ in range(2))
    plain = stream_of(composed("loveda-da", *small, data_root=loveda_root))
    for draw in (3, 0):
        expected = first[draw]["source"]
        np.random.random()  # noqa: NPY002 - a draw elsewhere must not matter
        again, without = second[draw]["source"], plain[draw]["source"]
        assert torch.equal(expected["inputs"], again["inputs"])
        assert not torch.equal(expected["inputs"], without["inputs"])
        # The look changes and the labels do not.
        labels = [sample["data_samples"].gt_sem_seg.data for sample in (expected, again, without)]
        assert torch.equal(labels[0], labels[1])
        assert torch.equal(labels[0], labels[2])
        assert torch.equal(first[draw]["target"]["inputs"], plain[draw]["target"]["inputs"])


def test_missing_reference_images_are_found_when_the_sets_are_built(loveda_root: Path) -> None:
    (loveda_root / "loveda/urban/train/img_dir").rename(loveda_root / "elsewhere")
    cfg = composed("loveda-da", BOTH[0], data_root=loveda_root, strategy="source_only")
    with pytest.raises(DataNotFound, match="loveda/urban/train/img_dir does not exist"):
        stream_of(cfg)
