"""A training log of mmengine or mmcv against itself: means of classes, length, learning rates, best and last."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from rs_adapt.audit.selfcheck.outcome import Check, SelfCheck, conclude, give_up
from rs_adapt.audit.verify.curves import compare_schedules
from rs_adapt.audit.verify.mmengine_log import read_log
from rs_adapt.audit.verify.record import Record, TrainLine

# Half a hundredth of each printed class, and of the printed mean.
_ROUNDING_POINTS = 0.005 + 0.005 + 1e-9
LOG_SUFFIXES = (".log", ".txt", ".json", ".out")


def check_log(path: Path) -> SelfCheck:
    """Recompute what a log determines: nothing in it is executed, and no run of ours is needed.

    A log that is consistent may still be of a leaky training; `rs-adapt lint` reads its configuration.

    Args:
        path: A text log, or JSON lines with the configuration beside them.

    Raises:
        ConfigError: It is not read as a log.
    """
    record = read_log(path)
    # What a log without a configuration lacks is said by the checks that need one.
    remarks = [check for remark in record.remarks if record.facts for check in give_up("log", remark)]
    checks = (*remarks, *_means(record), *_length(record), *_rates(record), *_best(record))
    return SelfCheck(run=str(path), checks=checks)


def _means(record: Record) -> Iterator[Check]:
    tables = [one for one in record.evaluations if any(map(math.isfinite, one.iou_pct.values()))]
    if not tables:
        yield from give_up("means", "no evaluation has a table of classes")
        return
    wrong = []
    for one in tables:
        # A class that is neither in the labels nor predicted has no IoU, and the mean leaves it out.
        values = [value for value in one.iou_pct.values() if math.isfinite(value)]
        mean = sum(values) / len(values)
        # Not a number is no mean of numbers.
        if not abs(mean - one.miou_pct) <= _ROUNDING_POINTS:
            stated = f"iteration {one.iteration}: mIoU is {one.miou_pct:.2f}"
            wrong.append(f"{stated}, the mean of its {len(values)} classes {mean:.2f}.")
    yield from conclude("means", wrong, checked=f"mIoU of {len(tables)} evaluations from their classes")


def _length(record: Record) -> Iterator[Check]:
    iters = (record.facts or {}).get("bench.schedule.iters")
    seen = [line.iteration for line in record.train] + [one.iteration for one in record.evaluations]
    done = max(seen, default=0)
    if not isinstance(iters, int):
        yield from give_up("length", "the log states no number of iterations")
    elif done < iters - _spacing(record):
        yield from give_up("length", f"the log ends at iteration {done} of {iters}: a part of a training")
    else:
        beyond = [f"the log has iteration {done}, the configuration ends at {iters}."] if done > iters else []
        yield from conclude("length", beyond, checked=f"trained to iteration {done} of {iters}")


def _spacing(record: Record) -> int:
    lines = sorted({line.iteration for line in record.train})
    return lines[-1] - lines[-2] if len(lines) > 1 else 1


def _rates(record: Record) -> Iterator[Check]:
    facts = record.facts or {}
    rate, power, end = (facts.get(name) for name in ("optim.lr", "optim.poly_power", "param_scheduler.end"))
    low, begin = facts.get("param_scheduler.eta_min", 0.0), facts.get("param_scheduler.begin", 0)
    numbers = all(isinstance(value, int | float) for value in (rate, power, end, low))
    warmup, several = facts.get("strategy.lr_warmup_iters"), facts.get("method.paramwise.lr_mult")
    if facts.get("param_scheduler.type") != "PolyLR" or not numbers or begin != 0 or warmup or several:
        yield from give_up("learning rate", "only one PolyLR from iteration 0 on, of one rate, is computed again")
        return
    assert isinstance(rate, int | float)
    assert isinstance(power, int | float)
    assert isinstance(end, int | float)
    assert isinstance(low, int | float)
    steps = end if record.mmcv else end - 1
    expected = [
        TrainLine(
            iteration=line.iteration,
            lr=low + (rate - low) * max(0.0, 1 - (line.iteration - 1) / max(steps, 1)) ** power,
            loss=None,
        )
        for line in record.train
    ]
    check = compare_schedules(Record(name="the configuration", train=tuple(expected)), record)
    if check is None:
        yield from give_up("learning rate", "no line states one")
        return
    wrong = []
    if check.first_iteration is not None:
        wrong = [
            f"iteration {check.first_iteration}: {check.there:.4e}, where the configuration gives {check.here:.4e}."
        ]
    yield from conclude("learning rate", wrong, checked=f"{check.num_equal} lines from the configuration")


def _best(record: Record) -> Iterator[Check]:
    if record.last is None or record.best is None or record.last[1] is None:
        yield from give_up("best and last", "the log has no evaluation")
        return
    (last, at_last), (best, at_best) = record.last, record.best
    yield from conclude(
        "best and last",
        (),
        checked=f"best {best:.2f} at iteration {at_best}, last {last:.2f} at {at_last}: a table that prints the best "
        f"of {len(record.evaluations)} evaluations is {best - last:.2f} points above the last",
    )
