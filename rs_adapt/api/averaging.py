"""The mean of several trained models as one pack."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.api.checkpoints import find_checkpoint
from rs_adapt.api.progress import Progress, print_loading
from rs_adapt.api.reading import RunLike
from rs_adapt.files import check_output_folder
from rs_adapt.runs.averages import check_shares, read_members
from rs_adapt.runs.clearing import refuse_output_in_run

if TYPE_CHECKING:
    from rs_adapt.runs.records import Manifest

PathLike = str | os.PathLike[str]


def average(
    runs: Sequence[RunLike],
    *,
    out: PathLike,
    shares: Sequence[float] | None = None,
    progress: Progress = True,
) -> Manifest:
    """Average the weights of trained models that share base, method, head and seed, and write a pack.

    The mean costs no more to run than one of them. With the source-only run among them it is held near a model that has
    learned nothing wrong from the target (WiSE-FT, Wortsman et al., arXiv 2109.01903); means of models that were
    trained in different ways from one start are often better than each (model soups, Wortsman et al., arXiv
    2203.05482). Measured in docs/project/results-pairs.md.

    Args:
        runs: Two or more runs from `train`, run folders, folders with an adapter pack, or `hf:OWNER/NAME[@REVISION]`.
        out: New folder for the pack.
        shares: Share of each model, above 0, with the sum 1; None for equal shares.
        progress: True shows downloads on standard error; or a callback (stage, done, total).

    Returns:
        The manifest of the pack; `averaged` names the members with their hashes and shares.

    Raises:
        CheckpointMismatch: There is no pack, or the packs differ in more than their training.
        ConfigError: There are fewer than two packs, or the shares do not fit.
        OutputExists: There are files in `out`.

    Examples:
        >>> import rs_adapt as rsa
        >>> manifest = rsa.average(["work_dirs/source-only", "work_dirs/dacs"], out="work_dirs/mean")  # doctest: +SKIP
        >>> [member.share for member in manifest.averaged]  # doctest: +SKIP
        [0.5, 0.5]
    """
    folder = Path(out).expanduser()
    refuse_output_in_run(folder)
    check_output_folder(folder, overwrite=False)
    folders = [find_checkpoint(run, progress=progress) for run in runs]
    members = read_members(folders)
    chosen = check_shares(shares, count=len(members))
    print_loading(progress)
    from rs_adapt.inference.averaging import write_mean

    return write_mean(folders, members, chosen, out=folder)
