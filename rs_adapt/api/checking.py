"""Checks of cells and runs: lint finds what makes a score wrong, verify compares with logs and papers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from rs_adapt.api.configuration import cell_of
from rs_adapt.api.flow import refuse_images
from rs_adapt.api.progress import Progress, progress_callback
from rs_adapt.api.reading import RunLike, folder_of
from rs_adapt.errors import DataNotFound
from rs_adapt.runs.files import CELL_FILE, CONFIG_FILE
from rs_adapt.runs.run import Run

if TYPE_CHECKING:
    from rs_adapt.audit.lint.finding import Finding
    from rs_adapt.audit.selfcheck.outcome import SelfCheck
    from rs_adapt.audit.verify.verification import Verification
    from rs_adapt.config.resolved import ResolvedConfig


@dataclass(frozen=True, kw_only=True)
class LintReport:
    """The findings of `lint` about a run, file or cell.

    Attributes:
        title: The run, file or cell.
        findings: Errors first; each names file, key, consequence and remedy.
    """

    title: str
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that make the score mean something other than its label."""
        return tuple(finding for finding in self.findings if finding.level == "error")


def lint(
    subject: RunLike | ResolvedConfig,
    *,
    data: bool = True,
    data_root: str | os.PathLike[str] | None = None,
    progress: Progress = True,
) -> LintReport:
    """Find what makes a score mean something other than its label, such as target labels in training.

    Args:
        subject: A run or its folder, a resolved configuration file, or a configuration from `compose`; or a
            configuration of another program on mmengine or mmcv, with its bases, or a training log of it.
        data: Whether to look at the tiles too, as far as they are on this machine; those of other programs are not.
        data_root: Where the data sets are now; where the configuration says.
        progress: True shows it on standard error; or a callback (stage, done, total).

    Raises:
        DataNotFound: The path does not exist.
        ConfigError: The file is not read: nothing in it is executed.
        DataError: The index of prepared tiles is damaged.

    Examples:
        >>> import rs_adapt as rsa
        >>> report = rsa.lint(rsa.compose("loveda-da"), data=False)
        >>> report.errors
        ()
    """
    from rs_adapt.audit.lint.check import lint as find_faults
    from rs_adapt.audit.lint.foreign_check import lint_foreign
    from rs_adapt.audit.lint.foreign_subject import foreign_subject
    from rs_adapt.audit.lint.sources import is_ours, subject_from_cell, subject_from_path

    root = None if data_root is None else Path(data_root)
    if isinstance(subject, Run | str | os.PathLike):
        path = folder_of(subject)
        if not is_ours(path):
            foreign = foreign_subject(path)
            return LintReport(title=foreign.title, findings=tuple(lint_foreign(foreign)))
        resolved = subject_from_path(path, data_root=root)
    else:
        origin = subject.origin
        resolved = subject_from_cell(
            cell_of(subject), texts=origin.overrides, data_root=root or subject.data_root, weights=origin.weights
        )
    with progress_callback(progress) as on_progress:
        return LintReport(
            title=resolved.title, findings=tuple(find_faults(resolved, data=data, on_progress=on_progress))
        )


@overload
def verify(
    run: RunLike,
    against: None = None,
    *,
    data_root: str | os.PathLike[str] | None = None,
    progress: Progress = True,
) -> SelfCheck: ...


@overload
def verify(
    run: RunLike,
    against: str | os.PathLike[str],
    *,
    data_root: str | os.PathLike[str] | None = None,
    progress: Progress = True,
) -> Verification: ...


def verify(
    run: RunLike,
    against: str | os.PathLike[str] | None = None,
    *,
    data_root: str | os.PathLike[str] | None = None,
    progress: Progress = True,
) -> SelfCheck | Verification:
    """Check a finished run against itself, or compare it with a log, another run or a paper.

    Against itself, everything that other files of the run or the shipped files determine is recomputed: hashes, scores
    from the stored matrices, selections and curve, configuration, protocol, classes, schedule, adapter pack, data. Of a
    training log: means of classes, length, learning rates.

    Args:
        run: A run or its folder; against itself also a log of mmengine or mmcv.
        against: A log of mmengine or mmcv, a folder with one, a configuration in Python, a run folder; or `paper` for
            the published numbers of the cell. None checks the run against itself.
        data_root: Where the data sets are now, to compare their pixels; where the configuration says.
        progress: True shows it on standard error; or a callback (stage, done, total).

    Returns:
        `verdict` in one sentence, `consistent`, and `checks` or the comparisons behind them.

    Raises:
        ConfigError: One of the two cannot be read, they have nothing in common, or no numbers are published for the
            cell.

    Examples:
        >>> import rs_adapt as rsa
        >>> run = rsa.collect("work_dirs").finished[0]
        >>> rsa.verify(run, progress=False).consistent
        True
        >>> rsa.verify(run, run.folder).consistent
        True
    """
    if against is None:
        from rs_adapt.audit.foreign.log_text import holds_logs
        from rs_adapt.audit.selfcheck.check import check_run
        from rs_adapt.audit.verify.log_check import LOG_SUFFIXES, check_log

        path = folder_of(run)
        if not path.exists():
            raise DataNotFound(f"{path} does not exist. Name a run folder, a bundle of `rs-adapt share`, or a log.")
        logs = path.is_dir() and not (path / CELL_FILE).exists() and not (path / CONFIG_FILE).exists()
        if (path.is_file() and path.suffix in LOG_SUFFIXES) or (logs and holds_logs(path)):
            return check_log(path)
        root = None if data_root is None else Path(data_root)
        with progress_callback(progress) as on_progress:
            return check_run(path, data_root=root, on_progress=on_progress)
    refuse_images(folder_of(run))
    from rs_adapt.audit.verify.run_record import read_reference, read_run
    from rs_adapt.audit.verify.verification import verify_against_log, verify_against_paper

    record = read_run(folder_of(run))
    # A file of that name can still be named as ./paper.
    if against == "paper":
        return verify_against_paper(record)
    return verify_against_log(record, read_reference(Path(against)))
