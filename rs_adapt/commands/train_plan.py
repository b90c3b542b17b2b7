"""The lines that `rs-adapt train --dry-run` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.commands.console import grouped, shown_path

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.plan import TrainingPlan


def plan_lines(cfg: ResolvedConfig, plan: TrainingPlan) -> list[str]:
    """Return the lines about a planned run: tiles, parameters, iterations and folder."""
    from rs_adapt.api.configuration import cell_of

    return [
        f"{cell_of(cfg)}: everything needed is there.",
        *(f"  {role}: {count} tiles" for role, count in plan.tiles.items()),
        *_own_bench_lines(cfg),
        *(f"  {part} parameters: {grouped(count)}" for part, count in plan.parameters.items()),
        f"  {cfg.train_cfg.max_iters} iterations of batch {cfg.train_dataloader.batch_size}",
        f"  run folder: {shown_path(plan.folder)}",
    ]


def _own_bench_lines(cfg: ResolvedConfig) -> list[str]:
    """Return how the scenes of your own bench became 8 bit, and the classes of its labels before and after mapping."""
    if not cfg.bench.get("own"):
        return []
    from rs_adapt.datasets.own.scenes import read_shares
    from rs_adapt.datasets.own.stretch import describe_stretch, read_stretch

    stretches = read_stretch(cfg.prepared_dir)
    lines = [f"  {region} stretch: {describe_stretch(stretch)}" for region, stretch in stretches.items()]
    for region, counts in read_shares(cfg.prepared_dir).items():
        for stage, verb in (("before", "labels hold"), ("after", "become")):
            total = sum(counts[stage].values())
            shares = [f"{name} {100 * count / total:.1f} %" for name, count in counts[stage].items() if count]
            lines.append(f"  {region} {verb}: {', '.join(shares)}")
    return lines
