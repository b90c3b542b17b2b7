"""Resolve names to a cell, and compose the configuration of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rs_adapt.config import overrides as overrides_module
from rs_adapt.config.cell import Cell, resolve_cell

if TYPE_CHECKING:
    import os

    from rs_adapt.config.resolved import ResolvedConfig


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
        setting: `da`, `dg` or `ss`; only for a bench whose name does not end with it.
        direction: Direction of the bench, such as `u2r`.
        method: How the backbone is tuned.
        backbone: The foundation model.
        head: The decode head.
        strategy: How training uses source and target; `dacs` for da, `source-only` for dg and ss.
        seed: Seed of the run, 0 or larger.
        tuned: Whether to use the method's values that were tuned for this bench and setting.
        protocol: What of the target is seen and scored, and which checkpoint is the result; `strict`.

    Raises:
        UnknownName: A name does not exist; the message lists those that do.
        ConfigError: Bench, setting and direction contradict each other, or the seed is negative.
        IncompatibleCell: The strategy does not work in the setting, or the protocol not with the bench.

    Examples:
        >>> import rs_adapt as rsa
        >>> cell = rsa.resolve("loveda-da", method="rein", seed=1)
        >>> cell.bench, cell.strategy
        ('loveda_r2u', 'dacs')
        >>> print(cell)
        loveda-r2u-da / rein / dinov2-l / mask2former / dacs / seed 1
    """
    return resolve_cell(
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
    weights: str | os.PathLike[str] | None = None,
    data_root: str | os.PathLike[str] | None = None,
    work_dir: str | os.PathLike[str] | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
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
        weights: File of base weights, or `random`; the backbone's own file.
        data_root: Folder of the data sets; `$RS_ADAPT_DATA`, else `./data`.
        work_dir: Folder of the run; `work_dirs/<bench>/<setting>/...`.
        overrides: Any key of the configuration with its value, as a mapping or as `key=value` texts (`--set`).

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

    if not isinstance(bench, Cell):
        bench = resolve_cell(
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
    )


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


def cell_of(cfg: ResolvedConfig) -> Cell:
    """Return the cell of a configuration."""
    return Cell(**cfg.cell.to_dict())
