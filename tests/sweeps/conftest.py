"""Sweeps whose cells are a small program instead of a training: it counts, saves, stops and fails as it is told."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from rs_adapt.commands import main
from rs_adapt.sweeps.cells import Expansion, expand
from rs_adapt.sweeps.spec import read_spec

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
# Stands before `train ...`. Beside it lie `how.json` (what it does), `texts.json` (folder -> configuration), and
# `starts.jsonl`, to which each start is added. A score is a function of the steps done, so resuming has to be exact.
PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
here, words = Path(__file__).parent, sys.argv[1:]
folder = Path(words[words.index("--work-dir") + 1])
how, name = json.loads((here / "how.json").read_text()), str(folder)
resume, stop = "--resume" in words, []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
log = here / "starts.jsonl"
before = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
with log.open("a") as out:
    line = {"folder": name, "resume": resume, "pid": os.getpid(), "threads": os.environ.get("OMP_NUM_THREADS")}
    out.write(json.dumps(line) + "\\n")
print("started", name, flush=True)
folder.mkdir(parents=True, exist_ok=True)
(folder / "cell.json").write_text("{}")
(folder / "config.py").write_text(json.loads((here / "texts.json").read_text())[name])
state = folder / "state.pth"
first = int(state.read_text()) if resume else 0
fails = next((times for part, times in how["fail"].items() if part in name), 0)
for step in range(first, how["steps"]):
    time.sleep(how["step_s"])
    state.write_text(str(step + 1))
    with (folder / "metrics.jsonl").open("a") as out:
        out.write(json.dumps({"iter": step + 1}) + "\\n")
    if stop:
        sys.exit(130)
if sum(one["folder"] == name for one in before) < fails:
    print("error: no luck this time", file=sys.stderr)
    sys.exit(how["code"])
if how["result"]:
    lines = (folder / "metrics.jsonl").read_text().count("iter")
    result = {"miou_pct": float(lines), "headline": "last", "protocol": {"name": "strict", "version": 1}}
    result |= {"interval": {"low": 1.0, "high": 99.0}, "train_s": 6.0, "cell": how["cell"]}
    (folder / "result.json").write_text(json.dumps(result))
    state.unlink()
"""

# The cell of a result, which no state depends on.
CELL = {"bench": "b", "setting": "dg", "method": "m", "backbone": "v", "head": "h", "strategy": "s", "seed": 0}
RESULT = json.dumps({"cell": CELL, "miou_pct": 1.0, "iter": 7})


def manifest_hash(name: str, *, note: bool) -> str:
    """Return the hash of a data manifest as version 0.1.0 took it, with its note, or as it is taken since."""
    words = "title paper reason recipe how_to_get by_hand licence conditions citation url mirrors".split()
    ignored = {"num_workers", "persistent_workers", *words} | (set() if note else {"note"})

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if key not in ignored}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    facts = plain(tomllib.loads((ROOT / "data" / f"{name}.toml").read_text(encoding="utf-8")))
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:16]


@dataclass
class Fake:
    """A sweep of fake cells in a temporary folder."""

    root: Path
    file: Path
    work_dir: Path

    def how(self, **changes: Any) -> None:
        """Say what the program does: steps, seconds a step, how often a cell fails (by a part of its folder)."""
        how = {"steps": 3, "step_s": 0.01, "fail": {}, "code": 1, "result": True, "cell": CELL}
        (self.root / "how.json").write_text(json.dumps(how | changes))

    def write(self, *lines: str, launcher: str = "", inline: bool = False) -> Expansion:
        """Write the sweep's file: three methods, two seeds, unless `lines` say otherwise.

        Args:
            lines: Keys at the top of the file.
            launcher: Keys of its table [launcher].
            inline: Cells run in the process of the test, see `run_here`; otherwise the program does.
        """
        keys = {"bench": '"synthetic-dg"', "method": '["frozen", "lora", "bitfit"]', "seed": "[0, 1]"}
        own = [f"{key} = {value}" for key, value in keys.items() if not any(line.startswith(key) for line in lines)]
        command = json.dumps([sys.executable, str(self.root / "program.py")])
        start = 'kind = "inline"' if inline else f"command = {command}"
        text = ['name = "fake"', *own, *lines, "[launcher]", start, launcher]
        self.file.write_text("\n".join(text) + "\n")
        return self.expanded()

    def expanded(self) -> Expansion:
        """Expand the file, and let the program know the configurations."""
        expansion = expand(read_spec(self.file), folder=self.work_dir)
        texts = {str(cell.folder): cell.config_text for cell in expansion.cells}
        (self.root / "texts.json").write_text(json.dumps(texts))
        return expansion

    def starts(self) -> list[dict[str, Any]]:
        """What the program wrote when it was started."""
        log = self.root / "starts.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []

    def start(self, *options: str) -> subprocess.Popen[str]:
        """Start `rs-adapt sweep` in a process of its own."""
        own = ("rs_adapt", "sweep", str(self.file), "--work-dir", str(self.work_dir))
        command = [sys.executable, "-m", *own, *options]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)

    def run(self, *options: str) -> tuple[int, dict[str, Any], str]:
        """Run it to its end; gives the exit code, what `--json` says, and stderr."""
        process = self.start("--json", *options)
        out, err = process.communicate(timeout=120)
        return process.returncode, json.loads(out) if out else {}, err

    def run_here(self, *options: str) -> int:
        """Run `rs-adapt sweep` in the process of the test, which also plays the program; gives the exit code."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("rs_adapt.commands.main", self._play)
            with pytest.raises(SystemExit) as end:
                main(["sweep", str(self.file), "--work-dir", str(self.work_dir), *options])
        assert isinstance(end.value.code, int)
        return end.value.code

    def _play(self, arguments: list[str]) -> None:
        before = signal.getsignal(signal.SIGTERM)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["program.py", *arguments])
            try:
                exec(compile(PROGRAM, "program.py", "exec"), {"__file__": str(self.root / "program.py")})
            finally:
                signal.signal(signal.SIGTERM, before)
        raise SystemExit(0)

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = 60) -> None:
        """Wait until something is so.

        Raises:
            AssertionError: it did not become so in time.
        """
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, "it did not happen in time"
            time.sleep(0.05)


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Return a sweep of fake cells that succeed within a moment."""
    (tmp_path / "program.py").write_text(PROGRAM)
    made = Fake(root=tmp_path, file=tmp_path / "fake.toml", work_dir=tmp_path / "runs")
    made.how()
    made.write()
    return made
