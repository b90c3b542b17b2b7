"""The prediction from shapes, beside real iterations on a CPU."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from rs_adapt.api.configuration import compose
from rs_adapt.config.resolved import ResolvedConfig
from rs_adapt.config.segmentor import leave_texts_out, segmentor_config
from rs_adapt.cost.predict import measure_iteration, predict_memory
from rs_adapt.engine.recomputing import cast_weights_once, recompute_blocks, store_base
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.registry import MODELS, load_libraries, quiet_libraries

Cfg = ResolvedConfig


def make_cfg(bench: str, *overrides: str, **axes: Any) -> Cfg:
    axes = {"head": "linear", "weights": "random", "batch_size": 2, **axes}
    cfg = compose(bench, overrides=["bench.crop_px=128", *overrides], **axes)
    with quiet_libraries():
        load_libraries(cfg.default_scope)
    return cfg


def real_model(cfg: Cfg) -> Any:
    settings = copy.deepcopy(cfg.to_dict())
    segmentor_config(settings)["backbone"]["weights"] = None
    leave_texts_out(segmentor_config(settings))
    with quiet_libraries():
        model = MODELS.build(settings["model"]).train()
        recompute_blocks(cfg, model)
        store_base(cfg, model)
        cast_weights_once(cfg, model)
    return model


def allocated_peak_bytes(cfg: Cfg) -> int:
    """Return the peak of what torch's CPU allocator handed out, what is within operations included."""
    model = real_model(cfg)
    tensors = [*model.parameters(), *model.buffers()]
    now = peak = sum({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}.values())
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        measure_iteration(cfg, model, device_type="cpu")
    events = [event for event in profile.profiler.kineto_results.events() if event.name() == "[memory]"]
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    assert len(events) > 1000
    return peak


CASES = [
    ("synthetic-dg", (), {"method": "frozen"}),
    ("synthetic-dg", ("runtime.memory=low",), {"method": "earth-adapter"}),
    ("synthetic-dg", (), {"method": "full", "precision": "bf16"}),
    ("synthetic-dg", ("runtime.memory=low",), {"method": "earth-adapter", "precision": "bf16"}),
    ("synthetic-da", (), {"method": "earth-adapter"}),
    ("synthetic-da", ("runtime.base_precision=bf16",), {"method": "earth-adapter", "precision": "bf16"}),
    pytest.param("synthetic-dg", (), {"method": "lora"}, marks=pytest.mark.slow),
    pytest.param("synthetic-da", ("runtime.memory=low",), {"method": "lora"}, marks=pytest.mark.slow),
    pytest.param("synthetic-dg", (), {"head": "mask2former-small", "method": "rein"}, marks=pytest.mark.slow),
    pytest.param("synthetic-da", (), {"head": "mask2former-small"}, marks=pytest.mark.slow),
    pytest.param("synthetic-da", ("runtime.memory=low",), {"head": "mask2former-small"}, marks=pytest.mark.slow),
    pytest.param("synthetic-da", (), {"strategy": "mic"}, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("bench", "overrides", "axes"), CASES)
def test_the_prediction_is_the_peak_of_real_tensors(
    bench: str, overrides: tuple[str, ...], axes: dict[str, str]
) -> None:
    cfg = make_cfg(bench, *overrides, **axes)
    predicted = predict_memory(cfg, device_type="cpu")
    real = measure_iteration(cfg, real_model(cfg), device_type="cpu")
    assert predicted.weights_bytes == real.weights_bytes
    assert predicted.optimizer_bytes == real.optimizer_bytes
    # Real pseudo-labels of a random model have fewer classes than all.
    assert predicted.peak_bytes == pytest.approx(real.peak_bytes, rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("bench", ["synthetic-dg", "synthetic-da"])
@pytest.mark.parametrize("memory", ["normal", "low"])
def test_the_prediction_is_the_peak_of_the_allocator(bench: str, memory: str) -> None:
    cfg = make_cfg(bench, f"runtime.memory={memory}")
    predicted = predict_memory(cfg, device_type="cpu")
    assert predicted.peak_bytes == pytest.approx(allocated_peak_bytes(cfg), rel=0.02)


def test_memory_grows_with_the_batch_and_shrinks_with_recomputation() -> None:
    normal = make_cfg("synthetic-dg", method="lora")
    one, two = (predict_memory(normal, batch_size=size) for size in (1, 2))
    low = predict_memory(make_cfg("synthetic-dg", "runtime.memory=low", method="lora"))
    assert (one.batch_size, two.batch_size) == (1, 2)
    # What is saved is proportional to the batch; weights are not.
    saved_one, saved_two = (each.peak_bytes - each.weights_bytes - each.optimizer_bytes for each in (one, two))
    assert saved_two / saved_one == pytest.approx(2, rel=0.1)
    assert low.weights_bytes == two.weights_bytes
    assert low.peak_bytes < 0.7 * two.peak_bytes


def test_copies_in_bf16_count_and_a_base_in_bf16_needs_none() -> None:
    low = ("synthetic-dg", "runtime.memory=low")
    fp32, bf16, stored = (
        predict_memory(make_cfg(*low, f"runtime.base_precision={base}", precision=precision, method="frozen"))
        for precision, base in (("fp32", "fp32"), ("bf16", "fp32"), ("bf16", "bf16"))
    )
    # 12 weights of D x D in each of nano's blocks, and a bias in each layer.
    width, depth = 192, 6
    linear_bytes = 4 * depth * (12 * width**2 + 9 * width)
    assert bf16.weights_bytes == fp32.weights_bytes
    assert bf16.weights_bytes - stored.weights_bytes == pytest.approx(linear_bytes / 2, rel=0.01)
    # Nothing of a frozen base is saved, so the copies alone are in the difference.
    assert bf16.peak_bytes - stored.peak_bytes == pytest.approx(linear_bytes, rel=0.02)


def test_full_training_has_adams_state_of_every_weight() -> None:
    predicted = predict_memory(make_cfg("synthetic-dg", method="full"))
    # Two fp32 numbers a weight; every tensor also counts its steps, and buffers have no state.
    assert 1.95 < predicted.optimizer_bytes / predicted.weights_bytes < 2.0
    # Weights, their gradients and both averages are there at once.
    assert predicted.peak_bytes > 4 * predicted.weights_bytes


@pytest.mark.slow
def test_a_backbone_of_billions_needs_no_memory() -> None:
    cfg = make_cfg("synthetic-dg", "bench.crop_px=64", backbone="dinov2-g", method="frozen", batch_size=1)
    predicted = predict_memory(cfg)
    # 1.1 billion parameters in fp32.
    assert predicted.weights_bytes == pytest.approx(4 * 1.135e9, rel=0.01)


def test_what_cannot_be_predicted_is_refused_in_words() -> None:
    with pytest.raises(ConfigError, match="predicted for segmentation"):
        predict_memory(compose("synthetic-classes-b2n"))
    with pytest.raises(ConfigError, match="distill needs a trained teacher"):
        predict_memory(make_cfg("synthetic-dg", strategy="distill"))
    with pytest.raises(IncompatibleCell, match="method full trains all of it"):
        predict_memory(make_cfg("synthetic-dg", "runtime.base_precision=bf16", precision="bf16", method="full"))
    with pytest.raises(IncompatibleCell, match="blocks of a ViT"):
        predict_memory(make_cfg("synthetic-dg", "runtime.memory=low", backbone="mit-b0", method="full"))
