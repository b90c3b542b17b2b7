"""Calibration of a trained model's probabilities."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.presence import require_checkpoint
from rs_adapt.api.progress import Progress, print_loading, progress_callback
from rs_adapt.api.reading import RunLike, folder_of
from rs_adapt.plugins import use_plugins
from rs_adapt.runs.calibrations import store_calibration
from rs_adapt.runs.locking import lock_output
from rs_adapt.runs.packs import pack_folder

if TYPE_CHECKING:
    from rs_adapt.runs.records import Calibration

PathLike = str | os.PathLike[str]


def calibrate(
    run: RunLike,
    *,
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
        run: A run from `train`, a run folder, or a folder with an adapter pack.
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
        ConfigError: The source holds no tiles out.
        DataNotFound: The tiles are not on this machine.
        OutputExists: A different process trains the run.

    Examples:
        >>> import rs_adapt as rsa
        >>> calibration = rsa.calibrate("work_dirs/first", device="cpu", progress=False)
        >>> calibration.after.nll <= calibration.before.nll
        True
    """
    folder = folder_of(run)
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
    with progress_callback(progress) as on_progress, lock_output(checkpoint):
        calibration = calibrate_checkpoint(cfg, checkpoint, device=device, on_progress=on_progress)
        store_calibration(checkpoint, calibration)
    return calibration
