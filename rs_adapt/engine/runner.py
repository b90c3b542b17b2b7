"""mmengine's Runner without console output, which writes only a log file into the run folder."""

from __future__ import annotations

import copy
import logging
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import Tensor, nn

from rs_adapt.engine.data_parallel import DataParallel
from rs_adapt.engine.loaders import copy_without_waiting, ends_with_training
from rs_adapt.engine.parts import segmentor_of, unwrapped
from rs_adapt.engine.recomputing import cast_weights_once, gather_attention, recompute_blocks, store_base
from rs_adapt.engine.sharding import is_shard, shard_base, shards_base
from rs_adapt.launching import end_with_parent
from rs_adapt.processes import local_batch_size, rank_and_world_size, take_from_rank_zero
from rs_adapt.runs.files import LOG_FILE
from rs_adapt.signals import HANGUP

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

# A flag in memory that forked processes share: whether SIGTERM is ignored.
_ignore_term = mmap.mmap(-1, 1)


class CellRunner(Runner):  # type: ignore[misc]
    """A Runner whose log goes to `train.log` only, and whose run folder holds no timestamped sub-folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # mmengine keeps loggers and message hubs by name for the life of the process; the name that it makes from
        # the time in seconds can be equal for two short runs.
        kwargs["experiment_name"] = f"rs_adapt-{time.time_ns()}"
        super().__init__(*args, **kwargs)
        timestamped = Path(self.log_dir)
        self._log_dir: str = self.work_dir
        # A different process may have removed it already.
        with suppress(OSError):
            timestamped.rmdir()

    def build_logger(self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any) -> MMLogger:
        """Return a logger that writes the run's log file."""
        logger = super().build_logger(log_level, log_file or str(Path(self.work_dir) / LOG_FILE), **kwargs)
        for handler in list(logger.handlers):
            if isinstance(handler, logging.StreamHandler) and getattr(handler, "stream", None) in (
                sys.stdout,
                sys.stderr,
            ):
                logger.removeHandler(handler)
            else:
                # By default a full disk prints a traceback for every line.
                handler.handleError = _raise_again
        return logger

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Put the model on its device, and with several processes into `DataParallel`; its base as it is configured."""
        # Before the model is moved, so that the device never holds the base in fp32.
        store_base(self.cfg, model)
        if not self.distributed:
            wrapped: nn.Module = super().wrap_model(model_wrapper_cfg, model)
            return wrapped
        if shards_base(self.cfg):
            # Before the model is moved, whose base may be too large for the device.
            shard_base(segmentor_of(model).backbone, torch.device(get_device()))
        return DataParallel.wrap(model.to(get_device()))

    def call_hook(self, fn_name: str, **kwargs: Any) -> None:
        """Call the hooks; the losses of an iteration reach them as numbers, copied from a GPU at once.

        mmengine would copy each loss by itself, some sixty of Mask2Former, and the host would wait each time.
        """
        if fn_name == "after_train_iter" and kwargs.get("outputs"):
            kwargs["outputs"] = _copy_to_host(kwargs["outputs"])
        super().call_hook(fn_name, **kwargs)

    def _init_model_weights(self) -> None:
        """Let the model draw its start values, and give every process those of rank 0, except for shards."""
        if not shards_base(self.cfg):
            super()._init_model_weights()
            return
        model: Any = unwrapped(self.model)
        if hasattr(model, "init_weights"):
            model.init_weights()
            take_from_rank_zero(value for value in model.state_dict().values() if not is_shard(value))

    @staticmethod
    def build_dataloader(*args: Any, **kwargs: Any) -> Any:
        """Return a loader whose processes end with the training and ignore signals, which its process handles."""
        loader = Runner.build_dataloader(*args, **kwargs)
        loader.worker_init_fn = partial(_ignore_signals, loader.worker_init_fn)
        return ends_with_training(loader)

    def dump_config(self) -> None:
        """Write nothing: the run folder holds the configuration already."""


def _copy_to_host(losses: Mapping[str, Any]) -> dict[str, Any]:
    """Return tensors of one element as the numbers that `Tensor.item` gives, with one wait for the GPU.

    What is no tensor stays as it is.
    """
    tensors = {name: value for name, value in losses.items() if isinstance(value, Tensor)}
    if not tensors:
        return dict(losses)
    # A number of float64 holds one of any smaller precision exactly.
    values = torch.stack([value.detach().double().reshape(()) for value in tensors.values()]).tolist()
    return {**losses, **dict(zip(tensors, values, strict=True))}


def _raise_again(_record: logging.LogRecord) -> None:
    """Raise the error that a handler of a logger met; called while it is handled."""
    error = sys.exc_info()[1]
    if error is not None:
        raise error


def build_runner(
    cfg: ResolvedConfig, hooks: Sequence[Hook], *, teacher_channels: Sequence[int] | None = None
) -> CellRunner:
    """Build the runner of a training on this process's share of the batch, with further hooks.

    Args:
        cfg: The run's configuration.
        hooks: Further hooks.
        teacher_channels: Channels of the feature maps that a student learns from; None without a teacher.
    """
    settings = copy.deepcopy(cfg)
    if teacher_channels is not None:
        # Not in the stored configuration: what a run is evaluated with has no projections to another model.
        settings.model.teacher_channels = list(teacher_channels)
    # The configuration names a recorder for plain mmengine; this one has a display and loggers.
    settings.default_hooks.checkpoint = None
    processes = rank_and_world_size()[1]
    settings.train_dataloader.batch_size = local_batch_size(settings.train_dataloader.batch_size, processes)
    settings.launcher = "pytorch" if processes > 1 else "none"
    # Stored configurations may be older than the key.
    pins = bool(cfg.runtime.get("pin_memory"))
    if pins:
        settings.train_dataloader.pin_memory = True
    runner: CellRunner = CellRunner.from_cfg(settings)
    if pins:
        copy_without_waiting(runner.model)
    recompute_blocks(cfg, runner.model)
    gather_attention(cfg, runner.model)
    cast_weights_once(cfg, runner.model)
    for hook in hooks:
        runner.register_hook(hook)
    return runner


@contextmanager
def keep_loaders_alive() -> Iterator[None]:
    """Let loader processes outlive a SIGTERM to the whole process group, which torchrun and Slurm send.

    If a loader process ended at once, the run would end before it has saved its state. After the context SIGTERM ends
    them, as it must when the program exits.
    """
    _ignore_term[0] = 1
    try:
        yield
    finally:
        _ignore_term[0] = 0


def _ignore_signals(then: Callable[[int], None] | None, worker: int) -> None:
    def on_term(number: int, frame: object) -> None:
        if not _ignore_term[0]:
            os._exit(0)

    signal.signal(signal.SIGTERM, on_term)
    for number in (signal.SIGINT, HANGUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent()
    if then is not None:
        then(worker)
