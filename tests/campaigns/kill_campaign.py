"""Kill the verbs that write files before their n-th change of a file, and repeat the command as a user would.

`python tests/campaigns/kill_campaign.py` kills at a sample of the points; `--all` at every one, `--full-disk` fails
there as a full disk does instead of killing, and `--disk` runs the verbs on a small disk that is full, out of inodes or
read-only, and under a limit on the size of files. A point is broken if the repeated command does not end with 0, and
unequal if its files are not those of an uninterrupted run, apart from times, identifiers and logs (`verbs.TIMES`,
`verbs.LOGS`).
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import disks
import file_events
import verbs

KILLED = -9
# Standard error and events of the last process; not on the disk that is full.
NOTES = tempfile.TemporaryDirectory(prefix="kills-notes-")


@dataclass
class Row:
    """What happened at the points of a verb."""

    verb: str
    points: int = 0
    tried: int = 0
    stopped: int = 0
    broken: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def say(self, where: str, error: str) -> None:
        """Add the sentence of a failure."""
        self.sentences += [f"{where}: {line}" for line in error.splitlines() if line.startswith("error: ")]


def run_forked(
    arguments: Sequence[str],
    folder: Path,
    home: Path,
    *,
    count: file_events.Counter | None = None,
    max_kib: int | None = None,
) -> tuple[int, str, str]:
    """Run a command line in a forked process; return its exit code, its standard error, and the events, one a line."""
    log, notes = Path(NOTES.name) / "stderr", Path(NOTES.name) / "events"
    notes.unlink(missing_ok=True)
    process = os.fork()
    if process == 0:
        code = 70
        try:
            with log.open("wb") as out, Path(os.devnull).open("wb") as nothing:
                os.dup2(nothing.fileno(), 1)
                os.dup2(out.fileno(), 2)
            os.environ["RS_ADAPT_HOME"] = str(home)
            os.chdir(folder)
            from rs_adapt.commands import main

            if count is not None:
                file_events.watch([folder], count)
            if max_kib is not None:
                disks.limit_file_size(max_kib)
            try:
                main([part.format(here=folder) for part in arguments])
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if count is not None:
                notes.write_text("\n".join(f"{kind} {path}" for kind, path in count.events))
        except BaseException:
            traceback.print_exc()
        finally:
            # Whatever fails, this process must not unwind into what its parent cleans up.
            with suppress(Exception):
                sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(process, 0)
    return (
        os.waitstatus_to_exitcode(status),
        log.read_text(errors="replace"),
        notes.read_text() if notes.exists() else "",
    )


def repeat(verb: verbs.Verb, folder: Path, home: Path) -> tuple[int, str]:
    """Repeat a command that was broken off: as it is, then with what the refusal advises."""
    error = ""
    for extra in ("", *verb.again):
        arguments = (*verb.arguments, *([extra] if extra else []))
        code, error, _ = run_forked(arguments, folder, home)
        if f"{folder}/run holds a run." in error:
            # It had been finished before it was killed.
            return 0, ""
        if code == 0 or not (code == 2 and any(option in error for option in verb.again)):
            break
    return code, error


def warm_up() -> None:
    """Import in this process what the verbs import, so that every forked one starts at once."""
    import rasterio  # noqa: F401
    import torch  # noqa: F401
    from mmengine.runner import Runner  # noqa: F401

    from rs_adapt.registry import load_libraries, quiet_libraries

    with quiet_libraries():
        load_libraries("mmseg")


def check_verb(
    verb: verbs.Verb,
    place: Path,
    shared_home: Path,
    *,
    choose: Callable[[int], Sequence[int]],
    act: Callable[[str], None],
    is_stopped: Callable[[int, str], bool],
) -> Row:
    """Break a verb off at some of its points, and repeat it."""
    start, once = place / "start", place / "once"
    start.mkdir(parents=True)
    verbs.write_files(verb, start)
    home_of = (lambda folder: folder / "home") if verb.home else (lambda folder: shared_home)
    work = place / "here"
    verbs.copy_start(start, work)
    for arguments in verb.before:
        code, error, _ = run_forked(arguments, work, home_of(work))
        assert code == 0, error
    shutil.move(work, once)
    verbs.copy_start(once, work)
    code, error, events = run_forked(verb.arguments, work, home_of(work), count=file_events.Counter())
    assert code == 0, error
    wanted, names = verbs.contents(verb, work), events.splitlines()
    row = Row(verb.name, points=len(names))
    for point in choose(len(names)):
        verbs.copy_start(once, work)
        counter = file_events.Counter(act, at=point)
        code, error, _ = run_forked(verb.arguments, work, home_of(work), count=counter)
        where = f"{point}: before {names[point - 1].replace(str(work), '')}"
        print(f"{verb.name} {where}", file=sys.stderr, flush=True)
        row.tried += 1
        row.stopped += code != 0
        if not is_stopped(code, error):
            row.broken.append(f"{where}: the first command ended with {code}: {error[-600:]}")
            continue
        row.say(where, error)
        code, error = repeat(verb, work, home_of(work))
        if code != 0:
            row.broken.append(f"{where}: {code}: {error[-600:]}")
            continue
        there = verbs.contents(verb, work)
        if there != wanted:
            differ = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
            row.unequal.append(f"{where}: {', '.join(differ)}")
    return row


def check_on_disk(verb: verbs.Verb, place: Path, shared_home: Path) -> Row | None:
    """Run a verb on a small disk in each of its faults, and repeat it without; None where none may be mounted."""
    start, disk = place / "start", place / "disk"
    start.mkdir(parents=True)
    verbs.write_files(verb, start)
    with disks.small_disk(disk) as is_mounted:
        if not is_mounted:
            return None
        work = disk / "here"
        home = work / "home" if verb.home else shared_home
        verbs.copy_start(start, work)
        for arguments in verb.before:
            code, error, _ = run_forked(arguments, work, home)
            assert code == 0, error
        once = place / "once"
        shutil.copytree(work, once)
        code, error, _ = run_forked(verb.arguments, work, home)
        assert code == 0, error
        wanted, row = verbs.contents(verb, work), Row(verb.name)
        cases = [(name, amount) for name, (_, amounts) in disks.FAULTS.items() for amount in amounts]
        for name, amount in (*cases, *(("file size", kib) for kib in disks.FILE_SIZES_KIB)):
            verbs.copy_start(once, work)
            mend = disks.FAULTS[name][0](disk, amount) if name in disks.FAULTS else None
            code, error, _ = run_forked(verb.arguments, work, home, max_kib=None if mend else amount)
            if mend is not None:
                mend()
            row.points += 1
            row.tried += 1
            row.stopped += code != 0
            where = f"{name} {amount}"
            print(f"{verb.name} {where}", file=sys.stderr, flush=True)
            if not is_explained(code, error):
                row.broken.append(f"{where}: the first command ended with {code}: {error[-900:]}")
                continue
            row.say(where, error)
            code, error = repeat(verb, work, home)
            if code != 0:
                row.broken.append(f"{where}: {code}: {error[-600:]}")
            elif (there := verbs.contents(verb, work)) != wanted:
                differ = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
                row.unequal.append(f"{where}: {', '.join(differ)}")
    return row


def sample(share: float, seed: int) -> Callable[[int], Sequence[int]]:
    """Return a function that draws a share of the points, the first and the last two among them."""

    def choose(points: int) -> Sequence[int]:
        if share >= 1:
            return range(1, points + 1)
        count = min(points, max(3, round(points * share)))
        inner = random.Random(seed).sample(range(2, points - 1), max(0, min(count - 3, points - 3)))
        return sorted({1, max(1, points - 1), points, *inner})

    return choose


def is_killed(code: int, _error: str) -> bool:
    """Return whether a process was killed, or ended before it came to the point: TensorBoard's thread varies."""
    return code in (KILLED, 0)


def is_explained(code: int, error: str) -> bool:
    """Return whether a failure was one sentence, or one that did not matter, as that of a cache."""
    lines = [line for line in error.splitlines() if line.startswith("error: ")]
    return code == 0 or (code in (1, 2) and len(lines) == 1 and "Traceback" not in error)


def campaign(names: Sequence[str], *, share: float, seed: int, full_disk: bool, on_disk: bool) -> Iterator[Row]:
    """Yield the row of each verb."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        place = Path(folder).resolve()
        warm_up()
        for number, verb in enumerate(verbs.VERBS):
            if names and verb.name not in names:
                continue
            if on_disk:
                row = check_on_disk(verb, place / str(number), place / "home")
                if row is None:
                    print("no small disk may be mounted here")
                    return
                yield row
            else:
                yield check_verb(
                    verb,
                    place / str(number),
                    place / "home",
                    choose=sample(share, seed + number),
                    act=file_events.fill_disk if full_disk else file_events.kill,
                    is_stopped=is_explained if full_disk else is_killed,
                )


def main() -> int:
    """Print a table of the campaign; 1 if a point is broken or unequal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verbs", nargs="*", help="names of verbs; none means all")
    parser.add_argument("--share", type=float, default=0.1, help="share of the points that are tried")
    parser.add_argument("--all", action="store_true", help="try every point")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sample")
    parser.add_argument("--full-disk", action="store_true", help="fail as a full disk does instead of killing")
    parser.add_argument("--disk", action="store_true", help="run on a small disk with faults instead of killing")
    parser.add_argument("--sentences", action="store_true", help="print the sentence of each failure of a disk")
    options = parser.parse_args()
    rows, started_s = [], time.monotonic()
    share = 1.0 if options.all else options.share
    print(f"{'verb':20} {'points':>6} {'tried':>6} {'stopped':>7} {'broken':>6} {'not bit-equal':>13}", flush=True)
    for row in campaign(
        options.verbs, share=share, seed=options.seed, full_disk=options.full_disk, on_disk=options.disk
    ):
        counts = f"{row.points:6} {row.tried:6} {row.stopped:7} {len(row.broken):6} {len(row.unequal):13}"
        print(f"{row.verb:20} {counts}", flush=True)
        for line in (*(f"  broken {text}" for text in row.broken), *(f"  unequal {text}" for text in row.unequal)):
            print(line, flush=True)
        for line in row.sentences if options.sentences else ():
            print(f"  {line}", flush=True)
        rows.append(row)
    total = f"{sum(row.points for row in rows):6} {sum(row.tried for row in rows):6}"
    faults = f"{sum(len(row.broken) for row in rows):6} {sum(len(row.unequal) for row in rows):13}"
    print(f"{'all':20} {total} {sum(row.stopped for row in rows):7} {faults}")
    print(f"{time.monotonic() - started_s:.0f} s")
    return int(any(row.broken or row.unequal for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
