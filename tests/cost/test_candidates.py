"""Methods made ready for a comparison: one frozen backbone and one batch for all, and the same functions as alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from rs_adapt.config import resolve_cell
from rs_adapt.cost.candidates import Candidate, build_candidates, compose_methods, name_method_in_errors
from rs_adapt.engine.build import build_model, choose_device
from rs_adapt.errors import ConfigError, NonFiniteLoss, RsAdaptError

SMALL = ("bench.crop_px=32", "bench.tile_px=32")


def quiet(what: str, done: int, total: int) -> None:
    """Show no progress."""


def ready(methods: list[str], *overrides: str) -> tuple[dict[str, Any], dict[str, str]]:
    cell = resolve_cell("synthetic-da", strategy="source_only")
    return compose_methods(cell, methods, overrides=[*SMALL, *overrides], weights="random", on_progress=quiet)


@pytest.fixture
def candidates(monkeypatch: pytest.MonkeyPatch) -> dict[str, Candidate]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    choose_device("cpu")
    cfgs, refused = ready(["earth_adapter", "full"])
    assert refused == {}
    return {each.method: each for each in build_candidates(cfgs, quiet)}


def test_all_get_the_same_batch_and_the_reference_comes_first(candidates: dict[str, Candidate]) -> None:
    assert list(candidates) == ["frozen", "earth_adapter", "full"]
    reference = candidates["frozen"]
    assert reference.inputs_B3HW.shape == (2, 3, 32, 32)
    labels = torch.stack([sample.gt_sem_seg.data for sample in reference.samples])
    assert labels.unique().tolist() == [0, 1, 2, 3, 4, 5]
    for each in candidates.values():
        assert each.inputs_B3HW is reference.inputs_B3HW
        assert each.samples is reference.samples


def test_frozen_weights_are_in_memory_once_and_trained_ones_are_not_shared(candidates: dict[str, Candidate]) -> None:
    where = {name: {p.data_ptr() for p in each.model.backbone.layers.parameters()} for name, each in candidates.items()}
    assert where["earth_adapter"] == where["frozen"]
    assert not where["full"] & where["frozen"]
    before = [p.clone() for p in candidates["frozen"].model.backbone.parameters()]
    for each in candidates.values():
        each.model.train()
        each.train()
    after = list(candidates["frozen"].model.backbone.parameters())
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))


def test_sharing_changes_no_features(candidates: dict[str, Candidate]) -> None:
    cfgs, _ = ready(["earth_adapter"])
    torch.manual_seed(0)
    alone = build_model(cfgs["earth_adapter"]).backbone
    shared = candidates["earth_adapter"].model.eval().backbone
    x_B3HW = candidates["earth_adapter"].inputs_B3HW
    with torch.no_grad():
        assert all(torch.equal(*pair) for pair in zip(alone(x_B3HW), shared(x_B3HW), strict=True))


def test_a_step_changes_the_parameters_that_the_method_trains(candidates: dict[str, Candidate]) -> None:
    adapted = candidates["earth_adapter"]
    adapted.model.train()
    before = {name: value.clone() for name, value in adapted.model.named_parameters()}
    adapted.train()
    moved = {name for name, value in adapted.model.named_parameters() if not torch.equal(before[name], value)}
    assert any(name.startswith("backbone.adapter.") for name in moved)
    assert any(name.startswith("decode_head.") for name in moved)
    assert all(name.startswith(("backbone.adapter.", "decode_head.")) for name in moved)


def test_overrides_of_adapters_reach_the_methods_that_have_one() -> None:
    cfgs, refused = ready(["earth_adapter", "full"], "model.backbone.adapter.rank=4")
    assert cfgs["earth_adapter"].model.backbone.adapter.rank == 4
    assert list(cfgs) == ["frozen", "earth_adapter"]
    assert "model.backbone.adapter.rank: there is no such key" in refused["full"]


def test_a_base_in_bf16_is_shared_where_it_is_stored_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    choose_device("cpu")
    cfgs, refused = ready(["sam_parser", "lora", "full"], "runtime.precision=bf16", "runtime.base_precision=bf16")
    assert list(refused) == ["full"]
    assert "trains all of it" in refused["full"]
    candidates = {each.method: each for each in build_candidates(cfgs, quiet)}
    kinds, where = (
        {name: {key: get(p) for key, p in each.model.backbone.base_parameters().items()} for name, each in of.items()}
        for get, of in ((lambda p: p.dtype, candidates), (lambda p: p.data_ptr(), candidates))
    )
    assert where["lora"] == where["frozen"]
    assert set(kinds["lora"].values()) == {torch.float32, torch.bfloat16}
    # It reads the weights that it changes.
    read = {key for key, kind in kinds["sam_parser"].items() if kind is not kinds["lora"][key]}
    assert read
    assert {key for key in where["lora"] if where["sam_parser"][key] != where["lora"][key]} == read
    candidates["sam_parser"].train()


def test_a_fault_that_concerns_the_reference_too_is_an_error() -> None:
    with pytest.raises(ConfigError, match="optim.lrr: there is no such key"):
        ready(["earth_adapter"], "optim.lrr=1")


@pytest.mark.parametrize(
    ("error", "kind", "parts"),
    [
        (NonFiniteLoss("the loss is nan"), NonFiniteLoss, ("Method lora: the loss is nan", "optim.lr")),
        (torch.OutOfMemoryError("CUDA"), ConfigError, ("Method lora does not fit", "--methods", "--batch-size 1")),
    ],
)
def test_a_failure_names_its_method(error: Exception, kind: type[RsAdaptError], parts: tuple[str, ...]) -> None:
    with pytest.raises(kind) as caught, name_method_in_errors("lora"):
        raise error
    assert all(part in str(caught.value) for part in parts)


def test_compiled_blocks_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"runtime\.compile=blocks is not measured here"):
        ready([], "runtime.compile=blocks")
