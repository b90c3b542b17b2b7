"""What PEFT methods cost on the same work: one process, one input, one head, methods in turns."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.device import get_device

from rs_adapt.config import Cell
from rs_adapt.cost.candidates import REFERENCE, Candidate, blaming, build_candidates, compose_methods
from rs_adapt.cost.memory import iteration_bytes, meaning
from rs_adapt.cost.timing import Job, take_turns
from rs_adapt.engine.build import choose_device
from rs_adapt.engine.environment import environment
from rs_adapt.engine.pack import write_tensors
from rs_adapt.engine.state import seed_iteration
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import quiet_libraries
from rs_adapt.runs.files import TENSORS_FILE


@dataclasses.dataclass(frozen=True, kw_only=True)
class MethodCost:
    """What one method costs.

    Args:
        method: Name of the method.
        backbone_parameters: Trainable numbers in the backbone: the adapter's, or all of it.
        head_parameters: Trainable numbers in the head.
        pack_bytes: Size of the adapter pack's file of tensors.
        memory_bytes: Of a training iteration, see `rs_adapt.cost.memory.meaning`.
        train_s: Seconds of a training iteration, by round.
        infer_s: Seconds of a prediction of the same crops, by round.
    """

    method: str
    backbone_parameters: int
    head_parameters: int
    pack_bytes: int
    memory_bytes: int
    train_s: list[float]
    infer_s: list[float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """Costs of methods, the frozen backbone first, and how they were measured.

    Args:
        setup: What was the same for all, as plain values.
        costs: Of each method that could be measured.
        refused: Why the others could not, by method.
    """

    setup: dict[str, Any]
    costs: list[MethodCost]
    refused: dict[str, str]


def compare_costs(
    cell: Cell,
    methods: Sequence[str],
    *,
    overrides: Sequence[str] = (),
    weights: str | None = None,
    device: str = "auto",
    rounds: int = 10,
    warmup: int = 3,
    on_progress: OnProgress = no_progress,
) -> Comparison:
    """Measure methods on the plain segmentor of a cell; `frozen` is always among them, as the reference.

    Random images and labels of the bench's crop and batch size; no data set is read. A method that does not work here
    (another head, a library that is not installed) is left out and reported; what is wrong with `frozen` too is an
    error.

    Args:
        cell: What is the same for all; its strategy must be `source_only`, its method is not read.
        methods: Names of methods.
        overrides: `key=value` texts, for all methods; those of adapters for all that have one.
        weights: As for `compose`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        rounds: Rounds that count, at least 1.
        warmup: Rounds before them, at least 1: the optimizer makes its state in the first.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        RsAdaptError: As its message says.
    """
    assert rounds >= 1
    assert warmup >= 1
    with quiet_libraries():
        choose_device(device)
        cfgs, refused = compose_methods(cell, methods, overrides=overrides, weights=weights, on_progress=on_progress)
        candidates = build_candidates(cfgs, on_progress)
        # Of a CPU it does nothing.
        settle = torch.get_device_module(get_device()).synchronize

        def timed(stage: str, run: str, training: bool) -> dict[str, list[float]]:
            return take_turns(
                [_job(each, run, training=training, seed=cell.seed) for each in candidates],
                rounds=rounds,
                warmup=warmup,
                settle=settle,
                stage=stage,
                on_progress=on_progress,
            )

        train_s = timed("rounds of training", "train", True)
        memory = {each.method: _memory(each) for each in candidates}
        infer_s = timed("rounds of inference", "infer", False)
        costs = [
            MethodCost(
                method=each.method,
                **_sizes(each.model),
                memory_bytes=memory[each.method],
                train_s=train_s[each.method],
                infer_s=infer_s[each.method],
            )
            for each in candidates
        ]
    setup = _setup(cfgs[REFERENCE], cell, overrides=overrides, rounds=rounds, warmup=warmup)
    return Comparison(setup=setup, costs=costs, refused=refused)


def _job(candidate: Candidate, run: str, *, training: bool, seed: int) -> Job:
    call: Callable[[], None] = getattr(candidate, run)

    def prepare(number: int) -> None:
        candidate.model.train(training)
        # The points that a mask loss looks at, and what dropout drops.
        seed_iteration(seed, number)

    def blamed() -> None:
        with blaming(candidate.method):
            call()

    return Job(name=candidate.method, prepare=prepare, run=blamed)


def _memory(candidate: Candidate) -> int:
    candidate.model.train()
    with blaming(candidate.method):
        return iteration_bytes(candidate.train, candidate.model, candidate.optim_wrapper.optimizer)


def _sizes(model: Any) -> dict[str, int]:
    def trainable(part: Any) -> int:
        return sum(p.numel() for p in part.parameters() if p.requires_grad)

    with tempfile.TemporaryDirectory(prefix="rs-adapt-pack-") as folder:
        write_tensors(Path(folder), model)
        pack_bytes = (Path(folder) / TENSORS_FILE).stat().st_size
    return {
        "backbone_parameters": trainable(model.backbone),
        "head_parameters": trainable(model.decode_head),
        "pack_bytes": pack_bytes,
    }


def _setup(cfg: Any, cell: Cell, *, overrides: Sequence[str], rounds: int, warmup: int) -> dict[str, Any]:
    return {
        "bench": cell.bench_name,
        "setting": cell.setting,
        "backbone": cell.backbone,
        "head": cell.head,
        # Not the path, which is one machine's.
        "weights": Path(cfg.model.backbone.weights).name,
        "tuned": cell.tuned,
        "overrides": [*overrides],
        "batch_size": cfg.train_dataloader.batch_size,
        "crop_px": cfg.bench.crop_px,
        "precision": cfg.optim_wrapper.precision,
        "rounds": rounds,
        "warmup": warmup,
        "memory": meaning(get_device()),
        "environment": environment().content(),
    }
