"""Training state on disk: all that an interrupted run needs to resume as if it had not been interrupted."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.dist import is_main_process
from torch import Tensor, nn

from rs_adapt import limits
from rs_adapt.documents import DocumentError
from rs_adapt.engine.metrics_writer import MetricsWriter
from rs_adapt.engine.older_state import complete_older_state
from rs_adapt.engine.parts import unwrapped
from rs_adapt.engine.state_checks import check_parts
from rs_adapt.errors import CheckpointMismatch, NonFiniteWeights, UnreadableFile
from rs_adapt.files import atomic_file, file_sha256
from rs_adapt.processes import seed_draws
from rs_adapt.zips import check_unpacked_size

if TYPE_CHECKING:
    from mmengine.runner import Runner

_TRAILER = b"\nrs-adapt state sha256 "
_HEX_DIGITS = 64
_BLOCK_BYTES = 2**20
_REMEDY = "Copy the run again from where it is whole, or start over with --overwrite."


def trained_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's state without frozen parameters: adapter, head, running statistics, teacher."""
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {name: value for name, value in model.state_dict().items() if name not in frozen}


def describe_non_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Return how many tensors hold NaN or infinite values and which is the first; None where all values are finite."""
    names = [name for name, value in tensors.items() if value.is_floating_point() and value.numel()]
    if not names:
        return None
    # One transfer from the device for all tensors.
    finite = torch.stack([torch.isfinite(tensors[name]).all() for name in names]).tolist()
    wrong = sorted(name for name, is_finite in zip(names, finite, strict=True) if not is_finite)
    return f"{len(wrong)} of {len(names)} tensors, first {wrong[0]}" if wrong else None


def require_finite(model: nn.Module) -> None:
    """Refuse to save a model whose trained tensors are NaN or infinite.

    Raises:
        NonFiniteWeights: A tensor holds such a value.
    """
    if (wrong := describe_non_finite(trained_tensors(model))) is not None:
        raise NonFiniteWeights(
            f"The trained weights are no longer finite (NaN or infinite in {wrong}), so they are not saved and the run "
            "has no result. Try a lower learning rate (--set optim.lr=...)."
        )


def check_trained_tensors(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Check that tensors are those of `trained_tensors` of a model, by name and shape, and finite.

    Args:
        model: A model of the same configuration.
        tensors: Tensors by name.
        source: File of the tensors, for messages.

    Raises:
        CheckpointMismatch: A name is missing or unknown, a shape differs, or a value is NaN or infinite.
    """
    own = trained_tensors(model)
    if missing := sorted(own.keys() - tensors.keys()):
        raise CheckpointMismatch(f"{source} lacks {len(missing)} tensors of this model, first {missing[0]}.")
    if unknown := sorted(tensors.keys() - own.keys()):
        raise CheckpointMismatch(
            f"{source} holds {len(unknown)} tensors that this model does not have, first {unknown[0]}."
        )
    for name, value in tensors.items():
        if value.shape != own[name].shape:
            raise CheckpointMismatch(
                f"{source}: {name} has shape {tuple(value.shape)}, this model needs {tuple(own[name].shape)}."
            )
    if (wrong := describe_non_finite(tensors)) is not None:
        raise CheckpointMismatch(
            f"{source} holds values that are not finite (NaN or infinite in {wrong}): the training has diverged, or "
            "the file is damaged. Use a different checkpoint, or train again with a lower learning rate."
        )


def load_trained_tensors(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Load the tensors of `trained_tensors` into a model; see `check_trained_tensors`."""
    check_trained_tensors(model, tensors, source)
    model.load_state_dict(dict(tensors), strict=False)


def save_state(
    path: Path,
    *,
    runner: Runner,
    metrics: MetricsWriter,
    iteration: int,
    base_sha256: str | None = None,
    may_be_broken: bool = False,
) -> None:
    """Write the training state with its SHA-256 at the end; the file appears complete or not at all.

    Of several processes rank 0 writes, because the state is the same on all ranks.

    Args:
        path: File to write.
        runner: The runner, in training.
        metrics: The metrics, with the losses that wait for the next line of `metrics.jsonl`.
        iteration: Iterations done.
        base_sha256: SHA-256 of the base weights, which the state does not hold; None if unknown.
        may_be_broken: Whether to save weights that are NaN or infinite, for a look at them: `load_state` refuses them.

    Raises:
        NonFiniteWeights: A trained tensor is NaN or infinite; an earlier state stays.
    """
    if not is_main_process():
        return
    model = unwrapped(runner.model)
    if not may_be_broken:
        require_finite(model)
    state = {
        "iteration": iteration,
        "model": {name: value.detach().cpu() for name, value in trained_tensors(model).items()},
        "optimizer": runner.optim_wrapper.state_dict(),
        "schedulers": [scheduler.state_dict() for scheduler in runner.param_schedulers],
        "metrics": metrics.state_dict(),
        "base_sha256": base_sha256,
    }
    with atomic_file(path) as temporary:
        with temporary.open("wb") as file:
            torch.save(state, file)
        digest = file_sha256(temporary)
        with temporary.open("ab") as file:
            file.write(_TRAILER + digest.encode())


def read_state(path: Path) -> dict[str, Any]:
    """Return the content of the file of `save_state`; all but `iteration` and `model` is still to be checked.

    Only tensors and plain values are read (`weights_only=True`); a file that contains code is refused.

    Raises:
        CheckpointMismatch: The file is damaged: its SHA-256 differs, or a part is missing or of the wrong kind.
    """
    try:
        _check_sha256(path)
        check_unpacked_size(path, error=CheckpointMismatch, ratio=limits.TENSOR_RATIO)
        state = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict) or not isinstance(state.get("model"), dict) or "iteration" not in state:
            raise ValueError("it has no table of an iteration and a model")
    except Exception as error:  # torch raises many kinds for damaged files
        raise CheckpointMismatch(f"{path} is not a readable training state: {_first_line(error)}. {_REMEDY}") from error
    return state


def load_state(path: Path, *, runner: Runner, metrics: MetricsWriter, base_sha256: str | None = None) -> int:
    """Restore a runner in training and its metrics from the file of `save_state`, and return the iterations done.

    Args:
        path: The file.
        runner: A runner of the same configuration.
        metrics: The metrics of the runner.
        base_sha256: SHA-256 of the runner's base weights; None if unknown.

    Raises:
        CheckpointMismatch: The file is damaged, or belongs to a different configuration or different base weights.
    """
    state = read_state(path)
    trained_on = state.get("base_sha256")
    if base_sha256 and trained_on and trained_on != base_sha256:
        raise CheckpointMismatch(
            f"Cannot resume {path.parent}: the run was started on base weights with SHA-256 {str(trained_on)[:16]}..., "
            f"and these have {base_sha256[:16]}... Name the file that it was started with (--weights)."
        )
    model = unwrapped(runner.model)
    state["model"] = complete_older_state(model, state["model"])
    check_parts(state, runner=runner, model=trained_tensors(model), source=str(path))
    load_trained_tensors(model, state["model"], str(path))
    runner.optim_wrapper.load_state_dict(state["optimizer"])
    for scheduler, values in zip(runner.param_schedulers, state["schedulers"], strict=True):
        scheduler.load_state_dict(values)
    try:
        metrics.load_state_dict(state["metrics"])
    except (DocumentError, UnreadableFile, AttributeError, TypeError, ValueError) as error:
        raise CheckpointMismatch(f"{path} is damaged: its metrics cannot be read ({error}). {_REMEDY}") from error
    return int(state["iteration"])


def _check_sha256(path: Path) -> None:
    """Compare a state with the SHA-256 at its end; one of an older version has the check sums of its parts.

    Raises:
        ValueError: They differ.
        OSError: The file cannot be read.
        zipfile.BadZipFile: The file is cut off.
    """
    size = path.stat().st_size - len(_TRAILER) - _HEX_DIGITS
    with path.open("rb") as file:
        file.seek(max(size, 0))
        end = file.read()
        if size < 0 or not end.startswith(_TRAILER):
            with zipfile.ZipFile(path) as archive:
                if (damaged := archive.testzip()) is not None:
                    raise ValueError(f"its part {damaged} is damaged")
            return
        file.seek(0)
        digest, left = hashlib.sha256(), size
        while left and (block := file.read(min(left, _BLOCK_BYTES))):
            digest.update(block)
            left -= len(block)
    if digest.hexdigest().encode() != end[len(_TRAILER) :]:
        raise ValueError("it is damaged, its SHA-256 is not the one at its end")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def seed_iteration(seed: int, iteration: int, rank: int = 0, processes: int = 1) -> None:
    """Seed torch's generators (CPU and GPU) for one training iteration.

    The draws of an iteration (points of the mask loss, classes to mix) depend on these numbers alone, not on where
    a run was interrupted, how often it was evaluated, or how many workers load images. With several processes,
    each has its own draws (drop-out), besides those for the whole batch, which equal those of a single process.

    Args:
        seed: Seed of the run.
        iteration: Number of the iteration, from 0.
        rank: Rank of this process.
        processes: Number of processes.
    """

    def key(stream: int) -> int:
        return int(np.random.SeedSequence((seed, iteration, stream)).generate_state(1, np.uint64)[0])

    own = key(0 if processes == 1 else 1 + rank)
    # Not torch.manual_seed, which formats the whole stack for every kind of GPU that is not in use.
    torch.default_generator.manual_seed(own)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(own)
    seed_draws(key(0))
