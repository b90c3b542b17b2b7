"""One training step under torch's profiler: time in which the GPU works, and the operators that take most of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile


def busy_ms(step: Callable[[], object]) -> float | None:
    """Return the milliseconds in which a kernel or copy ran on the GPU during a step; None if the profiler saw none."""
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        step()
        torch.cuda.synchronize()
    spans = _device_spans(profiler.events() or [])
    return union_us(spans) / 1e3 if spans else None


def union_us(spans: Iterable[tuple[float, float]]) -> float:
    """Return the length of the union of (start, end) spans, in their unit."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def operator_table(step: Callable[[], object], trace: Path, *, on_gpu: bool, rows: int = 15) -> list[dict[str, Any]]:
    """Write the chrome trace of a step, and return the operators with the most time of their own.

    Args:
        step: The step.
        trace: File for the trace, `.json.gz`.
        on_gpu: Whether an operator's time is that of its kernels on the GPU; else it is that of the CPU.
        rows: Number of operators.

    Returns:
        `operator`, `calls`, `ms` and `share_pct` of the time of all kernels or, on a CPU, of all operators. On a GPU
        two rows follow: kernels that belong to no operator, and the gaps between kernels, whose share is that of the
        time from the first kernel to the last. The profiler slows the host, so gaps are larger than without it.
    """
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiler:
        step()
        if on_gpu:
            torch.cuda.synchronize()
    profiler.export_chrome_trace(str(trace))
    column = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    # Kernels are entries of their own beside the operators that started them.
    operators = [entry for entry in profiler.key_averages() if entry.device_type == DeviceType.CPU]
    operators.sort(key=lambda entry: -getattr(entry, column))
    spans = _device_spans(profiler.events() or [])
    in_operators = sum(getattr(entry, column) for entry in operators)
    whole_us = (sum(end - start for start, end in spans) if on_gpu else in_operators) or 1.0

    def row(name: str, calls: int, us: float, of_us: float) -> dict[str, Any]:
        return {"operator": name, "calls": calls, "ms": us / 1e3, "share_pct": 100 * us / of_us}

    table = [row(entry.key, entry.count, getattr(entry, column), whole_us) for entry in operators[:rows]]
    if on_gpu and spans:
        length_us = max(end for _, end in spans) - min(start for start, _ in spans)
        table.append(row("kernels of no operator", 0, max(0.0, whole_us - in_operators), whole_us))
        table.append(row("gaps between kernels", len(spans), length_us - union_us(spans), length_us))
    return table


def _device_spans(events: Iterable[Any]) -> list[tuple[float, float]]:
    """Return start and end of kernels and copies in microseconds; annotations, which span gaps, are left out."""
    return [
        (event.time_range.start, event.time_range.end)
        for event in events
        if event.device_type == DeviceType.CUDA and not getattr(event, "is_user_annotation", False)
    ]
