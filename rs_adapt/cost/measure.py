"""Measurement of the cost of PEFT methods on the same work: one process, one input, one head, methods in turns."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from mmengine.device import get_device
from torch import nn

from rs_adapt.config import Cell
from rs_adapt.cost.candidates import REFERENCE, Candidate, build_candidates, compose_methods, name_method_in_errors
from rs_adapt.cost.memory import describe_memory, iteration_bytes
from rs_adapt.cost.timing import TimedJob, take_turns
from rs_adapt.engine.build import choose_device
from rs_adapt.engine.environment import environment
from rs_adapt.engine.pack import write_tensors
from rs_adapt.engine.state import seed_iteration
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import quiet_libraries
from rs_adapt.runs.files import TENSORS_FILE
from rs_adapt.runs.records import CostSetup

if TYPE_CHECKING:
    from mmseg.models import BaseSegmentor

    from rs_adapt.config.resolved import ResolvedConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class MethodCost:
    """The measured costs of one method.

    Attributes:
        method: Name of the method.
        backbone_parameters: Number of trainable parameters in the backbone: the adapter's, or all of them.
        head_parameters: Number of trainable parameters in the head.
        pack_bytes: Size of the tensor file of the adapter pack.
        memory_bytes: Memory of a training iteration, see `rs_adapt.cost.memory.describe_memory`.
        train_s: Seconds per training iteration, one value for each round.
        infer_s: Seconds per prediction of the same crops, one value for each round.
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

    Attributes:
        setup: The work that was the same for all methods.
        costs: Costs of each method that could be measured.
        refused: Reason for each method that could not, by its name.
    """

    setup: CostSetup
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
    """Measure methods on the plain segmentor of a cell; `frozen` is always measured, as the reference.

    The images and labels are random, of the bench's crop and batch size; no data set is read. A method that does not
    work in this cell (it needs a different head, or a library that is not installed) is left out and reported; a fault
    that concerns `frozen` too is an error.

    Args:
        cell: The cell that all methods share; its strategy must be `source_only`, its method is not read.
        methods: Names of the methods.
        overrides: `key=value` texts for all methods; those for the adapter apply to every method that has one.
        weights: Base weights, as for `compose`.
        device: "auto", "cpu", "cuda" or "cuda:N".
        rounds: Number of timed rounds, at least 1.
        warmup: Number of rounds before them, at least 1: the optimizer makes its state in the first.
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        RsAdaptError: The device does not exist, or the reference cannot be composed, built or run.
    """
    assert rounds >= 1
    assert warmup >= 1
    with quiet_libraries():
        choose_device(device)
        cfgs, refused = compose_methods(cell, methods, overrides=overrides, weights=weights, on_progress=on_progress)
        candidates = build_candidates(cfgs, on_progress)
        # Does nothing on a CPU.
        settle = torch.get_device_module(get_device()).synchronize

        def time_rounds(stage: str, run: str, training: bool) -> dict[str, list[float]]:
            return take_turns(
                [_job(candidate, run, training=training, seed=cell.seed) for candidate in candidates],
                rounds=rounds,
                warmup=warmup,
                settle=settle,
                stage=stage,
                on_progress=on_progress,
            )

        train_s = time_rounds("rounds of training", "train", True)
        memory = {candidate.method: _memory(candidate) for candidate in candidates}
        for candidate in candidates:
            # A head may do more early in its training than once it is trained.
            if hasattr(candidate.model.decode_head, "finish"):
                candidate.model.decode_head.finish()
        infer_s = time_rounds("rounds of inference", "infer", False)
        costs = [
            MethodCost(
                method=candidate.method,
                **_sizes(candidate.model),
                memory_bytes=memory[candidate.method],
                train_s=train_s[candidate.method],
                infer_s=infer_s[candidate.method],
            )
            for candidate in candidates
        ]
    setup = _setup(cfgs[REFERENCE], cell, overrides=overrides, rounds=rounds, warmup=warmup)
    return Comparison(setup=setup, costs=costs, refused=refused)


def _job(candidate: Candidate, run: str, *, training: bool, seed: int) -> TimedJob:
    call: Callable[[], None] = getattr(candidate, run)

    def prepare(number: int) -> None:
        candidate.model.train(training)
        # For the points that a mask loss samples, and for dropout.
        seed_iteration(seed, number)

    def run_job() -> None:
        with name_method_in_errors(candidate.method):
            call()

    return TimedJob(name=candidate.method, prepare=prepare, run=run_job)


def _memory(candidate: Candidate) -> int:
    candidate.model.train()
    with name_method_in_errors(candidate.method):
        return iteration_bytes(candidate.train, candidate.model, candidate.optim_wrapper.optimizer)


def _sizes(model: BaseSegmentor) -> dict[str, int]:
    def count_trainable(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters() if p.requires_grad)

    with tempfile.TemporaryDirectory(prefix="rs-adapt-pack-") as folder:
        write_tensors(Path(folder), model)
        pack_bytes = (Path(folder) / TENSORS_FILE).stat().st_size
    return {
        "backbone_parameters": count_trainable(model.backbone),
        "head_parameters": count_trainable(model.decode_head),
        "pack_bytes": pack_bytes,
    }


def _setup(cfg: ResolvedConfig, cell: Cell, *, overrides: Sequence[str], rounds: int, warmup: int) -> CostSetup:
    return CostSetup(
        bench=cell.bench_name,
        setting=cell.setting,
        backbone=cell.backbone,
        head=cell.head,
        # The name only: the path differs between machines.
        weights=Path(cfg.model.backbone.weights).name,
        tuned=cell.tuned,
        overrides=tuple(overrides),
        batch_size=cfg.train_dataloader.batch_size,
        crop_px=cfg.bench.crop_px,
        precision=cfg.optim_wrapper.precision,
        rounds=rounds,
        warmup=warmup,
        memory=describe_memory(get_device()),
        environment=environment(),
    )
