"""`runtime.compile`: one graph for all blocks, equal names, exact resumption, and clear refusals.

Most tests leave out the generation of code, which takes minutes on a busy machine: what comes out of torch's tracing is
then run by torch's own operators, and has equal numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch._dynamo.testing import CompileCounter

from rs_adapt.adapters import Adapter, EarthAdapter, Lora, Vpt
from rs_adapt.backbones import Dinov2
from rs_adapt.commands import main
from rs_adapt.config.added_keys import without_added_keys
from rs_adapt.config.sameness import changed_settings, result_settings
from rs_adapt.engine import compiling
from rs_adapt.engine.compiling import CompileClock, check_compiled_blocks, compile_blocks, compiler_settings
from rs_adapt.engine.parameters import build_on_meta
from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.train import train
from rs_adapt.errors import DeviceUnavailable, IncompatibleCell
from tests.engine.test_recomputing import _compose
from tests.engine.test_several_processes import CELLS, LATER, alone, by_two, close, job
from tests.engine.test_train import SignalAt, lines_of

COMPILED = "runtime.compile=blocks"
ADAPTERS: dict[str, Callable[[int], Adapter]] = {
    "lora": lambda depth: Lora(embed_dim=32, depth=depth, mlp_dim=128, rank=4),
    "earth_adapter": lambda depth: EarthAdapter(embed_dim=32, depth=depth, rank=4, frequency_layers=(1,), cutoff=0.6),
    "vpt": lambda depth: Vpt(embed_dim=32, depth=depth, num_tokens=3),
}


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the generation of code out."""
    torch._dynamo.reset()
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")


def _vit(method: str, depth: int = 3) -> Dinov2:
    torch.manual_seed(0)
    vit = Dinov2(
        embed_dim=32,
        depth=depth,
        num_heads=2,
        patch_px=14,
        image_px=56,
        out_layers=(0, depth - 1),
        level_scales=(1, 1),
        adapter=ADAPTERS[method](depth),
        frozen=True,
        weights=None,
    )
    with torch.no_grad():
        # Away from the start, at which an adapter may do nothing.
        for parameter in vit.adapter.parameters():  # type: ignore[union-attr]
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return vit


def _step(vit: Dinov2, *, bf16: bool = False) -> dict[str, Tensor]:
    """Return loss and gradients of a training step."""
    vit.zero_grad(set_to_none=True)
    images = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(1))
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = torch.stack([level.float().square().mean() for level in vit(images)]).sum()
    loss.backward()
    gradients = {name: value.grad.clone() for name, value in vit.named_parameters() if value.grad is not None}
    return {"loss": loss.detach(), **gradients}


def _distance(vit: Dinov2, expected: dict[str, Tensor], **options: bool) -> float:
    """Return the largest difference from a step, as a share of each tensor's largest value."""
    found = _step(vit, **options)
    assert found.keys() == expected.keys()
    return max(float((found[name] - value).abs().max() / value.abs().max()) for name, value in expected.items())


@pytest.mark.parametrize("method", ADAPTERS)
def test_one_graph_serves_all_blocks(method: str) -> None:
    counts = []
    for depth in (3, 5):
        vit = _vit(method, depth)
        expected = _step(vit)
        torch._dynamo.reset()
        counter: Any = CompileCounter()
        compile_blocks(vit, backend=counter)
        assert _distance(vit, expected) == 0
        vit.recomputes = True
        assert _distance(vit, expected) == 0
        counts.append(counter.frame_count)
        assert not [name for name in vit.state_dict() if "_orig_mod" in name]
    # The first block may have an input without a gradient.
    assert counts[0] == counts[1] <= 2


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("bf16", "tolerance"), [(False, 1e-5), (True, 0.05)])
def test_generated_code_rounds_differently_and_no_more(bf16: bool, tolerance: float) -> None:
    torch._dynamo.reset()
    vit = _vit("lora", 2)
    expected = _step(vit, bf16=bf16)
    with compiler_settings():
        compile_blocks(vit)
        assert _distance(vit, expected, bf16=bf16) < tolerance
        first, second = (_step(vit, bf16=bf16) for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("setting", "options"),
    [
        pytest.param("dg", {"method": "lora", "overrides": ("runtime.memory=low",)}, marks=pytest.mark.slow),
        pytest.param("da", {"strategy": "mic", "method": "earth_adapter"}, marks=pytest.mark.slow),
        # Drop-out, and code of a library that is compiled in pieces.
        pytest.param("da", {"method": "adaptformer", "overrides": ("runtime.precision=bf16",)}, marks=pytest.mark.slow),
        pytest.param("dg", {"method": "peft:loha"}, marks=pytest.mark.slow),
    ],
    ids=["lora-low", "mic", "adaptformer-bf16", "loha"],
)
def test_a_resumed_run_equals_an_uninterrupted_one(
    tiny_cell: Any, tmp_path: Path, setting: str, options: dict[str, Any]
) -> None:
    _check_resumption(tiny_cell, tmp_path, setting, options)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # a compiler in a test: minutes on a busy machine
def test_a_resumed_run_with_generated_code_equals_an_uninterrupted_one(tiny_cell: Any, tmp_path: Path) -> None:
    _check_resumption(tiny_cell, tmp_path, "da", {"method": "lora"})


def _check_resumption(tiny_cell: Any, tmp_path: Path, setting: str, options: dict[str, Any]) -> None:
    options = options | {"overrides": (*options.get("overrides", ()), COMPILED)}
    train(tiny_cell(setting, run="straight", **options), device="cpu")
    cfg = tiny_cell(setting, run="parts", **options)
    with pytest.raises(Interrupted, match="after 2 iterations"):
        train(cfg, device="cpu", hooks=[SignalAt(2)])
    train(cfg, device="cpu", resume=True)
    runs = [tmp_path / run for run in ("straight", "parts")]
    first, second = (load_file(run / "adapter.safetensors") for run in runs)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    losses = [[(line["iter"], line.get("loss"), line.get("miou_pct")) for line in lines_of(run)] for run in runs]
    assert [line for line in losses[1] if line[0] > 2] == [line for line in losses[0] if line[0] > 2]
    assert "graphs compiled in" in (runs[0] / "train.log").read_text()
    assert not any("_orig_mod" in name for name in first)


@pytest.mark.usefixtures("traced")
def test_without_generated_code_a_run_is_that_of_operators(tiny_cell: Any, tmp_path: Path) -> None:
    """The same tensors under the same names; evaluations run without graphs."""
    for run, overrides in (("plain", ()), ("compiled", (COMPILED,))):
        train(tiny_cell("da", run=run, method="lora", overrides=overrides), device="cpu")
    first, second = (load_file(tmp_path / run / "adapter.safetensors") for run in ("plain", "compiled"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    scores = [json.loads((tmp_path / run / "result.json").read_text())["selections"] for run in ("plain", "compiled")]
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_two_processes_are_one(loveda_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")
    name = "mask2former"
    assert name in CELLS
    jobs = [job(name, run, loveda_root, tmp_path) | {"backend": "aot_eager"} for run in ("two", "one")]
    for task in jobs:
        task["compose"]["overrides"] = [*task["compose"]["overrides"], COMPILED]
    assert by_two(jobs[:1], tmp_path) == [[{"finished": True}], [{"finished": False}]]
    alone(jobs[1])
    for number, lines in enumerate(zip(*(lines_of(tmp_path / run) for run in ("two", "one")), strict=True)):
        close(*lines, relative=2e-6 if number == 0 else LATER)


def test_it_changes_the_run_and_older_configurations_have_none() -> None:
    plain, compiled = (_compose(f"runtime.compile={value}") for value in ("none", "blocks"))
    settings = [result_settings(cfg.pretty_text, file="") for cfg in (plain, compiled)]
    assert changed_settings(*settings) == [("runtime.compile", None, "blocks")]
    assert "compile" not in without_added_keys(plain.to_dict())["runtime"]
    older = plain.to_dict()
    del older["runtime"]["compile"]
    assert not compiling.compiles_blocks(type(plain)(older))


def test_other_values_and_other_tasks_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for bench, value, said in (
        ("synthetic-da", "all", "runtime.compile is 'all'. Allowed: none or blocks."),
        ("synthetic-b2n", "blocks", "runtime.compile=blocks is made for segmentation"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["train", "--bench", bench, "--set", f"runtime.compile={value}", "--work-dir", str(tmp_path / "run")])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_backbones_without_blocks_and_sharded_bases_are_refused() -> None:
    cfg = _compose(COMPILED, backbone="convnext-nano", method="full", weights="random")
    with pytest.raises(IncompatibleCell, match="compiles the blocks of a ViT, and convnext_nano is none"):
        check_compiled_blocks(cfg, build_on_meta(cfg))
    cfg = _compose(COMPILED, "runtime.sharding=fsdp")
    with pytest.raises(IncompatibleCell, match=r"runtime\.sharding=fsdp do not go together"):
        check_compiled_blocks(cfg, build_on_meta(cfg))


def test_a_machine_without_a_compiler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", (None, "/nowhere/g++"))
    cfg = _compose(COMPILED)
    with pytest.raises(DeviceUnavailable, match=r"No working C\+\+ compiler.* install g\+\+ .*Leave it out"):
        check_compiled_blocks(cfg, build_on_meta(cfg))


def test_the_clock_reports_when_an_iteration_compiles_nothing_more() -> None:
    clock = CompileClock()
    assert clock.take_note() is None
    clock.start()
    clock.stop()
    assert clock.take_note() is None
    assert clock.take_note() == "runtime.compile=blocks: 1 graphs compiled in 0 s"
    assert clock.take_note() is None
    clock.start()
    clock.stop()
    assert clock.take_note(at_end=True) == "runtime.compile=blocks: 2 graphs compiled in 0 s"
