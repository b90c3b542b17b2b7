"""Milliseconds of the parts of a training step, in steps of their own: calls are wrapped with marks of the device."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gpu_speed.trainers import Trainer, settle
from rs_adapt.engine.parts import segmentor_of

# In the order of a step. `teacher` is all that it does, its forward passes of backbone and head included; `other` is
# what remains of the step: class mixing, the health of the pseudo-labels, the check of the loss, and python.
PARTS = ("input", "backbone", "head", "loss", "teacher", "backward", "optimizer", "other")


class _Marks:
    """Pairs of marks by part; an inner part counts to the outer one."""

    def __init__(self, device: str) -> None:
        self.on_gpu = device.startswith("cuda")
        self.pairs: list[tuple[str, Any, Any]] = []
        self.is_inside = False

    def now(self) -> Any:
        """Return a mark: an event in the device's queue, which does not wait, or the clock's seconds."""
        if not self.on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def wrap(self, part: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def marked(*args: Any, **kwargs: Any) -> Any:
            if self.is_inside:
                return call(*args, **kwargs)
            self.is_inside, start = True, self.now()
            try:
                return call(*args, **kwargs)
            finally:
                self.pairs.append((part, start, self.now()))
                self.is_inside = False

        return marked

    def milliseconds(self) -> dict[str, float]:
        """Return the sums by part, after the device is done, and forget the marks."""
        sums: dict[str, float] = {}
        for part, start, end in self.pairs:
            ms = start.elapsed_time(end) if self.on_gpu else 1e3 * (end - start)
            sums[part] = sums.get(part, 0.0) + ms
        self.pairs.clear()
        return sums


def parts_ms(trainer: Trainer, device: str, *, steps: int, first: int) -> list[dict[str, float]]:
    """Return for each step the milliseconds of every part, and of the whole as `step`.

    Args:
        trainer: A trainer that has been warmed up.
        device: `cpu` or a CUDA device.
        steps: Number of steps, which are trained.
        first: Number of the first of these iterations.
    """
    marks = _Marks(device)
    wait = settle(device)
    found = []
    with _marked(trainer, marks):
        for number in range(first, first + steps):
            batch = trainer.batch()
            wait()
            start = marks.now()
            trainer.step(number, batch)
            end = marks.now()
            wait()
            marks.pairs.append(("step", start, end))
            sums = marks.milliseconds()
            named = {part: sums.get(part, 0.0) for part in PARTS}
            named["other"] = max(0.0, sums["step"] - sum(named.values()))
            found.append({**named, "step": sums["step"]})
    return found


@contextmanager
def _marked(trainer: Trainer, marks: _Marks) -> Iterator[None]:
    """Wrap the calls that are parts for the length of the context."""
    model, wrapper = trainer.model, trainer.optim_wrapper
    segmentor = segmentor_of(model)
    calls = [
        (model.data_preprocessor, "forward", "input"),
        (segmentor, "extract_feat", "backbone"),
        (segmentor.decode_head, "forward", "head"),
        (segmentor.decode_head.criterion, "forward", "loss"),
        (wrapper, "backward", "backward"),
        (wrapper, "step", "optimizer"),
        (wrapper, "zero_grad", "optimizer"),
    ]
    if segmentor is not model:
        calls += [(model, "label_target", "teacher"), (model.ema, "update", "teacher")]
    for owner, name, part in calls:
        # On the instance, where it stands before the class's method.
        setattr(owner, name, marks.wrap(part, getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name, _ in calls:
            delattr(owner, name)
