"""Damage thousands of files, run the commands that read them, and count how they end.

    python tests/fuzz/campaign.py --files 2000 --seed 0

Every case damages one file, runs one command in a forked child with limits of time and memory, and puts the folder
back. A command may refuse the file (one sentence, exit code 2 or 1), go on as if nothing had happened, or say what
it made of it; a file that users write may also be well formed and say something else (`other input`). A traceback, a
hang, an exhausted memory, or another result without a word is a fault: exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz import material
from fuzz.damage import damage
from fuzz.damage_raster import damage_raster
from fuzz.kinds import KINDS, Command, Kind, outcome
from fuzz.processes import Ended, load_everything, run
from fuzz.settings import draw_setting

ENDS = ("refused", "reported", "unaffected", "other input", "silent", "traceback", "hang", "memory")
# Scenes and labels of the benches of one's own.
SCENES = ("source/", "target/", "placed/", "outlines.geojson")
FAULTS = ("silent", "traceback", "hang", "memory")
# More than any undamaged command takes.
_MUCH_MEMORY = 2 << 30
_WORDS = re.compile(
    r"note|warn|cannot|damag|differ|missing|lack|left out|refus|chang|unknown|not |no |none|wrong|again|fault|stale",
    re.IGNORECASE,
)
_VARYING = re.compile(r"\d+(\.\d+)?|/tmp\S+")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A damaged file, the command that read it, and how that ended."""

    number: int
    kind: str
    file: str
    damage: str
    command: Command
    end: str
    text: str


class Box:
    """The folder of the material, which is put back after every case."""

    def __init__(self, box: Path) -> None:
        self.box, self.store = box, box.with_name("store")
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(box, self.store, symlinks=True)
        self._state = self._look()

    def _look(self) -> dict[str, tuple[int, int, int]]:
        """Return size, time and inode of every file."""
        seen = {}
        for root, _, names in os.walk(self.box):
            for name in names:
                path = os.path.join(root, name)
                stat = os.lstat(path)
                seen[os.path.relpath(path, self.box)] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        return seen

    def put_back(self) -> bool:
        """Undo all changes, and return whether a scene was among them; files that nothing touched stay as they are."""
        now = self._look()
        scenes = False
        for name in now.keys() - self._state.keys():
            (self.box / name).unlink()
        for name, state in self._state.items():
            if now.get(name) != state:
                scenes |= name.startswith(SCENES)
                path = self.box / name
                if path.is_dir():
                    shutil.rmtree(path)
                for parent in reversed(path.parents):
                    if parent.is_file():
                        parent.unlink()
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                shutil.copy2(self.store / name, path)
                stat = path.lstat()
                self._state[name] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        for root, folders, names in os.walk(self.box, topdown=False):
            if not folders and not names and not (self.store / os.path.relpath(root, self.box)).is_dir():
                os.rmdir(root)
        return scenes

    def keep(self, folder: str) -> None:
        """Make the present content of a folder that to which it is put back."""
        shutil.rmtree(self.store / folder)
        shutil.copytree(self.box / folder, self.store / folder, symlinks=True)
        inside = f"{folder}/"
        self._state = {name: state for name, state in self._state.items() if not name.startswith(inside)}
        self._state |= {name: state for name, state in self._look().items() if name.startswith(inside)}


class Campaign:
    """The cases of a seed.

    Args:
        box: An empty folder, which becomes the current one.
        seed: Of the draws.
    """

    def __init__(self, box: Path, seed: int) -> None:
        self.seed, self.log = seed, box.with_name("log")
        box.mkdir(parents=True, exist_ok=True)
        os.chdir(box)
        os.environ["RS_ADAPT_HOME"] = str(box / "home")
        os.environ.pop("RS_ADAPT_DATA", None)
        load_everything()
        if not any(box.iterdir()):
            material.make(box, self._make)
        self.box = Box(box)
        self._clean: dict[tuple[Command, str], tuple[Ended, object]] = {}

    def _make(self, *words: str, stop_after: int | None = None) -> None:
        ended = run(words, self.log, stop_after=stop_after)
        if ended.code or ended.uncaught:
            raise SystemExit(f"rs-adapt {' '.join(words)}: {ended.code}\n{ended.uncaught}\n{ended.out}\n{ended.err}")

    def case(self, number: int, kind: Kind) -> Case:
        """Run one case: its draws depend on seed and number only."""
        rng = random.Random(f"{self.seed} {number}")
        box = self.box.box
        if kind.form == "set":
            what = draw_setting(box / "run_a" / "config.py", rng)
            file, command = "", (*rng.choice(kind.commands), "--set", what)
            base: Command = kind.commands[0]
        else:
            files = [file for pattern in kind.files for file in material.find(box, pattern)]
            file = rng.choice(files)
            command = base = tuple(
                word.format(file=file) if "{file}" in word else word for word in rng.choice(kind.commands)
            )
        before, clean = self._undamaged(kind, base)
        if kind.before is not None:
            kind.before(box)
        if kind.form != "set":
            what = self._damage(kind, box / _place(file, kind), rng)
        ended = run(command, self.log)
        end, text = judge(ended, before, lambda: outcome(box, command, ended.out) == clean)
        if end == "silent" and kind.is_given:
            end = "other input"
        self._put_back()
        return Case(number=number, kind=kind.name, file=file, damage=what, command=command, end=end, text=text)

    def _undamaged(self, kind: Kind, command: Command) -> tuple[Ended, object]:
        key = (command, kind.name)
        if key not in self._clean:
            if kind.before is not None:
                kind.before(self.box.box)
            ended = run(command, self.log)
            # A TorchScript archive of nothing that is known is refused undamaged, too.
            if ended.uncaught or ("error:" in ended.err and "script.pt" not in command):
                raise SystemExit(f"undamaged: {command}: {ended}")
            self._clean[key] = ended, outcome(self.box.box, command, ended.out)
            self._put_back()
        return self._clean[key]

    def _put_back(self) -> None:
        if self.box.put_back():
            # A copy of a scene is another file, so its tiles would be cut again in all later cases, damaged or not.
            for words in material.PREPARED_BY:
                self._make(*words)
            self.box.keep("home")

    def _damage(self, kind: Kind, path: Path, rng: random.Random) -> str:
        content = path.read_bytes()
        if kind.form == "raster":
            name, damaged = damage_raster(path, rng)
        else:
            form = kind.form if path.suffix != ".png" else "bytes"
            name, damaged = damage(form, content, rng)
        path.unlink()
        if damaged is None:
            path.mkdir()
        else:
            path.write_bytes(damaged)
        return name


def _place(file: str, kind: Kind) -> str:
    # The folder was moved before the command.
    return file.replace("unfinished", "data", 1) if file.startswith("unfinished") and kind.before else file


def judge(ended: Ended, clean: Ended, is_same: object) -> tuple[str, str]:
    """Return how a command ended, and the text that shows it."""
    if ended.hung:
        return "hang", ""
    if ended.uncaught:
        kind = "memory" if "MemoryError" in ended.uncaught else "traceback"
        return kind, f"{ended.place} {ended.uncaught}"
    if ended.killed or ended.peak_bytes > clean.peak_bytes + _MUCH_MEMORY:
        return "memory", f"{ended.code}, {ended.peak_bytes >> 20} MiB"
    if "Traceback (most recent call last)" in ended.err:
        return "traceback", ended.err[-300:]
    message = next((line for line in ended.err.splitlines() if line.startswith("error: ")), "")
    if message or "Usage:" in ended.err:
        return ("refused" if ended.code in (1, 2) else "traceback"), message
    try:
        same = is_same()  # type: ignore[operator]
    except Exception as error:
        return "silent", f"no outcome: {error!r}"
    if same and ended.code == clean.code:
        return "unaffected", ""
    said = _new_lines(ended.err, clean.err) or [
        line for line in _new_lines(ended.out, clean.out) if _WORDS.search(line)
    ]
    return ("reported", " | ".join(said)[:300]) if said else ("silent", "")


def _new_lines(text: str, clean: str) -> list[str]:
    known = {_VARYING.sub("#", line).strip() for line in clean.splitlines()}
    return [line.strip() for line in text.splitlines() if line.strip() and _VARYING.sub("#", line).strip() not in known]


def table(cases: list[Case]) -> str:
    """Return the counts by kind as a Markdown table."""
    rows = [f"| kind | files | {' | '.join(ENDS)} |", f"|---|{'--:|' * (len(ENDS) + 1)}"]
    names = list(dict.fromkeys(kind.name for kind in KINDS))
    for name in (*names, "all"):
        ends = Counter(case.end for case in cases if name in (case.kind, "all"))
        rows.append(f"| {name} | {ends.total()} | {' | '.join(str(ends[end]) for end in ENDS)} |")
    return "\n".join(rows)


def main() -> int:
    """Run a campaign; the exit code is 1 if a case ended in a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000, help="number of damaged files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case, to repeat one")
    parser.add_argument("--kind", help="only kinds whose name begins so")
    parser.add_argument("--seconds", type=float, help="stop after so many seconds")
    parser.add_argument("--cases", type=Path, help="file to write every case to, as JSON lines")
    parser.add_argument("--material", type=Path, help="folder to make the undamaged files in once, and use them again")
    options = parser.parse_args()
    cases: list[Case] = []
    log = options.cases.resolve().open("w") if options.cases else None
    order = [kind for kind in KINDS for _ in range(kind.weight)]
    random.Random(options.seed).shuffle(order)
    with tempfile.TemporaryDirectory() as folder:
        box = (options.material or Path(folder)).resolve() / "box"
        start_s = time.monotonic()
        campaign = Campaign(box, options.seed)
        print(f"material: {time.monotonic() - start_s:.0f} s", file=sys.stderr)
        for number in range(options.first, options.first + options.files):
            kind = order[number % len(order)]
            if options.kind and not kind.name.startswith(options.kind):
                continue
            if options.seconds and time.monotonic() - start_s > options.seconds:
                break
            case = campaign.case(number, kind)
            cases.append(case)
            if log:
                print(json.dumps(vars(case)), file=log, flush=True)
            if case.end in FAULTS:
                print(f"{case.number}: {case.end}: {case.file}: {case.damage}: {' '.join(case.command)}: {case.text}")
        os.chdir("/")
    print(table(cases))
    return int(any(case.end in FAULTS for case in cases))


if __name__ == "__main__":
    raise SystemExit(main())
