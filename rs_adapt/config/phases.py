"""Phases of a schedule that must end before the run does: warm-ups, and the features of a student."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    from rs_adapt.config.facts import ConfigNode


def check_phases(resolved: ConfigNode) -> None:
    """Refuse to train for no longer than a first phase lasts.

    Args:
        resolved: The resolved configuration.

    Raises:
        ConfigError: The run would end before it has seen the target or trained its head, or before the full learning
            rate.
    """
    iters = resolved["train_cfg"]["max_iters"]
    on_source = resolved["model"].get("warmup_iters", 0)
    if on_source >= iters:
        raise ConfigError(
            f"strategy.warmup_iters is {on_source} (iterations on the source alone), but the run has {iters} "
            f"iterations: it would never see the target. Train longer (--iters {on_source + 1} or more), shorten the "
            "warm-up (--set strategy.warmup_iters=20%), or choose --strategy source-only."
        )
    on_features = resolved["model"].get("feature_iters", 0)
    if on_features >= iters:
        raise ConfigError(
            f"strategy.feature_iters is {on_features} (iterations on the teacher's features alone), but the run has "
            f"{iters} iterations: its head would never learn. Train longer (--iters {on_features + 1} or more), or "
            "shorten the first phase (--set strategy.feature_iters=50%)."
        )
    for schedule in resolved["param_scheduler"]:
        # The wiring lets the rise end one iteration after the warm-up.
        if schedule["type"] == "LinearLR" and schedule["end"] - 1 >= iters:
            raise ConfigError(
                f"strategy.lr_warmup_iters is {schedule['end'] - 1}, but the run has {iters} iterations: it would "
                f"never reach its learning rate. Train longer (--iters {schedule['end']} or more), or shorten the "
                "warm-up (--set strategy.lr_warmup_iters=5%)."
            )
