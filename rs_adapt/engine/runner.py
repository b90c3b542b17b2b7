"""mmengine's Runner without its console: one log file in the run folder and nothing else written there."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mmengine.device import get_device
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn

from rs_adapt.engine.data_parallel import DataParallel

LOG_FILE = "train.log"


class CellRunner(Runner):  # type: ignore[misc]
    """A Runner whose log goes to `train.log` only, and whose run folder holds no timestamped sub-folder."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # mmengine keeps loggers and message hubs by name for the life of the process; its own name is the second of
        # the start, which two short runs can share.
        kwargs["experiment_name"] = f"rs_adapt-{time.time_ns()}"
        super().__init__(*args, **kwargs)
        timestamped = Path(self.log_dir)
        self._log_dir: str = self.work_dir
        # Another process may have been quicker.
        with suppress(OSError):
            timestamped.rmdir()

    def build_logger(self, log_level: int | str = "INFO", log_file: str | None = None, **kwargs: Any) -> MMLogger:
        """A logger that writes the run's log file."""
        logger = super().build_logger(log_level, log_file or str(Path(self.work_dir) / LOG_FILE), **kwargs)
        for handler in list(logger.handlers):
            if isinstance(handler, logging.StreamHandler) and getattr(handler, "stream", None) in (
                sys.stdout,
                sys.stderr,
            ):
                logger.removeHandler(handler)
        return logger

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Put the model on its device, and with several processes into `DataParallel`."""
        if not self.distributed:
            wrapped: nn.Module = super().wrap_model(model_wrapper_cfg, model)
            return wrapped
        return DataParallel.around(model.to(get_device()))

    def dump_config(self) -> None:
        """The run folder holds the configuration already."""
