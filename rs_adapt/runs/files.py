"""Names of the files in a run folder, and of what a sweep keeps there. The one place that spells them."""

from __future__ import annotations

# The resolved configuration, for people and for mmengine.
CONFIG_FILE = "config.py"
# What was started: names by axis, options, command, versions.
CELL_FILE = "cell.json"
METRICS_FILE = "metrics.jsonl"
RESULT_FILE = "result.json"
LOG_FILE = "train.log"
# Training state, while the run is not finished.
STATE_FILE = "state.pth"
# The adapter pack.
TENSORS_FILE = "adapter.safetensors"
MANIFEST_FILE = "manifest.json"
# Packs of the checkpoints that a selection other than the reported one names.
PACKS_DIR = "packs"
CONFUSIONS_DIR = "confusions"
# What `rs-adapt eval` and `rs-adapt inspect` write.
EVAL_DIR = "eval"
INSPECT_DIR = "inspect"
# In the folder of an inspection: the numbers of its page.
INSPECTION_FILE = "inspect.json"
# mmengine's loggers.
LOGGERS_DIR = "vis_data"

# In the folder of a sweep's cell: its state, what its process printed, its lock.
SWEEP_CELL_FILE = "sweep_cell.json"
SWEEP_LOG_FILE = "sweep.log"
SWEEP_LOCK_FILE = "sweep.lock"
# In the folder of the sweep: the cells that it plans.
SWEEP_PLAN_FILE = "sweep.json"

# Folders inside a run folder that hold no runs of their own.
DIRS_OF_A_RUN = frozenset({EVAL_DIR, PACKS_DIR, CONFUSIONS_DIR, INSPECT_DIR, LOGGERS_DIR})
