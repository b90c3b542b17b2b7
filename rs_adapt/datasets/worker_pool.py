"""Tasks spread over processes that end with the process that started them, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path
from typing import TypeVar

from rs_adapt.errors import RunFailed
from rs_adapt.launching import safe_path

Task = TypeVar("Task")
Result = TypeVar("Result")
_CONTINUES = (
    "Finished scenes are saved: the same command continues; with fewer --jobs than {jobs} it takes less memory."
)


def default_jobs() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def may_start_processes() -> bool:
    """Return whether new processes are safe: each imports the program's main file, and runs it if nothing guards it.

    True for `rs-adapt`, `python -m rs_adapt` and where there is no such file (a notebook); False for a user's script.
    """
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    name = getattr(getattr(main, "__spec__", None), "name", None) or ""
    return file is None or name.partition(".")[0] == "rs_adapt" or Path(file).stem == "rs-adapt"


def run_in_processes(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    jobs: int,
    remedy: str = _CONTINUES,
    ends_at_stop: bool = False,
) -> Iterator[Result]:
    """Yield results as they come; with one job (or task) in this process, and in order.

    Args:
        work: A module-level function, so that other processes can import it.
        tasks: Its arguments, one for each call.
        jobs: Number of processes.
        remedy: Sentences for the error, what to do where a process was killed.
        ends_at_stop: End the processes at Ctrl-C in place of waiting for their tasks, which must stand it.

    Raises:
        RunFailed: A process was killed.
        Exception: Whatever `work` raises; tasks that have not begun are dropped.
    """
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        yield from map(work, tasks)
        return
    # Spawned: forked ones would hold this process's locks and pipes open after its end.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(max_workers=jobs, mp_context=context, initializer=_start)
    try:
        with safe_path():
            futures = [pool.submit(work, task) for task in tasks]
        for future in as_completed(futures):
            yield future.result()
    except BrokenProcessPool as error:
        raise RunFailed(
            f"A worker process was killed, perhaps because memory ran out. {remedy.format(jobs=jobs)}"
        ) from error
    except KeyboardInterrupt:
        if ends_at_stop:
            for process in [*pool._processes.values()]:
                process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start() -> None:
    # Ctrl-C reaches the whole group; the process that started the workers decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end_with_parent() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
