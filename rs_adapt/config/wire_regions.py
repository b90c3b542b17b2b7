"""The regions that a strategy learns from and that an evaluation scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.facts import BenchFacts, StrategyFacts

Region = Literal["target", "source", "none"]


def has_target_labels(bench: BenchFacts) -> bool:
    """Return whether the target has labels to score on; a region that is only mapped has none."""
    return bench["target"]["val"] is not None


def learns_from_labels(strategy: StrategyFacts) -> bool:
    """Return whether a strategy learns from labelled images; one that does not reads no source in training."""
    return strategy.get("needs_source", True)


def scored_region(bench: BenchFacts, strategy: StrategyFacts) -> Region:
    """Return the region whose labels each evaluation scores; "none" without target labels and without a source."""
    if has_target_labels(bench):
        return "target"
    return "source" if learns_from_labels(strategy) else "none"


def option_of_run(strategy: StrategyFacts) -> str | None:
    """Return the option that names the trained run without which a strategy cannot start; None where it needs none."""
    if strategy.get("needs_teacher", False):
        return "--teacher"
    return None if learns_from_labels(strategy) else "--from"


def require_teacher(strategy: StrategyFacts, *, has_teacher: bool) -> None:
    """Refuse a student without a teacher, and a teacher for a strategy that has no use for it.

    Args:
        strategy: The facts of the strategy.
        has_teacher: Whether a trained run is given to learn from.

    Raises:
        ConfigError: One of the two is so.
    """
    needs_teacher = strategy.get("needs_teacher", False)
    if needs_teacher and not has_teacher:
        raise ConfigError(
            f"Strategy {strategy['name']} learns from a trained run: name a run or pack with --teacher (in Python "
            "teacher), at every start and with --resume too, because its weights are in no file of the student."
        )
    if has_teacher and not needs_teacher:
        raise ConfigError(
            f"--teacher names a run to learn from, but strategy {strategy['name']} does not learn from one. Use "
            "--strategy distill, or leave --teacher out (--from starts a run from trained weights)."
        )


def require_trainable(strategy: StrategyFacts, *, has_start: bool) -> None:
    """Refuse a strategy that trains nothing, and new weights for one that reads no source.

    Args:
        strategy: The facts of the strategy.
        has_start: Whether the run starts from trained weights, or is resumed.

    Raises:
        ConfigError: It trains nothing, or needs trained weights where there are none.
    """
    if not strategy.get("trains", True):
        raise ConfigError(
            f"Strategy {strategy['name']} is that of packs which `rs-adapt average` makes of trained models, and "
            "trains nothing. Use a different strategy; `rs-adapt list strategies` prints them."
        )
    if not (has_start or learns_from_labels(strategy)):
        raise ConfigError(
            f"Strategy {strategy['name']} reads no source, so it starts from a model that was trained there: name a "
            "run or pack with --from (in Python start_from), or use a strategy that reads the source."
        )
