"""Resolve names to a cell, and compose the configuration of an experiment."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rs_adapt.config import overrides as overrides_module
from rs_adapt.config.cell import Cell, resolve
from rs_adapt.errors import ConfigError

if TYPE_CHECKING:
    import os

    from rs_adapt.config.resolved import ResolvedConfig


def compose(
    bench: str | Cell,
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
    iters: int | None = None,
    batch_size: int | None = None,
    precision: str | None = None,
    num_workers: int | None = None,
    partial: bool = False,
    weights: str | os.PathLike[str] | None = None,
    data_root: str | os.PathLike[str] | None = None,
    work_dir: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    plugins: Sequence[str | os.PathLike[str]] = (),
) -> ResolvedConfig:
    """Return the resolved configuration of an experiment, the one that `rs-adapt show` prints.

    It is a mmengine `Config`: values are attributes and keys (`cfg.optim.lr`). Change them with `overrides`, not
    afterwards: a run stores the overrides, and `train` refuses a configuration that was changed later.

    Args:
        bench: See `resolve`; or the cell that it returned, and then none of the next nine arguments.
        setting: See `resolve`.
        direction: See `resolve`.
        method: See `resolve`.
        backbone: See `resolve`.
        head: See `resolve`.
        strategy: See `resolve`.
        seed: See `resolve`.
        tuned: See `resolve`.
        protocol: See `resolve`.
        iters: Training iterations; the bench's number.
        batch_size: Crops per domain and iteration; the bench's number.
        precision: `fp32` or `bf16`; `fp32`.
        num_workers: Processes that load images.
        partial: Whether data may be used that lack tiles or classes of the bench; results then state it.
        weights: File of base weights, or `random`; the backbone's own file.
        data_root: Folder of the data sets; `$RS_ADAPT_DATA`, else `./data`.
        work_dir: Folder of the run; `work_dirs/<bench>/<setting>/...`.
        overrides: Any key of the configuration with its value, as a mapping or as `key=value` texts (`--set`).
        plugins: Python files, or folders of them, with methods from outside; they stay in use in this process.

    Raises:
        ConfigError: A name, key or value cannot be used.
        IncompatibleCell: Two choices do not work together.

    Examples:
        >>> import rs_adapt as rsa
        >>> cfg = rsa.compose("loveda-da", method="rein", iters=2000, overrides={"optim.lr": 6e-5})
        >>> cfg.optim.lr, cfg.train_cfg.max_iters
        (6e-05, 2000)
    """
    from rs_adapt.config.compose import compose as compose_cell
    from rs_adapt.plugins import use_plugins

    use_plugins(map(Path, plugins))
    if not isinstance(bench, Cell):
        bench = resolve(
            bench,
            setting=setting,
            direction=direction,
            method=method,
            backbone=backbone,
            head=head,
            strategy=strategy,
            seed=seed,
            tuned=tuned,
            protocol=protocol,
        )
    return compose_cell(
        bench,
        overrides=override_texts(overrides),
        data_root=data_root,
        work_dir=work_dir,
        iters=iters,
        batch_size=batch_size,
        precision=precision,
        weights=weights,
        num_workers=num_workers,
        partial=partial,
    )


def with_values_of_start(cfg: ResolvedConfig) -> ResolvedConfig:
    """Return a configuration with the tuned values that the run in its folder was started with.

    What a method's file tunes for a bench may change between versions; an interrupted run continues with those it has.
    The configuration of a different cell is returned as it is.

    Args:
        cfg: The configuration of a run that is to be resumed.

    Raises:
        ConfigError: The run's `config.py` is damaged.
    """
    from rs_adapt.config.compose import compose as compose_cell
    from rs_adapt.config.literals import read_literals
    from rs_adapt.runs.files import CONFIG_FILE

    file = Path(cfg.work_dir) / CONFIG_FILE
    if not file.is_file():
        return cfg
    stored = read_literals(file, remedy="Copy the run again, or start again with --overwrite.").values
    values = stored.get("method", {}).get("tuned")
    if stored.get("cell") != cfg.cell.to_dict() or values in (None, cfg.method.tuned.to_dict()):
        return cfg
    return compose_cell(
        cell_of(cfg),
        overrides=cfg.origin.overrides,
        data_root=cfg.data_root,
        work_dir=cfg.work_dir,
        weights=cfg.origin.weights,
        tuned_values=values,
    )


def stored_batch_size(cfg: ResolvedConfig) -> int | None:
    """Return the batch size of the run in a configuration's folder; None where there is none.

    Args:
        cfg: The configuration of a run that is to be resumed.

    Raises:
        ConfigError: The run's `config.py` is damaged.
    """
    from rs_adapt.config.literals import read_literals
    from rs_adapt.runs.files import CONFIG_FILE

    file = Path(cfg.work_dir) / CONFIG_FILE
    if not file.is_file():
        return None
    stored = read_literals(file, remedy="Copy the run again, or start again with --overwrite.").values
    size = stored.get("train_dataloader", {}).get("batch_size")
    return size if isinstance(size, int) else None


def override_texts(overrides: Mapping[str, Any] | Sequence[str]) -> list[str]:
    """Return overrides as `key=value` texts that are read back as the values given."""
    if not isinstance(overrides, Mapping):
        return list(overrides)
    texts = []
    for key, value in overrides.items():
        text = f"{key}={value}"
        # A text such as "1" or "none" needs quotes to stay one.
        same = overrides_module.parse([text])[0].value == value
        texts.append(text if same else f"{key}={value!r}")
    return texts


def refuse_changed(cfg: ResolvedConfig) -> None:
    """Refuse a configuration that was changed after it was composed.

    Raises:
        ConfigError: It was changed.
    """
    if cfg.is_changed:
        raise ConfigError(
            "The configuration was changed after it was composed, but a run stores only the arguments of compose. "
            'Pass the change to compose: compose(..., overrides={"optim.lr": 6e-5}).'
        )


def cell_of(cfg: ResolvedConfig) -> Cell:
    """Return the cell of a configuration."""
    return Cell(**cfg.cell.to_dict())


def equivalent_command(cfg: ResolvedConfig, *, verb: str = "train") -> str:
    """Return the command line of `rs-adapt train`, or of a verb with the same options, for a configuration."""
    cell = cell_of(cfg)
    names = {"bench": cell.bench, "setting": cell.setting, "method": cell.method, "backbone": cell.backbone}
    names |= {"head": cell.head, "strategy": cell.strategy, "seed": str(cell.seed)}
    names |= {} if cell.has_default_protocol else {"protocol": cell.protocol}
    names |= {"weights": cfg.origin.weights} if cfg.origin.weights else {}
    names |= {"data-root": str(cfg.data_root), "work-dir": str(cfg.work_dir)}
    words = ["rs-adapt", verb]
    for name, value in names.items():
        words += [f"--{name}", value]
    words += [] if cell.tuned else ["--untuned"]
    for text in cfg.origin.overrides:
        words += ["--set", text]
    return shlex.join(words)
