"""The programs of Slurm that submitit calls, as small scripts that run jobs on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_PROGRAMS = {
    "sbatch": """
number=$(( $(cat last) + 1 )); echo $number > last
cp "$1" $number.sh; sh ./start $number; echo "Submitted batch job $number"
""",
    "start": """
cd "$2"; SLURM_JOB_ID=$1 setsid sh "$home/$1.sh" > "$home/$1.log" 2>&1 < /dev/null & echo $! > "$home/$1.pid"
""",
    "srun": """
while case "$1" in --output|--error) shift;; -*) ;; *) false;; esac; do shift; done
exec "$@"
""",
    "sacct": """
echo 'JobID|State|NodeList'
for file in *.pid; do
  number=${file%.pid}; kill -0 $(cat $file) 2> /dev/null && state=RUNNING || state=COMPLETED
  [ -f $number.cancelled ] && state=CANCELLED
  echo "$number|$state|node"
done
""",
    "scancel": "touch $1.cancelled; kill -s TERM -- -$(cat $1.pid)",
    "scontrol": "[ $1 = requeue ]; sh ./start $2",
}


def install_slurm(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the programs into a folder, and let them be found."""
    folder.mkdir()
    (folder / "last").write_text("100\n")
    for name, lines in _PROGRAMS.items():
        start = f"#!/bin/sh\nhome={folder}\n{'' if name in ('srun', 'start') else 'here=$PWD; cd $home'}"
        lines = lines.replace("sh ./start $number", "sh ./start $number $here").replace("start $2", "start $2 $here")
        (folder / name).write_text(f"{start}\n{lines.strip()}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
