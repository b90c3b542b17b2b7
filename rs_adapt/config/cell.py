"""Cells: the names that define an experiment, and their resolution from a user's short names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from rs_adapt.config import axes
from rs_adapt.config.bench_names import SETTINGS, default_strategy, find_bench, refuse_setting, settings_of
from rs_adapt.config.class_means import OPEN
from rs_adapt.config.own import bench as own_bench
from rs_adapt.config.tasks import SEGMENTATION, TASKS, task_of, works_for
from rs_adapt.config.wire_regions import learns_from_labels
from rs_adapt.errors import ConfigError, IncompatibleCell
from rs_adapt.path_names import path_name
from rs_adapt.ranges import Range

DEFAULT_PROTOCOL = "strict"
SEED = Range(least=0, most=2**32 - 1, whole=True)
# The default where the backbone takes no adapter.
METHOD_OF_PYRAMIDS = "full"
DEFAULT_STRATEGY = TASKS[SEGMENTATION].strategies


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cell:
    """An experiment: a value of every axis, and a seed. All names are file stems in `configs/`.

    Args:
        bench: Data sets and direction, such as `loveda_r2u`; or the absolute path of a TOML file of your own.
        setting: `da`, `dg`, `ss` or `ov`.
        method: The method that tunes the backbone.
        backbone: The foundation model.
        head: The decode head.
        strategy: The use of source and target in training.
        seed: Seed of the head's weights, the order of the samples and the augmentation.
        tuned: Whether values that the method's file holds for this bench and setting are used, if it holds any.
        protocol: The rules for the use of the target, the scored tiles, and the reported checkpoint.
    """

    bench: str
    setting: str
    method: str
    backbone: str
    head: str
    strategy: str
    seed: int = 0
    tuned: bool = True
    protocol: str = "strict"

    def __str__(self) -> str:
        """Return the cell as one readable line."""
        parts = [f"{self.bench_name}_{self.setting}", self.method, self.backbone, self.head, self.strategy]
        line = " / ".join(part.replace("_", "-") for part in parts) + f" / seed {self.seed}"
        line = line if self.tuned else f"{line} / untuned"
        return line if self.has_default_protocol else f"{line} / protocol {self.protocol.replace('_', '-')}"

    @property
    def has_default_protocol(self) -> bool:
        """Whether the protocol is that of the bench's task."""
        return self.protocol == task_of(axes.bench_facts(self.bench)).protocol

    @property
    def bench_name(self) -> str:
        """The name of the bench, for those of `configs/` and for your own."""
        return str(axes.bench_facts(self.bench)["name"])


def default_run_dir(cell: Cell) -> Path:
    """Return the default run folder of a cell, relative to the current folder."""
    # Folders cannot have a colon in their name on every system.
    method = cell.method.replace(":", "-")
    names = {
        "The name of the bench": cell.bench_name,
        # Runs under different protocols do not compare.
        "The setting": cell.setting if cell.has_default_protocol else f"{cell.setting}-{cell.protocol}",
        "The backbone with its head": f"{cell.backbone}-{cell.head}",
        "The method": method if cell.tuned else f"{method}-untuned",
        "The strategy": cell.strategy,
        "The seed": f"seed{cell.seed}",
    }
    return Path("work_dirs").joinpath(*(path_name(name, what=what) for what, name in names.items()))


def resolve(
    bench: str,
    *,
    setting: str | None = None,
    direction: str | None = None,
    method: str | None = None,
    backbone: str | None = None,
    head: str | None = None,
    strategy: str | None = None,
    seed: int = 0,
    tuned: bool = True,
    protocol: str | None = None,
) -> Cell:
    """Return the cell for some names; the bench and the setting decide the names that are left out.

    `rs-adapt list benches` (methods, backbones, ...) prints the names.

    Args:
        bench: Bench and setting, such as `loveda-da`, `isprs-v2p-dg` or `synthetic-ss`; or the path of a bench's TOML
            file.
        setting: `da`, `dg`, `ss` or `ov`; only for a bench whose name does not end with it.
        direction: Direction of the bench, such as `u2r`; only for one that is not the default.
        method: The method that tunes the backbone; the bench's, or `full` for a backbone that takes no adapter.
        backbone: The foundation model; the bench's.
        head: The decode head; the bench's.
        strategy: The use of source and target in training; `dacs` for da (`dacs-matched` on a bench of your own), else
            `source-only`.
        seed: Seed of the run, 0 or larger and below 2**32.
        tuned: Whether to use the method's values that were tuned for this bench and setting.
        protocol: What of the target is seen and scored, and which checkpoint is the result; `strict`.

    Raises:
        UnknownName: A name does not exist; the message lists those that do.
        ConfigError: Bench, setting and direction contradict each other, or the seed is out of its range.
        IncompatibleCell: The strategy does not support the setting, or the protocol does not support setting or bench.

    Examples:
        >>> import rs_adapt as rsa
        >>> cell = rsa.resolve("loveda-da", method="rein", seed=1)
        >>> cell.bench, cell.strategy
        ('loveda_r2u', 'dacs')
        >>> print(cell)
        loveda-r2u-da / rein / dinov2-l / mask2former / dacs / seed 1
    """
    if seed not in SEED:
        raise ConfigError(f"The seed is {seed!r}; it must be 0 or larger, whole, and below 2**32.")
    given = {"bench": bench, "setting": setting, "direction": direction, "method": method, "backbone": backbone}
    given |= {"head": head, "strategy": strategy, "protocol": protocol}
    if empty := next((axis for axis, name in given.items() if name is not None and not name.strip()), None):
        raise ConfigError(f"The {empty} is empty. Give its name, or leave it out for the default.")
    bench_name, setting = find_bench(bench, setting, direction)
    task = task_of(axes.bench_facts(bench_name))
    if setting not in settings_of(bench_name):
        refuse_setting(bench_name, setting)
    chosen = axes.find("strategy", strategy or default_strategy(bench_name, setting))
    if own_bench.is_own(bench_name) and not learns_from_labels(axes.strategy_facts(chosen)):
        bench_name = own_bench.without_source(bench_name)
    facts = axes.bench_facts(bench_name)
    defaults = facts["ov"]["defaults"] if setting == OPEN and setting in facts else facts["defaults"]
    backbone_name = axes.find("backbone", backbone or defaults["backbone"])
    takes_adapters = axes.backbone_facts(backbone_name).get("takes_adapters", True)
    cell = Cell(
        bench=bench_name,
        setting=setting,
        method=axes.find("method", method or (defaults["method"] if takes_adapters else METHOD_OF_PYRAMIDS)),
        backbone=backbone_name,
        head=axes.find("head", head or defaults["head"]),
        strategy=chosen,
        seed=seed,
        tuned=tuned,
        protocol=axes.find("protocol", protocol or task.protocol),
    )
    check_setting(cell)
    check_task(cell)
    check_strategy(cell)
    check_protocol(cell)
    return cell


def check_setting(cell: Cell) -> None:
    """Refuse a setting that the cell's bench does not have.

    Raises:
        IncompatibleCell: The bench does not have it; the text lists the settings that it has.
    """
    if cell.setting not in settings_of(cell.bench):
        refuse_setting(cell.bench, cell.setting)


def check_task(cell: Cell) -> None:
    """Refuse a method, backbone, head, strategy or protocol that is made for a different task than the cell's bench.

    Raises:
        IncompatibleCell: One is; the text lists those that work.
    """
    task = task_of(axes.bench_facts(cell.bench))
    for axis in ("method", "backbone", "head", "strategy", "protocol"):
        name = getattr(cell, axis)
        facts = axes.peek(axis, name).get(axis) or {}
        if not works_for(task, axis, name, facts):
            allowed = ", ".join(axes.values_for(axis, cell.bench))
            raise IncompatibleCell(
                f"{axis.capitalize()} {name.replace('_', '-')} is for {facts.get('task', SEGMENTATION)}, but bench "
                f"{cell.bench_name} has the task {task.name}. Allowed: --{axis} with one of {allowed}."
            )


def check_strategy(cell: Cell) -> None:
    """Refuse a strategy that does not work in the cell's setting.

    Raises:
        IncompatibleCell: The strategy does not work; the text says why, and what is allowed.
    """
    strategy = axes.strategy_facts(cell.strategy)
    if cell.setting not in strategy["settings"]:
        raise IncompatibleCell(
            f"Strategy {cell.strategy} works in {', '.join(strategy['settings'])} only, but the setting is "
            f"{cell.setting} ({SETTINGS[cell.setting]}). Use --strategy {DEFAULT_STRATEGY[cell.setting]}, or the "
            f"setting {' or '.join(strategy['settings'])}."
        )


def check_protocol(cell: Cell) -> None:
    """Refuse a protocol that is not meant for the cell's setting or bench.

    Raises:
        IncompatibleCell: The protocol is meant for other settings or benches; the text lists them.
    """
    protocol = axes.protocol_facts(cell.protocol)
    if cell.setting not in protocol["settings"]:
        raise IncompatibleCell(
            f"Protocol {cell.protocol} is for {', '.join(protocol['settings'])} only, but the setting is "
            f"{cell.setting} ({SETTINGS[cell.setting]}). Use --protocol {DEFAULT_PROTOCOL}, or a different setting."
        )
    families, family = protocol["families"], axes.bench_facts(cell.bench)["family"]
    if families is not None and family not in families:
        raise IncompatibleCell(
            f"Protocol {cell.protocol} is for the benches {', '.join(families)} only, and the bench is {family}. Use "
            f"--protocol {DEFAULT_PROTOCOL}, or one of them."
        )
