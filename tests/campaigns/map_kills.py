"""Kill `rs-adapt predict` at random moments, repeat the same command, and compare the bytes of its files.

`python tests/campaigns/map_kills.py --kills 20` predicts two scenes with three layers each: once without an
interruption, then again and again until the kills are used up. Each process is killed (SIGKILL) after a random share of
the time that the whole command takes, and the same command follows. A round ends when the command ends by itself; its
files must be those of the uninterrupted one, and nothing else may lie beside them.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import kill_campaign
import numpy as np

from rs_adapt.scenes import write_geotiff

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"


def draw(folder: Path, side_px: int) -> None:
    """Write two scenes, one of which has an edge without data."""
    (folder / "scenes").mkdir()
    for number, name in enumerate(("a", "b")):
        rng = np.random.default_rng(number)
        coarse_HW3 = rng.integers(20, 230, (side_px // 32 + 1, side_px // 32 + 1, 3))
        image_HW3 = coarse_HW3.repeat(32, axis=0).repeat(32, axis=1)[:side_px, :side_px]
        image_HW3 = (image_HW3 + rng.integers(-9, 9, image_HW3.shape)).astype(np.uint8)
        image_HW3[:, : 150 * number] = 0
        write_geotiff(
            folder / "scenes" / f"{name}.tif",
            image_HW3,
            crs="EPSG:32632",
            transform=(0.5, 0, 4e5, 0, -0.5, 5e6),
            nodata=0,
        )


def start(folder: Path, out: Path, checkpoint: Path) -> int:
    """Start the command in a forked process, and return its number."""
    process = os.fork()
    if process == 0:
        code = 70
        try:
            with (folder / "log").open("ab") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            from rs_adapt.commands import main

            options = ("--confidence", "--probabilities", "--style", "--preview", "--device", "cpu")
            try:
                main(["predict", str(folder / "scenes"), "--checkpoint", str(checkpoint), "--out", str(out), *options])
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
        finally:
            os._exit(code)
    return process


def end(process: int, wait_s: float | None) -> int | None:
    """Return the exit code of a process, or kill it after some seconds and return None."""
    until_s = time.monotonic() + (wait_s if wait_s is not None else 1e9)
    while time.monotonic() < until_s:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def content(out: Path) -> dict[str, bytes]:
    """Return the bytes of the files in a folder."""
    return {path.name: path.read_bytes() if path.is_file() else b"a folder" for path in out.glob("*")}


def main() -> int:
    """Print a line for each round; 1 if a command failed or its files differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="kills in all")
    parser.add_argument("--side-px", type=int, default=420, help="side of a scene")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--checkpoint", type=Path, default=RUN, help="run, or ONNX model")
    options = parser.parse_args()
    moments, faults, kills, rounds = random.Random(options.seed), 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="map-kills-") as place:
        folder, out = Path(place), Path(place) / "maps"
        os.environ["RS_ADAPT_HOME"] = str(folder / "home")
        draw(folder, options.side_px)
        kill_campaign.warm_up()
        started_s = time.monotonic()
        assert end(start(folder, out, options.checkpoint), None) == 0, (folder / "log").read_text()
        whole_s, wanted = time.monotonic() - started_s, content(out)
        print(f"uninterrupted: {whole_s:.1f} s, {len(wanted)} files", flush=True)
        while kills < options.kills:
            shutil.rmtree(out, ignore_errors=True)
            rounds, in_round, code = rounds + 1, 0, None
            while code is None:
                is_last = kills >= options.kills
                wait_s = None if is_last else moments.uniform(0.02, 0.6) * whole_s
                code = end(start(folder, out, options.checkpoint), wait_s)
                in_round += code is None
                kills += code is None
            # A call that was killed after its last file is refused: its maps are there.
            is_complete = code == 0 or (code == 2 and content(out).keys() == wanted.keys())
            is_equal = content(out) == wanted
            faults += not (is_complete and is_equal)
            print(f"round {rounds}: {in_round} kills, exit code {code}, identical bytes: {is_equal}", flush=True)
            if not is_complete:
                print((folder / "log").read_text()[-2000:])
    print(f"{kills} kills, {rounds} rounds, {faults} faults")
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
