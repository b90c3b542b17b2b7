"""Names of the files in a run folder, those of a sweep included; no other module spells them."""

from __future__ import annotations

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
# Written by `rs-adapt eval` and `rs-adapt inspect`.
EVAL_DIR = "eval"
INSPECT_DIR = "inspect"
# In the folder of an inspection: the numbers of its page.
INSPECTION_FILE = "inspect.json"
# What `rs-adapt cost` measured; in a folder of its own.
COST_FILE = "cost.json"
# mmengine's loggers.
LOGGERS_DIR = "vis_data"

# In the folder of a sweep's cell: its state, the output of its process, its lock.
SWEEP_CELL_FILE = "sweep_cell.json"
SWEEP_LOG_FILE = "sweep.log"
SWEEP_LOCK_FILE = "sweep.lock"
# In the folder of the sweep: the cells that it plans.
SWEEP_PLAN_FILE = "sweep.json"

# Folders inside a run folder that hold no runs of their own.
DIRS_OF_A_RUN = frozenset({EVAL_DIR, PACKS_DIR, CONFUSIONS_DIR, INSPECT_DIR, LOGGERS_DIR})
