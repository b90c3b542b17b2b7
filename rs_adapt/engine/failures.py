"""Errors for failures during a run: full memory, full disk, processes that end, a loss that is not finite."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.logging import MessageHub
from mmengine.runner import Runner
from safetensors import SafetensorError

from rs_adapt.disk import describe_disk_failure, disk_remedy, find_disk_failure
from rs_adapt.engine.parts import unwrapped
from rs_adapt.engine.recorder import Interrupted, Recorder
from rs_adapt.engine.state import describe_non_finite, trained_tensors
from rs_adapt.errors import ConfigError, NonFiniteLoss, RsAdaptError, RunFailed
from rs_adapt.runs.files import LOG_FILE, STATE_FILE

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
            f"crops (--set bench.crop_px=...). {_describe_change(run_dir)}"
        ) from error
    except RsAdaptError as error:
        # The message of our own error from a loader process contains the traceback of that process.
        if _WORKER not in str(error):
            raise
        raise RunFailed(f"Loading images failed: {_last_line(error)} {_describe_resume(run_dir)}") from error
    except (OSError, RuntimeError, SafetensorError) as error:
        if (failure := find_disk_failure(error)) is not None:
            raise RunFailed(
                f"{describe_disk_failure(failure, run_dir)} {disk_remedy(failure)} {_describe_resume(run_dir)}"
            ) from error
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
        is_begun: Whether all parts have been used once; an error after that has other reasons.

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
        if find_disk_failure(error) is not None:
            raise
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else "an unknown place"
        listed = ", ".join(text if len(text) <= 80 else f"{text[:77]}..." for text in overrides)
        raise ConfigError(
            f"With the values of {origin} ({listed}) the run fails: "
            f"{type(error).__name__} in {place}: {_first_line(error)[:300]}. Change or leave out the values that "
            "do not fit; `rs-adapt show` prints those of the bench. If all fit, this is a fault of rs-adapt: report it."
        ) from error


def save_and_explain(error: NonFiniteLoss, runner: Runner, recorder: Recorder, run_dir: Path) -> NonFiniteLoss:
    """Save the state before a loss that is NaN or infinite, and return an error with the losses before it.

    Args:
        error: The error as it was raised.
        runner: The runner, in the iteration of that loss.
        recorder: The recorder of the run.
        run_dir: The run folder.
    """
    done, log = f"In iteration {runner.iter + 1}, {error}.", f"The log is {run_dir / LOG_FILE}."
    wrong = describe_non_finite(trained_tensors(unwrapped(runner.model)))
    if wrong is not None and (run_dir / STATE_FILE).is_file():
        return NonFiniteLoss(
            f"{done} The weights before it are not finite either (NaN or infinite in {wrong}), so the state saved "
            f"earlier stays. {log} Try a lower learning rate (--set optim.lr=...). {_describe_change(run_dir)}"
        )
    recorder.save_state(runner, iteration=runner.iter, may_be_broken=True)
    parts = {
        name.removeprefix("train/"): buffer.current()
        for name, buffer in MessageHub.get_current_instance().log_scalars.items()
        if name.startswith("train/") and "loss" in name
    }
    last = ", ".join(f"{name} {value:.4g}" for name, value in list(parts.items())[:6]) or "none"
    in_fp32 = "" if runner.optim_wrapper.precision == "fp32" else " or --precision fp32"
    return NonFiniteLoss(
        f"{done} The weights before it are saved in {run_dir / STATE_FILE}; the losses of the iteration before were: "
        f"{last}. {log} Try a lower learning rate (--set optim.lr=...){in_fp32}. "
        + (_describe_change(run_dir) if wrong is None else "The saved weights are not finite: start with --overwrite.")
    )


def _describe_resume(run_dir: Path) -> str:
    if (run_dir / STATE_FILE).is_file():
        return f"The last saved state is {run_dir / STATE_FILE}: continue from it with --resume."
    return "Nothing was saved yet: start again with --overwrite."


def _describe_change(run_dir: Path) -> str:
    """Return how to continue under options that change the result."""
    if (run_dir / STATE_FILE).is_file():
        return (
            f"These change the result and make a new run: --from {run_dir} --work-dir NEW starts it from the saved "
            "weights, --overwrite from scratch. With the same options --resume continues from the last saved state, "
            f"{run_dir / STATE_FILE}."
        )
    return "Nothing was saved yet: start again with --overwrite."


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _last_line(error: BaseException) -> str:
    # The last line of a traceback is `package.module.Kind: text`.
    line = (str(error).strip() or type(error).__name__).splitlines()[-1]
    kind, _, text = line.partition(": ")
    return text if text and " " not in kind else line
