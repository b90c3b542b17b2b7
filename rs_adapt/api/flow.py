"""Super-resolution from Python: scoring a run again, and the difference of two."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rs_adapt.config.tasks import SUPER_RESOLUTION, TASKS
from rs_adapt.errors import ConfigError
from rs_adapt.files import file_sha256, make_output_folder
from rs_adapt.progress import OnProgress
from rs_adapt.runs.files import EVAL_DIR, IMAGES_FILE, RESULT_FILE, TENSORS_FILE
from rs_adapt.runs.records import CellNames, ProtocolFacts, Result
from rs_adapt.runs.records.record import write_record
from rs_adapt.turbulence.image_scores import Estimate, differences, measured, read_scores

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_SETTINGS = TASKS[SUPER_RESOLUTION].settings


def holds_images(folder: Path) -> bool:
    """Return whether a folder holds the scores of single images: a run of super-resolution, or its evaluation."""
    return (folder / IMAGES_FILE).is_file()


def is_super_resolution(cell: CellNames) -> bool:
    """Return whether a cell is one of super-resolution."""
    return cell.setting in _SETTINGS


def not_taken(run: Path) -> ConfigError:
    """Return the error of a command that takes no run of super-resolution."""
    return ConfigError(
        f"{run} is a run of super-resolution, which this command does not take. rs-adapt eval, compare and report do."
    )


def refuse_images(folder: Path) -> None:
    """Refuse a run of super-resolution, or an evaluation of one.

    Raises:
        ConfigError: The folder holds one.
    """
    if holds_images(folder):
        raise not_taken(folder)


def compare_images(run_a: Path, run_b: Path) -> dict[str, Estimate]:
    """Return run B minus run A for each measure, paired by image, with intervals over snapshots.

    Raises:
        ScoresError: A file is missing or damaged, or the runs were not scored on the same images.
    """
    return differences(read_scores(run_a / IMAGES_FILE), read_scores(run_b / IMAGES_FILE))


def evaluate_images(
    cfg: ResolvedConfig, run_dir: Path, *, split: str, out: Path | None, device: str, on_progress: OnProgress
) -> tuple[Path, Result]:
    """Score the weights of a run on a split again, and write `result.json` and `images.json`.

    Args:
        cfg: The configuration of the run.
        run_dir: Folder of the run.
        split: "test" or "val".
        out: Folder to write to; None for `eval/<bench>-<split>` in the folder of the run.
        device: See `rs_adapt.evaluate`.
        on_progress: Called while images are scored.

    Returns:
        The folder and the content of `result.json`.

    Raises:
        ConfigError: The split is that of segmentation alone.
        RsAdaptError: Data, weights or the device cannot be used.
    """
    if split not in ("test", "val"):
        raise ConfigError(f"--split is {split}; super-resolution is scored on test or val.")
    from rs_adapt.engine.environment import environment
    from rs_adapt.engine.super_resolution import evaluate_flow

    scores = evaluate_flow(cfg, run_dir, split, device=device, on_progress=on_progress)
    values = measured(scores.images)
    cell = CellNames(**cfg.cell)
    result = Result(
        cell=cell,
        trained_on=cell,
        precision=cfg.runtime.precision,
        protocol=ProtocolFacts(
            name=cfg.protocol.name, version=cfg.protocol.version, report_split=split, selection="last"
        ),
        tiles=len(scores.images),
        psnr_db=values["psnr_db"]["mean"],
        measures=values,
        pack_sha256=file_sha256(run_dir / TENSORS_FILE),
        environment=environment(),
    )
    folder = out or run_dir / EVAL_DIR / f"{cfg.bench.name}-{split}"
    make_output_folder(folder)
    write_record(folder / IMAGES_FILE, scores)
    write_record(folder / RESULT_FILE, result)
    return folder, result
