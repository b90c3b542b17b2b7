"""Commands of rs-adapt in forked children: quick, because everything is loaded already, and with limits."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Seconds of computing after which a command counts as hanging, and seconds by the clock on a busy machine.
CPU_S = 40
WALL_S = 300
# What a child may use beyond what the parent has loaded.
MEMORY = 3 << 30


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: exit code, both outputs, the error that nobody caught, and what it used."""

    code: int
    out: str
    err: str
    uncaught: str = ""
    place: str = ""
    hung: bool = False
    killed: bool = False
    peak_bytes: int = 0
    seconds: float = 0.0


def load_everything() -> None:
    """Load what commands load, so that a forked child starts at once."""
    import importlib
    import pkgutil

    import torch

    import rs_adapt

    torch.set_num_threads(1)
    for module in pkgutil.walk_packages(rs_adapt.__path__, "rs_adapt."):
        if "__main__" not in module.name and "_configs" not in module.name:
            importlib.import_module(module.name)
    from rs_adapt.registry import load_libraries

    load_libraries("mmseg")
    import matplotlib.pyplot  # noqa: F401


def run(words: Sequence[str], log: Path, *, stop_after: int | None = None) -> Ended:
    """Run a command in a child.

    Args:
        words: The arguments of `rs-adapt`.
        log: Name for the files of both outputs.
        stop_after: End without a word after the training state of this iteration is written.
    """
    out, err, caught = (log.with_suffix(f".{name}") for name in ("out", "err", "caught"))
    for file in (out, err, caught):
        file.unlink(missing_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    start_s = time.monotonic()
    child = os.fork()
    if child == 0:
        _be_child(words, out, err, caught, stop_after)
    status, usage, hung = _wait(child, start_s)
    text = caught.read_text(errors="replace") if caught.exists() else ""
    place, _, uncaught = text.partition("\n")
    return Ended(
        code=os.waitstatus_to_exitcode(status),
        out=out.read_text(errors="replace"),
        err=err.read_text(errors="replace"),
        uncaught=uncaught,
        place=place,
        hung=hung or os.waitstatus_to_exitcode(status) == -signal.SIGXCPU,
        killed=os.waitstatus_to_exitcode(status) < 0,
        peak_bytes=usage.ru_maxrss * 1024,
        seconds=time.monotonic() - start_s,
    )


def _wait(child: int, start_s: float) -> tuple[int, resource.struct_rusage, bool]:
    hung = False
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            return status, usage, hung
        if time.monotonic() - start_s > WALL_S and not hung:
            hung = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.01)


def _be_child(words: Sequence[str], out: Path, err: Path, caught: Path, stop_after: int | None) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        for file, descriptor in ((os.devnull, 0), (out, 1), (err, 2)):
            os.dup2(os.open(file, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT), descriptor)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if stop_after is not None:
            _stop_after(stop_after)
        sys.argv = ["rs-adapt", *words]
        from rs_adapt.commands import main

        main(list(words))
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except BaseException as error:
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/rs_adapt/" in frame.filename]
        place = f"{frames[-1].filename.split('/rs_adapt/')[-1]}:{frames[-1].lineno}" if frames else "?"
        caught.write_text(f"{place}\n{type(error).__name__}: {str(error)[:300]}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _stop_after(iteration: int) -> None:
    from rs_adapt.engine import recorder

    save = recorder.save_state

    def save_and_stop(path: Path, **how: object) -> None:
        save(path, **how)  # type: ignore[arg-type]
        if how["iteration"] == iteration:
            os._exit(0)

    recorder.save_state = save_and_stop
