"""Compare two configurations key by key: differences, keys of one side only, and keys that cannot be compared."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rs_adapt.audit.verify.config_tree import Facts
from rs_adapt.audit.verify.keys import KEYS, Weight
from rs_adapt.audit.verify.record import Record

# Paths, names and logging, which do not belong to the experiment.
_PLACES = {
    "work_dir",
    "data_root",
    "prepared_dir",
    "how_to_get",
    "img_dir",
    "ann_dir",
    "weights",
    "text_weights",
    "reference_dir",
}
_PLACES |= {"title", "paper", "log_level", "num_workers", "persistent_workers", "name", "url", "bytes", "licence"}
_LOGGING = {"default_hooks", "custom_hooks", "custom_imports", "visualizer", "log_processor", "launcher", "resume"}
_LOGGING |= {"source_val_dataloader", "cell", "randomness"}
# Keys that the wiring derives from keys that are compared already.
_WIRED = {"pipeline", "test_cfg", "val_cfg", "data_preprocessor", "test_evaluator", "val_evaluator"}


@dataclass(frozen=True, kw_only=True)
class KeyDifference:
    """A key that both sides state, with different values.

    Attributes:
        key: The dotted key, as in a resolved configuration.
        here: The run's value.
        there: The reference's value.
        weight: The meaning for the verdict.
        consequence: Half a sentence on what follows.
    """

    key: str
    here: Any
    there: Any
    weight: Weight
    consequence: str


@dataclass(frozen=True, kw_only=True)
class ConfigurationCheck:
    """The outcome of a comparison of two configurations.

    Attributes:
        equal: Keys with equal values on both sides.
        differences: The differences, those with the largest consequences first.
        only_here: Keys that only the run states.
        only_there: Keys that only the reference states.
        not_compared: Keys of the reference without a counterpart here.
        num_deciding: Number of keys that both sides state and that matter for the result where they differ.
    """

    equal: tuple[str, ...]
    differences: tuple[KeyDifference, ...]
    only_here: tuple[str, ...]
    only_there: tuple[str, ...]
    not_compared: tuple[str, ...]
    num_deciding: int

    @property
    def first(self) -> KeyDifference | None:
        """The difference with the largest consequences, or None."""
        return self.differences[0] if self.differences else None

    @property
    def matters(self) -> bool:
        """Whether any difference matters for the result."""
        return any(difference.weight is Weight.MATTERS for difference in self.differences)


def compare_configurations(run: Record, reference: Record) -> ConfigurationCheck | None:
    """Compare the configurations of two records; return None if one of them has none.

    Two runs of rs-adapt are compared in all keys; a run and a foreign log only in the keys of `KEYS`.
    """
    if run.facts is None or reference.facts is None:
        return None
    here, there = run.facts, reference.facts
    stated = [key for key in KEYS if key.name in here or key.name in there]
    listed = {key.name for key in KEYS}
    extra = sorted((set(here) | set(there)) - listed)
    both = [(key.name, key.consequence, key.weight) for key in stated if key.name in here and key.name in there]
    both += [(name, "different adapters", Weight.MATTERS) for name in extra if name in here and name in there]
    differences, equal = [], []
    for name, consequence, weight in both:
        if _same(here[name], there[name]):
            equal.append(name)
            continue
        if reason := _without_effect(name, here, there):
            weight, consequence = Weight.NO_EFFECT, reason
        difference = KeyDifference(key=name, here=here[name], there=there[name], weight=weight, consequence=consequence)
        differences.append(difference)
    not_compared = sorted(reference.others)
    if run.ours and reference.ours:
        differences += _other_differences(run.others, reference.others)
        not_compared = []
    names = [key.name for key in stated] + extra
    order = list(Weight)
    return ConfigurationCheck(
        equal=tuple(equal),
        # Sorting is stable: within a weight the order of the keys stays.
        differences=tuple(sorted(differences, key=lambda difference: order.index(difference.weight))),
        only_here=tuple(name for name in names if name not in there),
        only_there=tuple(name for name in names if name not in here),
        not_compared=tuple(not_compared),
        num_deciding=sum(weight is Weight.MATTERS for _, _, weight in both),
    )


def _other_differences(here: Facts, there: Facts) -> list[KeyDifference]:
    """Return the differences of two runs of rs-adapt in keys that are not listed."""
    differences = []
    for name in sorted(set(here) | set(there)):
        parts = name.split(".")
        if parts[0] in _LOGGING or (_PLACES & set(parts)) or _wired(parts) or _same(here.get(name), there.get(name)):
            continue
        differences.append(
            KeyDifference(
                key=name,
                here=here.get(name),
                there=there.get(name),
                weight=Weight.MATTERS,
                consequence="consequence unknown",
            )
        )
    return differences


def _wired(parts: list[str]) -> bool:
    return parts[0] != "bench" and bool(_WIRED & set(parts))


def _without_effect(name: str, here: Facts, there: Facts) -> str:
    """Return why a difference has no effect; empty if it may have one."""
    if name in ("bench.inference.mode", "bench.inference.crop_px", "bench.inference.stride_px"):
        modes = {here.get("bench.inference.mode"), there.get("bench.inference.mode")}
        if modes == {"whole"}:
            return "both predict the tile as a whole"
        side = here.get("bench.inference.resize_px") or there.get("bench.inference.resize_px")
        windows = [facts.get("bench.inference.crop_px", 0) for facts in (here, there) if _slides(facts)]
        if isinstance(side, int) and all(isinstance(window, int) and side <= window for window in windows):
            return f"tiles of {side} px are not larger than the window, so both predict the same"
    return ""


def _slides(facts: Facts) -> bool:
    return bool(facts.get("bench.inference.mode", "slide") == "slide")


def _same(here: Any, there: Any) -> bool:
    if isinstance(here, dict) and isinstance(there, dict):
        return here.keys() == there.keys() and all(_same(here[key], there[key]) for key in here)
    if isinstance(here, list) and isinstance(there, list):
        return len(here) == len(there) and all(map(_same, here, there))
    if isinstance(here, bool) or isinstance(there, bool):
        return here is there
    if isinstance(here, int | float) and isinstance(there, int | float):
        return math.isclose(here, there, rel_tol=1e-9, abs_tol=1e-15)
    if isinstance(here, str) and isinstance(there, str):
        return _plain(here) == _plain(there)
    return bool(here == there)


def _plain(text: str) -> str:
    return text.lower().replace(" ", "_").replace("-", "_")
