"""A whole training step on a CPU beside the plain form of the same step, in fp32 and in bf16.

    OMP_NUM_THREADS=1 python benchmarks/whole_step.py                        # ViT-S, adaptation, 224 px, 1 + 1 images
    python benchmarks/whole_step.py --backbone dinov2_b --crop-px 280 --batch 2 --setting dg
    python benchmarks/whole_step.py --table                                  # and where the time goes, by operator
    python benchmarks/whole_step.py --forms ours-bf16 cast-bf16              # forms by name, the first is the reference
    python benchmarks/whole_step.py --forms ours-fp32 blocks-fp32 --trace step.json   # a profiled step of the last form

Earth-Adapter with Mask2Former, unless options name others; steps of `gpu_speed/trainers.py` (model, strategy,
optimizer, without loader and hooks), plain forms of `gpu_speed/plain.py`. All forms have the same weights, images and
draws and take turns in one process; times are CPU seconds of the process, since the wall clock of a busy machine says
little. The ratio is that of the first form's median to a form's. `blocks-...` is ours with `runtime.compile=blocks`,
`compiled-...` ours with the whole backbone compiled, `joined-...` see `gpu_speed`; `gather-fp32` is ours with
`runtime.deformable_gather`, `cast-bf16` ours with frozen weights cast in every pass, `channels-last-fp32` ours with the
head's convolutions in that layout. Of compiled forms,
the first two steps are stated beside, with the time of the compiler's processes: they compile, or read what an earlier
run left in inductor's cache.

`--trace FILE` writes a step of the last form for chrome://tracing or ui.perfetto.dev; `--table` sums up such steps.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from gpu_speed.trainers import Trainer, build_form, build_ours
from gpu_speed.works import Work
from torch import nn
from torch.profiler import ProfilerActivity, profile

from rs_adapt.backbones.cast_once import CastOnce
from rs_adapt.cost.timing import TimedJob, take_turns
from rs_adapt.engine.parts import segmentor_of
from rs_adapt.registry import quiet_libraries

FORMS = ("plain-fp32", "ours-fp32", "plain-bf16", "ours-bf16")
# Operators by kind, in the order of the table; the first that a name starts with counts.
KINDS = {
    "matrix products": ("aten::addmm", "aten::mm", "aten::bmm", "aten::baddbmm", "aten::mkldnn_linear"),
    "convolutions": ("aten::mkldnn_conv", "aten::convolution", "aten::_slow_conv", "aten::thnn_conv"),
    "attention": ("aten::_scaled_dot",),
    "sampling at points": ("aten::grid_sampler",),
    "FFT": ("aten::_fft",),
    "casts and copies": ("aten::copy_", "aten::_to_copy", "aten::clone", "aten::cat", "aten::contiguous"),
    "choice of points": ("aten::topk", "aten::sort", "aten::uniform_", "aten::gather"),
    "optimizer": ("Optimizer", "aten::_foreach", "aten::addcdiv_", "aten::addcmul_", "aten::lerp_"),
}


def main() -> None:
    """Measure, and print medians, ratios and the distance of the first losses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="dinov2_s")
    parser.add_argument("--method", default="earth_adapter")
    parser.add_argument("--head", default="mask2former", help="plain forms are made for Mask2Former alone")
    parser.add_argument("--setting", default="da", choices=("da", "dg"))
    parser.add_argument("--crop-px", type=int, default=224)
    parser.add_argument("--batch", type=int, default=1, help="images of each region")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--forms", nargs="+", default=list(FORMS), help="such as plain-fp32, ours-bf16, cast-bf16")
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE of the configuration")
    parser.add_argument("--table", action="store_true", help="a profiled step of each form, by kind of operator")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write a Chrome trace of a step of the last form")
    args = parser.parse_args()
    with quiet_libraries():
        trainers = {form: build(form, args) for form in args.forms}
        losses, first_steps = {}, {}
        for form, trainer in trainers.items():
            begun_s, begun_cpu_s = time.perf_counter(), _cpu_s()
            losses[form] = float(trainer.step(1)["loss"].detach())
            # A second pass of a compiled form meets tensors that a first one left behind.
            trainer.step(2)
            first_steps[form] = (time.perf_counter() - begun_s, _cpu_s() - begun_cpu_s)
        jobs = [TimedJob(name=form, prepare=lambda number: None, run=_steps(trainers[form])) for form in trainers]
        seconds = take_turns(jobs, rounds=args.repeats, clock=time.process_time)
        print(
            f"{args.backbone}, {args.method}, {args.head}, {args.setting}, {args.crop_px} px, batch {args.batch}, "
            f"torch {torch.__version__}, {torch.get_num_threads()} thread(s), CPU seconds, median of {args.repeats} "
            "(range)"
        )
        first = args.forms[0]
        for form, times in seconds.items():
            ratios = [before / after for before, after in zip(seconds[first], times, strict=True)]
            print(
                f"{form}: {statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f}) s, {first} / this "
                f"{statistics.median(seconds[first]) / statistics.median(times):.2f} ({min(ratios):.2f} to "
                f"{max(ratios):.2f}), first loss {losses[form]:.4f} (off by "
                f"{abs(losses[form] - losses[first]) / abs(losses[first]):.1e})",
                flush=True,
            )
            if form.startswith(("blocks", "compiled")):
                wall_s, cpu_s = first_steps[form]
                print(f"    first two steps with compiling: {cpu_s:.0f} CPU s, {wall_s:.0f} s by the clock", flush=True)
        if args.table:
            for form, trainer in trainers.items():
                print(form, _by_kind(trainer), flush=True)
        if args.trace is not None:
            with profile(activities=[ProfilerActivity.CPU]) as profiler:
                trainers[args.forms[-1]].step(9_999)
            profiler.export_chrome_trace(str(args.trace))
            print(f"Chrome trace of a step of {args.forms[-1]}: {args.trace}")


def build(form: str, args: argparse.Namespace) -> Trainer:
    """Return the trainer of a form, with the weights that every form starts from."""
    kind, precision = form.rsplit("-", 1)
    work = Work(backbone=args.backbone, method=args.method, setting=args.setting, precision=precision)
    sizes = [f"bench.crop_px={args.crop_px}", f"bench.schedule.batch_size.{args.setting}={args.batch}"]
    ours, cfg = build_ours(work, device="cpu", toy=False, head=args.head, settings=[*sizes, *args.set])
    if kind in ("plain", "compiled", "blocks", "joined", "gather"):
        return build_form(kind, ours, cfg, generate=True)
    change: dict[str, Callable[[Any], None]] = {
        "ours": lambda model: None,
        "cast": _cast_every_time,
        "channels-last": _channels_last,
    }
    change[kind](ours.model)
    return ours


def _steps(trainer: Trainer) -> Callable[[], object]:
    # Never a tenth iteration, which has a further pass of the student.
    numbers = iter(number for number in range(3, 10_000) if number % 10)
    return lambda: trainer.step(next(numbers))


def _cpu_s() -> float:
    """Return the CPU seconds of this process and of the compilers that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _cast_every_time(model: Any) -> None:
    for layer in model.modules():
        if type(layer) is CastOnce:
            layer.__class__ = nn.Linear


def _channels_last(model: Any) -> None:
    segmentor_of(model).decode_head.to(memory_format=torch.channels_last)


def _by_kind(trainer: Trainer) -> dict[str, str]:
    """Return the share of each kind of operator in the time of all, in percent, and seconds of a profiled step."""
    number = 9_999
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        trainer.step(number)
    sums = dict.fromkeys([*KINDS, "other"], 0.0)
    for entry in profiler.key_averages():
        kind = next((kind for kind, names in KINDS.items() if entry.key.startswith(names)), "other")
        sums[kind] += entry.self_cpu_time_total / 1e6
    whole = sum(sums.values())
    return {kind: f"{100 * each / whole:.0f} %" for kind, each in sums.items()} | {"wall, s": f"{whole:.1f}"}


if __name__ == "__main__":
    main()
