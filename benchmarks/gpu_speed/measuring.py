"""Measurement of one work: its forms are built, warmed up, compared by their first loss, timed and dissected."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from gpu_speed.parts import PARTS, parts_ms
from gpu_speed.peaks import mfu_pct
from gpu_speed.profiling import busy_ms, operator_table
from gpu_speed.syncs import host_syncs, unstated
from gpu_speed.trainers import Trainer, build_form, build_ours, matmul_precision, settle
from gpu_speed.works import Work
from rs_adapt.cost.timing import TimedJob, take_turns

# Largest difference of the first loss between forms, as a share of it. Roundings choose other points of a mask among
# equally uncertain ones. In bf16 the plain form differs within adapters, which it computes in fp32 throughout.
TOLERANCE = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 2e-2}
# Places of waits that are written down, the most frequent first.
SYNC_PLACES = 5
MIB = 2**20

Line = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How everything is measured.

    Attributes:
        device: `cpu` or a CUDA device.
        toy: Small models of the self-test.
        warmup: Iterations before anything is timed, at least 1.
        repeats: Timed windows of each form.
        steps: Iterations of a window.
        profile_dir: Folder for chrome traces; None for no profile.
    """

    device: str
    toy: bool
    warmup: int
    repeats: int
    steps: int
    profile_dir: Path | None = None

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a GPU."""
        return self.device.startswith("cuda")


def measure(work: Work, settings: Settings, peak: float | None) -> list[Line]:
    """Return a line for each form of a work, measured or failed; a form that fails does not stop the others.

    Args:
        work: What is measured.
        settings: How.
        peak: TFLOP/s of the device in this precision, or None.
    """
    lines: dict[str, Line] = {form: {"work": work.name, "form": form} for form in work.forms}
    trainers: dict[str, Trainer] = {}

    def attempt(forms: Iterable[str], call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:
            for form in forms:
                lines[form] = {"work": work.name, "form": form, "failed": first_line(error)}
                trainers.pop(form, None)
            _free_memory(settings)

    def build_all() -> None:
        start = time.perf_counter()
        trainers["ours"], cfg = build_ours(work, device=settings.device, toy=settings.toy)
        lines["ours"]["build_s"] = time.perf_counter() - start
        for form in work.forms[1:]:
            attempt([form], lambda form=form: trainers.update({form: build_form(form, trainers["ours"], cfg)}))

    with matmul_precision(work.precision):
        attempt(work.forms, build_all)
        held = {form: _held_bytes(trainer, settings) for form, trainer in trainers.items()}
        for form in list(trainers):
            attempt([form], lambda form=form: _warm_up(trainers[form], lines[form], held[form], settings))
        _compare_first_losses(lines, TOLERANCE[work.precision])
        if trainers:
            attempt(list(trainers), lambda: _time(trainers, lines, settings))
        for form in list(trainers):
            attempt([form], lambda form=form: _take_apart(trainers[form], lines[form], settings))
    trainers.clear()
    if _is_compiled(work.forms):
        # Compiled code holds the model that it was made for.
        torch._dynamo.reset()
    _free_memory(settings)
    for line in lines.values():
        # A compiled step does the work of the one that it was compiled from.
        tflop = line.get("tflop", lines["ours"].get("tflop"))
        if "failed" not in line and tflop is not None:
            line["tflop"], line["mfu_pct"] = tflop, mfu_pct(tflop, line["ms"]["median"], peak)
    return list(lines.values())


def _is_compiled(forms: Sequence[str]) -> bool:
    return bool({"compiled", "blocks", "graphs"} & set(forms))


def first_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its text."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _warm_up(trainer: Trainer, line: Line, held_bytes: int, settings: Settings) -> None:
    """Take the first steps: note their first loss, their time, the peak of memory, and the operations of one more."""
    wait = settle(settings.device)
    others_bytes = 0
    if settings.on_gpu:
        others_bytes = torch.cuda.memory_allocated() - held_bytes
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    line["first_loss"] = float(trainer.step(0)["loss"].detach())
    for number in range(1, settings.warmup):
        trainer.step(number)
    wait()
    line["warmup_s"] = time.perf_counter() - start
    if settings.on_gpu:
        # Without what the other forms hold between steps.
        line["peak_mib"] = (torch.cuda.max_memory_allocated() - others_bytes) / MIB
    line["num_images"] = trainer.num_images
    line["num_trained"] = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    if not _is_compiled([line["form"]]):
        # Not a tenth iteration: the counter cannot follow the student's pass without gradients, which those have.
        with FlopCounterMode(display=False) as counter:
            trainer.step(settings.warmup)
        line["tflop"] = counter.get_total_flops() / 1e12


def _compare_first_losses(lines: dict[str, Line], tolerance: float) -> None:
    """Note how far the first loss of each form is from that of ours, as a share of it."""
    ours = lines["ours"].get("first_loss")
    for form, line in lines.items():
        if form != "ours" and ours is not None and "first_loss" in line:
            difference = abs(line["first_loss"] - ours) / abs(ours)
            line |= {"loss_difference": difference, "loss_agrees": difference <= tolerance, "loss_tolerance": tolerance}


def _time(trainers: dict[str, Trainer], lines: dict[str, Line], settings: Settings) -> None:
    """Time windows of steps; the forms take turns, and the host waits for the device at a window's borders alone."""
    batches: list[Any] = []

    def job(form: str, trainer: Trainer) -> TimedJob:
        def prepare(window: int) -> None:
            batches[:] = [trainer.batch() for _ in range(settings.steps)]

        def run() -> None:
            for number, batch in enumerate(batches):
                trainer.step(number, batch)

        return TimedJob(name=form, prepare=prepare, run=run)

    seconds = take_turns(
        [job(form, trainer) for form, trainer in trainers.items()],
        rounds=settings.repeats,
        settle=settle(settings.device),
    )
    ours_s = statistics.median(seconds["ours"]) if "ours" in seconds else None
    for form, windows in seconds.items():
        step_ms = [1e3 * window / settings.steps for window in windows]
        lines[form]["ms"] = {"median": statistics.median(step_ms), "min": min(step_ms), "max": max(step_ms)}
        if _is_compiled([form]):
            lines[form]["compile_s"] = lines[form]["warmup_s"] - settings.warmup * statistics.median(step_ms) / 1e3
        per_s = 1e3 / statistics.median(step_ms)
        lines[form]["times_ours"] = None if ours_s is None else statistics.median(windows) / ours_s
        lines[form] |= {"iterations_per_s": per_s, "images_per_s": per_s * trainers[form].num_images}


def _take_apart(trainer: Trainer, line: Line, settings: Settings) -> None:
    """Measure parts, time in which the GPU works, and waits of the host, each in steps of their own."""
    first = settings.warmup + 1
    steps = parts_ms(trainer, settings.device, steps=settings.steps, first=first)
    line["parts_ms"] = {name: statistics.median(step[name] for step in steps) for name in (*PARTS, "step")}
    line["gap_ms"] = None
    line["host_syncs"] = None
    if settings.on_gpu:
        batch = trainer.batch()
        busy = busy_ms(lambda: trainer.step(first, batch))
        line["gap_ms"] = None if busy is None else max(0.0, line["ms"]["median"] - busy)
        places = host_syncs(lambda: trainer.step(first), torch.cuda.set_sync_debug_mode)
        line["host_syncs"] = sum(places.values())
        line["sync_places"] = dict(places.most_common(SYNC_PLACES))
        line["unstated_syncs"] = unstated(places)
    if settings.profile_dir is not None:
        trace = settings.profile_dir / f"trace_{line['work'].replace('/', '-')}_{line['form']}.json.gz"
        line["operators"] = operator_table(lambda: trainer.step(first), trace, on_gpu=settings.on_gpu)


def _held_bytes(trainer: Trainer, settings: Settings) -> int:
    """Return the bytes of a trainer that has not stepped: its model's tensors, each storage once."""
    if not settings.on_gpu:
        return 0
    tensors = [*trainer.model.parameters(), *trainer.model.buffers()]
    return sum({s.data_ptr(): s.nbytes() for s in (t.untyped_storage() for t in tensors)}.values())


def _free_memory(settings: Settings) -> None:
    gc.collect()
    if settings.on_gpu:
        # A device that is broken beyond this work says so in the next one.
        with suppress(RuntimeError):
            torch.cuda.empty_cache()
