"""A finished, stopped or planned run on the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_adapt.api.progress import error_console
from rs_adapt.commands.console import group_digits, print_json, print_result, result_console, say, shorten_path

if TYPE_CHECKING:
    from pathlib import Path

    from rs_adapt.config.resolved import ResolvedConfig
    from rs_adapt.runs.plan import TrainingPlan
    from rs_adapt.runs.records import Result


def print_run(cfg: ResolvedConfig, folder: Path, result: Result, *, as_json: bool) -> None:
    """Print the scores of a finished run and the place of its files, as tables or JSON."""
    from rs_adapt.api.configuration import cell_of

    if as_json:
        print_json({**result.content(), "folder": str(folder)})
    else:
        print_result(result_console(), result, title=str(cell_of(cfg)), folder=folder)


def print_how_to_continue(command: str, *, iteration: int | None = None, max_iters: int = 0) -> None:
    """Print that a command stopped, within a training or beside it, and the command that continues."""
    resume = command.replace(" --overwrite", "").removesuffix(" --resume") + " --resume"
    where = "" if iteration is None else f" after {iteration} of {max_iters} iterations"
    state = "what is finished stays" if iteration is None else "the state is saved"
    error_console().print(f"Stopped{where}; {state}. Continue with\n  {resume}", highlight=False, soft_wrap=True)


def plan_content(cfg: ResolvedConfig, plan: TrainingPlan) -> dict[str, object]:
    """Return a planned run as `--json` prints it: tiles, parameters, folder, data and notes."""
    from rs_adapt.runs.records import data_facts

    return {
        "tiles": {**plan.tiles},
        "parameters": {**plan.parameters},
        "folder": str(plan.folder),
        "data": {role: data_facts(digests).content() for role, digests in plan.digests.items()},
        "notes": [*plan.notes],
        **_own_contents(cfg),
    }


def print_plan(cfg: ResolvedConfig, plan: TrainingPlan, *, as_json: bool) -> None:
    """Print a planned run: tiles, parameters, iterations and folder, as lines or JSON."""
    from rs_adapt.api.configuration import cell_of

    if as_json:
        print_json(plan_content(cfg, plan))
        return
    lines = [
        f"{cell_of(cfg)}: everything needed is there.",
        *(f"  {role}: {count} tiles" for role, count in plan.tiles.items()),
        *_own_bench_lines(cfg),
        *(f"  {part} parameters: {group_digits(count)}" for part, count in plan.parameters.items()),
        f"  {cfg.train_cfg.max_iters} iterations of batch {cfg.train_dataloader.batch_size}",
        f"  run folder: {shorten_path(plan.folder)}",
        *(f"  note: {note}" for note in plan.notes),
    ]
    say("\n".join(lines))


def _own_contents(cfg: ResolvedConfig) -> dict[str, object]:
    """Return the record of what is in the tiles of your own bench; nothing for others."""
    if not cfg.bench.get("own") or cfg.prepared_dir is None:
        return {}
    from rs_adapt.datasets.own.contents import read_contents

    return {"contents": read_contents(cfg.prepared_dir).model_dump(mode="json")}


def _own_bench_lines(cfg: ResolvedConfig) -> list[str]:
    """Return how the scenes of your own bench became 8 bit, and what is in its tiles."""
    if not cfg.bench.get("own") or cfg.prepared_dir is None:
        return []
    from rs_adapt.datasets.own.contents import describe_contents, read_contents
    from rs_adapt.datasets.own.stretch import describe_stretch, read_stretch

    stretches = read_stretch(cfg.prepared_dir)
    lines = [f"{region} stretch: {describe_stretch(stretch)}" for region, stretch in stretches.items()]
    return [f"  {line}" for line in (*lines, *describe_contents(read_contents(cfg.prepared_dir)))]
