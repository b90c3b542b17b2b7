"""Errors for failures of the machine during a run: full memory, full disk, processes that end."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from rs_adapt.engine.recorder import Interrupted
from rs_adapt.errors import ConfigError, RsAdaptError, RunFailed
from rs_adapt.runs.files import STATE_FILE

_WORKER = "in DataLoader worker process"


@contextmanager
def explain_failures(run_dir: Path) -> Iterator[None]:
    """Turn errors of memory, disk and processes during training into errors that say what to do.

    Args:
        run_dir: The run folder, which holds the last training state.

    Raises:
        RunFailed: Memory or disk is full, or a loader process or another process of the run failed.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise RunFailed(
            f"The GPU's memory is full: {_first_line(error)} Try a smaller --batch-size, --precision bf16, or smaller "
            f"crops (--set bench.crop_px=...). {_describe_resume(run_dir)}"
        ) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RunFailed(f"The disk of {run_dir} is full. Free some space. {_describe_resume(run_dir)}") from error
    except RsAdaptError as error:
        # The message of our own error from a loader process contains the traceback of that process.
        if _WORKER not in str(error):
            raise
        raise RunFailed(f"Loading images failed: {_last_line(error)} {_describe_resume(run_dir)}") from error
    except RuntimeError as error:
        if _WORKER in str(error) or "DataLoader worker" in str(error):
            raise RunFailed(
                f"A process that loads images failed: {_last_line(error).rstrip('.')}. To train without such processes "
                f"add --num-workers 0. {_describe_resume(run_dir)}"
            ) from error
        if isinstance(error, torch.distributed.DistError) or "gloo" in str(error):
            raise RunFailed(
                f"Another process of this run has ended or cannot be reached. {_describe_resume(run_dir)}"
            ) from error
        raise


@contextmanager
def refuse_misfits(
    overrides: Sequence[str], *, origin: str = "--set", is_begun: Callable[[], bool] = bool
) -> Iterator[None]:
    """Turn an error of building a model, its data or its optimizer into one that names the changed values.

    Classes of libraries check their arguments late, or not at all: a wrong type ends in any kind of exception, often
    deep inside. Without changed values nothing is turned, because the fault is then ours.

    Args:
        overrides: The changed values as `key=value`.
        origin: Where the values come from, for the message.
        is_begun: Whether the run has made its first step; an error after it has other reasons.

    Raises:
        ConfigError: The block raised, and there are changed values.
    """
    try:
        yield
    except (RsAdaptError, Interrupted, OSError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        if not overrides or is_begun() or _WORKER in str(error) or "DataLoader worker" in str(error):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"
        listed = ", ".join(text if len(text) <= 80 else f"{text[:77]}..." for text in overrides)
        raise ConfigError(
            f"With the values of {origin} ({listed}) the run fails: "
            f"{type(error).__name__} in {place}: {_first_line(error)[:300]}. Change or leave out the values that "
            "do not fit; `rs-adapt show` prints those of the bench. If all fit, this is a fault of rs-adapt: report it."
        ) from error


def _describe_resume(run_dir: Path) -> str:
    if (run_dir / STATE_FILE).is_file():
        return f"The last saved state is {run_dir / STATE_FILE}: continue from it with --resume."
    return "Nothing was saved yet: start again with --overwrite."


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _last_line(error: BaseException) -> str:
    # The last line of a traceback is `package.module.Kind: text`.
    line = (str(error).strip() or type(error).__name__).splitlines()[-1]
    kind, _, text = line.partition(": ")
    return text if text and " " not in kind else line
