"""Training steps on a GPU: throughput, parts, memory and MFU of our step beside the plain formulation, in turns.

    python benchmarks/gpu.py --minutes 5 [--out work_dirs/gpu] [--only dinov2_l/rein] [--profile]
    python benchmarks/gpu.py --device cpu --tiny            # tries every kind of work at toy sizes

Needs no data, no weights, no network and no rasterio: images are noise, labels are blocks of random classes, base
weights are random. A step is that of `rs-adapt train` (Mask2Former, 512 px, LoveDA's schedule; `dg` 4 images, `da` 2
source and 2 target images with self-training from the first iteration), without loaders and hooks. Beside it stands the
plain form (`gpu_speed/plain.py`), or ours with a compiled backbone. Work is measured in a stated order until the
minutes are over; what fails is reported with its first line, and what was not reached is listed.

Throughput: windows of some iterations, forms in turns, the host waiting for the device at a window's borders alone;
median, least and most. Parts are measured in separate steps, with marks in the device's queue. "GPU idle" is a step of
the throughput less the time in which a kernel runs, from a profiled step. MFU is counted operations over time and peak:
matrix products, convolutions and attention, forward and backward, two operations a multiply-add, as
`torch.utils.flop_counter` counts them in one step; elementwise work, FFT and point sampling count nothing.

How to read the tables: docs/guides/speed.md.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path

import torch
from gpu_speed.measuring import Settings, measure
from gpu_speed.peaks import BF16_TFLOPS, peak_tflops
from gpu_speed.reporting import Report, describe
from gpu_speed.works import select, toy_works, works_in_order

from rs_adapt.engine.build import choose_device
from rs_adapt.errors import ConfigError, RsAdaptError
from rs_adapt.registry import quiet_libraries

# Seconds that the first work of a kind is expected to take; later ones are expected to take what the longest one took.
EXPECTED_S = {"eager": 15.0, "compiled": 90.0}


def main() -> None:
    """Measure until the minutes are over; exit with 2 on a fault of the options."""
    args = _options()
    try:
        with quiet_libraries():
            _run(args)
    except RsAdaptError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0, help="no work is started that would end later")
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:N or cpu")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/gpu"), help="folder of lines.jsonl and table.md")
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="work whose name has one of these parts")
    parser.add_argument("--repeats", type=int, default=7, help="windows of each form")
    parser.add_argument("--steps", type=int, default=3, help="iterations of a window")
    parser.add_argument("--peak-tflops", type=float, help="dense bf16 peak of the GPU, where the table has none")
    parser.add_argument("--profile", action="store_true", help="trace and operators of the first work")
    parser.add_argument("--tiny", action="store_true", help="toy sizes, every kind of work, 2 windows of 1 iteration")
    return parser.parse_args()


def _run(args: argparse.Namespace) -> None:
    started_s = time.perf_counter()
    if not args.tiny and (args.repeats < 5 or not 1 <= args.steps < 10):
        raise ConfigError(
            f"--repeats {args.repeats} --steps {args.steps}: a median needs at least 5 windows, and a window 1 to 9 "
            "iterations. Use --minutes or --only to measure less."
        )
    device = args.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    choose_device(device)
    works = select(toy_works() if args.tiny else works_in_order(), args.only)
    on_gpu = device.startswith("cuda")
    name = torch.cuda.get_device_name() if on_gpu else platform.processor() or platform.machine()
    repeats, steps = (2, 1) if args.tiny else (args.repeats, args.steps)
    report = Report(args.out, _facts(name, args.peak_tflops, repeats=repeats, steps=steps, toy=args.tiny))
    print(report.facts["summary"], flush=True)
    longest_s: dict[str, float] = {}
    not_reached = []
    for number, work in enumerate(works):
        kind = "compiled" if {"compiled", "blocks", "graphs"} & set(work.forms) else "eager"
        begun_s = time.perf_counter()
        ends_s = begun_s - started_s + longest_s.get(kind, EXPECTED_S[kind])
        # The first is measured whatever it takes.
        if number and ends_s > 60 * args.minutes:
            not_reached.append(work.name)
            continue
        settings = Settings(
            device=device,
            toy=args.tiny,
            warmup=1 if args.tiny else 3,
            repeats=repeats,
            steps=steps,
            profile_dir=args.out if args.profile and number == 0 else None,
        )
        for line in measure(work, settings, peak_tflops(name, work.precision, args.peak_tflops)):
            report.add(line)
            print(describe(line), flush=True)
        longest_s[kind] = max(longest_s.get(kind, 0.0), time.perf_counter() - begun_s)
    report.finish(not_reached)
    print(f"{len(not_reached)} of {len(works)} not reached; table: {report.table}, lines: {report.json}")


def _facts(name: str, own_peak: float | None, *, repeats: int, steps: int, toy: bool) -> dict[str, object]:
    """Return what is measured on and how; `summary` in a sentence or two."""
    peaks = {precision: peak_tflops(name, precision, own_peak) for precision in ("bf16", "tf32")}
    if peaks["bf16"] is None:
        stated = f"MFU left out: the peak of this device is not known (known: {', '.join(BF16_TFLOPS)}; --peak-tflops)"
    else:
        stated = f"MFU of {peaks['bf16']:g} TFLOP/s in bf16 and {peaks['tf32']:g} in TF32"
    summary = (
        f"{name}, torch {torch.__version__}, Python {platform.python_version()}; medians of {repeats} windows of "
        f"{steps} iterations, forms in turns; {stated}."
    )
    return {
        "summary": f"Self-test at toy sizes, no result: {summary}" if toy else summary,
        "device": name,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "peak_tflops": peaks,
        "repeats": repeats,
        "steps": steps,
    }


if __name__ == "__main__":
    main()
