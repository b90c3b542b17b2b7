"""Calibration of a trained model's probabilities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.checkpoints import find_checkpoint
from rs_adapt.api.presence import require_checkpoint
from rs_adapt.api.progress import Progress, print_loading, progress_callback
from rs_adapt.api.reading import RunLike
from rs_adapt.downloads.hub import is_hub_address
from rs_adapt.errors import ConfigError
from rs_adapt.files import check_output_folder
from rs_adapt.plugins import use_plugins
from rs_adapt.runs.calibrations import copy_calibrated, store_calibration
from rs_adapt.runs.clearing import refuse_output_in_run
from rs_adapt.runs.locking import lock_output, share_run
from rs_adapt.runs.packs import pack_folder
from rs_adapt.runs.run import Run

if TYPE_CHECKING:
    from rs_adapt.runs.records import Calibration

PathLike = str | os.PathLike[str]


def calibrate(
    run: RunLike,
    *,
    out: PathLike | None = None,
    data_root: PathLike | None = None,
    weights: PathLike | None = None,
    device: str = "auto",
    plugins: Sequence[PathLike] = (),
    progress: Progress = True,
) -> Calibration:
    """Fit a temperature on the source's validation tiles and store it in the pack.

    `predict` divides logits by it, so that of the pixels with a confidence of 0.8 about 80 % are right, on tiles like
    those of the source. Under a shift this no longer holds: on a different region probabilities are usually too high.
    Scores stay as they are.

    Args:
        run: A run from `train`, a run folder, a folder with an adapter pack, or `hf:OWNER/NAME[@REVISION]`.
        out: Folder for a copy of the pack with the calibration, instead of the pack itself; a pack on the Hub needs it.
        data_root: Folder of the data sets; the run's if it still exists, else `$RS_ADAPT_DATA`, else `./data`.
        weights: File of base weights; the run's, else the backbone's own file.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        plugins: Files and folders with methods of your own, see `compose`.
        progress: True shows it on standard error; or a callback (stage, done, total).

    Returns:
        The calibration: `temperature`, `split`, `tiles`, `pixels`, and `before` and `after` with `ece_pct`, `nll` and
        the `bins` of a reliability diagram.

    Raises:
        CheckpointMismatch: There is no adapter pack, or it is damaged or does not fit.
        ConfigError: The source holds no tiles out, or a pack on the Hub has no `out`.
        DataNotFound: The tiles are not on this machine.
        OutputExists: A different process trains the run, or there are files in `out`.

    Examples:
        >>> import rs_adapt as rsa
        >>> calibration = rsa.calibrate("work_dirs/first", device="cpu", progress=False)
        >>> calibration.after.nll <= calibration.before.nll
        True
    """
    copy = None if out is None else Path(out).expanduser()
    if copy is None and not isinstance(run, Run) and is_hub_address(run):
        raise ConfigError(
            f"{os.fspath(run)} is a pack on the Hugging Face Hub, which is not changed. Name a folder for a copy with "
            "the calibration with --out."
        )
    if copy is not None:
        refuse_output_in_run(copy)
        check_output_folder(copy, overwrite=False)
    folder = find_checkpoint(run, progress=progress)
    require_checkpoint(folder, weights=weights, data_root=data_root)
    print_loading(progress)
    from rs_adapt.inference.calibration import calibrate_checkpoint
    from rs_adapt.inference.checkpoint import recompose

    use_plugins(map(Path, plugins))
    cfg = recompose(
        folder,
        data_root=None if data_root is None else os.fspath(data_root),
        weights=None if weights is None else os.fspath(weights),
    )
    checkpoint = pack_folder(folder)
    with progress_callback(progress) as on_progress, ExitStack() as stack:
        stack.enter_context(lock_output(checkpoint) if copy is None else share_run(checkpoint))
        calibration = calibrate_checkpoint(cfg, checkpoint, device=device, on_progress=on_progress)
        if copy is None:
            store_calibration(checkpoint, calibration)
        else:
            copy_calibrated(checkpoint, copy, calibration)
    return calibration
