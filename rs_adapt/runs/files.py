"""Names of the files in a run folder, those of a sweep included; no other module spells them."""

from __future__ import annotations

import re
from pathlib import PurePath

# The resolved configuration, for people and for mmengine.
CONFIG_FILE = "config.py"
# The start of the run: names by axis, options, command, versions.
CELL_FILE = "cell.json"
METRICS_FILE = "metrics.jsonl"
# Digests of the tiles that the run was started with.
DATA_FILE = "data.json"
RESULT_FILE = "result.json"
# SHA-256 of the files of a finished run.
HASHES_FILE = "hashes.json"
LOG_FILE = "train.log"
# Training state, while the run is not finished.
STATE_FILE = "state.pth"
# The adapter pack.
TENSORS_FILE = "adapter.safetensors"
MANIFEST_FILE = "manifest.json"
# Packs of the checkpoints that only selections other than the reported one name.
PACKS_DIR = "packs"
CONFUSIONS_DIR = "confusions"
# A copy of the model of super-resolution that enlarges the images of the run (`bench.resolve`): a pack.
RESOLVER_DIR = "resolver"
# Of super-resolution: the scores of single images.
IMAGES_FILE = "images.json"
# Written by `rs-adapt eval` and `rs-adapt inspect`.
EVAL_DIR = "eval"
INSPECT_DIR = "inspect"
# In the folder of an inspection: the numbers of its page.
INSPECTION_FILE = "inspect.json"
# What `rs-adapt cost` measured; in a folder of its own.
COST_FILE = "cost.json"
# mmengine's loggers, and the folders of those that `--logger` names.
LOGGERS_DIR = "vis_data"
LOGGER_DIRS = ("tensorboard", "wandb", "mlflow", "clearml", "aim")

# In the folder of a sweep's cell: its state, the output of its process, the lock that older versions used.
SWEEP_CELL_FILE = "sweep_cell.json"
SWEEP_LOG_FILE = "sweep.log"
SWEEP_LOCK_FILE = "sweep.lock"
# Held by the process that writes into the folder.
LOCK_FILE = "run.lock"
# Files about a run that stay when it is deleted to be trained again.
FILES_BESIDE_A_RUN = frozenset({SWEEP_CELL_FILE, SWEEP_LOG_FILE, SWEEP_LOCK_FILE, LOCK_FILE})
# In the folder of the sweep: the cells that it plans.
SWEEP_PLAN_FILE = "sweep.json"
# There, too: the settings that `--tune` chose.
TUNING_FILE = "tuning.json"

# Folders inside a run folder that hold no runs of their own.
DIRS_OF_A_RUN = frozenset({EVAL_DIR, PACKS_DIR, CONFUSIONS_DIR, INSPECT_DIR, LOGGERS_DIR, RESOLVER_DIR})

# What a run and the commands about it write into its folder, as paths below it; `*` stands for a part of one name, and
# `**` for all below. Nothing else is deleted from a run folder.
_EVALUATION = (RESULT_FILE, IMAGES_FILE, "confusion.csv", "confusion.png", "confusions.npz", "overlays/*.png")
_OF_A_RUN = (
    *(CONFIG_FILE, CELL_FILE, METRICS_FILE, DATA_FILE, RESULT_FILE, HASHES_FILE, LOG_FILE, STATE_FILE),
    *(TENSORS_FILE, MANIFEST_FILE, IMAGES_FILE),
    *(f"{RESOLVER_DIR}/{name}" for name in (TENSORS_FILE, MANIFEST_FILE)),
    *("confusion.csv", "confusion.png", "curves.png", "pseudo_labels.png"),
    *(f"{PACKS_DIR}/iter*/{name}" for name in (TENSORS_FILE, MANIFEST_FILE, "val.npz")),
    f"{CONFUSIONS_DIR}/iter*.npz",
    *(f"{EVAL_DIR}/*/{name}" for name in _EVALUATION),
    *(f"{PACKS_DIR}/iter*/{EVAL_DIR}/*/{name}" for name in _EVALUATION),
    *(f"{INSPECT_DIR}/*/{name}" for name in ("index.html", INSPECTION_FILE, "*.png")),
    *(f"{name}/**" for name in (*LOGGER_DIRS, LOGGERS_DIR)),
)
_WRITTEN = re.compile(
    "|".join(re.escape(name).replace(r"\*\*", ".*").replace(r"\*", "[^/]*") for name in _OF_A_RUN)
    # mmengine's folder for a log, named by the time.
    + r"|[0-9]{8}_[0-9]{6}/.*"
    # What a killed process leaves of a file or folder that it was writing (`rs_adapt.files`).
    + rf"|(?:(?:{PACKS_DIR}|{CONFUSIONS_DIR}|{EVAL_DIR}|{INSPECT_DIR}|{RESOLVER_DIR})/(?:[^/]+/)*)?"
    + r"\.[^/]+\.(?:new|old)-[^/]+-[0-9]+-[^/]*(?:/.*)?"
)


def is_written_by_run(path: PurePath) -> bool:
    """Return whether a run, or a command about it, writes a file of this name into the run folder.

    Args:
        path: The file's path below the run folder.
    """
    return _WRITTEN.fullmatch(path.as_posix()) is not None
