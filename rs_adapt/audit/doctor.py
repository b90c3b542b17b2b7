"""Check what a machine needs to run rs-adapt; each result names the command that fixes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path
from typing import Literal

from rs_adapt.config import axes, paths
from rs_adapt.config.facts import SPLITS, BenchFacts
from rs_adapt.config.tasks import SEGMENTATION
from rs_adapt.config.weights_files import fetch_command
from rs_adapt.launching import module_path, python_command, run_and_wait

Status = Literal["ok", "warning", "error"]
# Distributions with the same import names as the maintained ones that rs-adapt needs.
RIVALS = {
    "onedl-mmengine": ("mmengine", "mmengine-lite"),
    "onedl-mmcv": ("mmcv", "mmcv-full", "mmcv-lite"),
    "onedl-mmsegmentation": ("mmsegmentation",),
}
LEAST_FREE_BYTES = 5 * 1024**3
_GIB = 1024**3


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """The result of a check: name, status, observation, and the command that fixes it ("" where nothing is wrong)."""

    name: str
    status: Status
    seen: str
    fix: str = ""


def examine(*, data_root: Path, smoke: bool = True, on_check: Callable[[str], None] | None = None) -> list[CheckResult]:
    """Run all checks.

    Args:
        data_root: The folder of the data sets.
        smoke: Whether to train one iteration in a temporary folder.
        on_check: Called with the name of each check before it starts.
    """
    checks: list[tuple[str, Callable[[], Iterator[CheckResult]]]] = [
        ("python", _python),
        ("packages", _packages),
        ("rivals", _rivals),
        ("torch", _torch),
        ("disk", _disk),
        ("weights", _weights),
        ("data", lambda: _data(data_root)),
    ]
    if smoke:
        checks.append(("training", _training))
    results: list[CheckResult] = []
    for name, check in checks:
        if on_check:
            on_check(name)
        results.extend(check())
    return results


def _python() -> Iterator[CheckResult]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield CheckResult(
        name="python",
        status="ok" if good else "error",
        seen=f"{version}, {sys.executable}" + ("" if good else "; 3.11 or newer is needed"),
        fix="" if good else "make install PYTHON=python3.12",
    )


def _packages() -> Iterator[CheckResult]:
    """Check every requirement of rs-adapt against the installed version."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in requires("rs-adapt") or []]
    except PackageNotFoundError:
        yield CheckResult(
            name="packages",
            status="warning",
            seen="rs-adapt is not installed, only on the path",
            fix="pip install -e .",
        )
        return
    fitting = 0
    for requirement in wanted:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = distribution(requirement.name).version
        except PackageNotFoundError:
            yield CheckResult(
                name=requirement.name, status="error", seen="not installed", fix=f"pip install '{requirement}'"
            )
            continue
        if requirement.specifier.contains(version, prereleases=True):
            fitting += 1
        else:
            seen = f"{version} is installed; rs-adapt needs {requirement.specifier}"
            yield CheckResult(name=requirement.name, status="error", seen=seen, fix=f"pip install '{requirement}'")
    yield CheckResult(name="packages", status="ok", seen=f"{fitting} required packages have a version that fits")


def _rivals() -> Iterator[CheckResult]:
    installed = []
    for ours, rivals in RIVALS.items():
        for rival in rivals:
            try:
                version = distribution(rival).version
            except PackageNotFoundError:
                continue
            installed.append(rival)
            yield CheckResult(
                name=rival,
                status="error",
                seen=f"{version} is installed beside {ours}: both write to one folder, and chance decides which runs",
                fix=f"pip uninstall -y {rival} && pip install --force-reinstall --no-deps {ours}",
            )
    if not installed:
        yield CheckResult(name="mm* packages", status="ok", seen="no rival distribution with the same import names")


def _torch() -> Iterator[CheckResult]:
    import torch

    if not torch.cuda.is_available():
        seen = f"{torch.__version__}, no CUDA device ({'a CUDA' if torch.version.cuda else 'a CPU'} build)"
        gpu = _nvidia_gpu()
        fix = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl/cu128" if gpu else ""
        # Without a GPU in the machine nothing is wrong: small backbones train on the CPU.
        yield CheckResult(
            name="torch", status="warning" if gpu else "ok", seen=seen + (f"; found {gpu}" if gpu else ""), fix=fix
        )
        return
    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        seen = f"{torch.__version__}, cuda:{number} {facts.name}, {facts.total_memory / _GIB:.0f} GiB, {bf16}"
        yield CheckResult(name="torch", status="ok", seen=seen)


def _nvidia_gpu() -> str:
    """Return the name of the GPU that the driver sees, "" if there is none."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else ""


def _disk() -> Iterator[CheckResult]:
    for name, folder, fix in (
        ("disk, cache", paths.home(), "export RS_ADAPT_HOME=/path/on/a/larger/disk"),
        ("disk, runs", Path.cwd(), "cd to a different disk, or choose one with --work-dir"),
    ):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        free = shutil.disk_usage(existing).free
        writable = os.access(existing, os.W_OK)
        state: Status = "error" if not writable else "ok" if free >= LEAST_FREE_BYTES else "warning"
        seen = f"{folder}: {free / _GIB:.1f} GiB free" + ("" if writable else ", and it cannot be written to")
        yield CheckResult(name=name, status=state, seen=seen, fix="" if state == "ok" else fix)


def _weights() -> Iterator[CheckResult]:
    """Check base weights that are there, byte by byte where their hash is published; the others in one line."""
    from rs_adapt.backbones.weights import file_sha256

    absent = []
    for name in axes.values("backbone"):
        facts = axes.backbone_facts(name).get("weights")
        if not facts:
            continue
        path = paths.weights_file(facts)
        if not path.is_file():
            absent.append(name.replace("_", "-"))
            continue
        expected = facts.get("sha256")
        good = expected is None or file_sha256(path) == expected
        seen = f"{path}" + ("" if expected else " (no published hash to compare with)")
        again = "pip install --force-reinstall rs-adapt" if facts.get("shipped") else fetch_command(facts)
        yield CheckResult(
            name=f"weights {name.replace('_', '-')}",
            status="ok" if good else "error",
            seen=seen if good else f"{path} is damaged: its SHA-256 is not the published one",
            fix="" if good else f"rm {path} && {again}",
        )
    if absent:
        yield CheckResult(
            name="weights", status="ok", seen=f"not fetched: {', '.join(absent)}", fix="rs-adapt weights list"
        )


def _data(data_root: Path) -> Iterator[CheckResult]:
    """Check the data sets below the data root: complete by their published numbers, incomplete or absent."""
    absent = []
    count = lru_cache(maxsize=None)(_num_files)
    for bench in axes.values_of_task("bench", SEGMENTATION):
        facts = axes.bench_facts(bench)
        if facts["prepare"] and facts["prepare"]["kind"] == "synthetic":
            continue
        wanted = _folders(facts)
        present = [folder for folder in wanted if any((data_root / folder).glob("*"))]
        label = bench.replace("_", "-")
        if not present:
            absent.append(label)
        elif len(present) < len(wanted):
            missing = next(folder for folder in wanted if folder not in present)
            yield CheckResult(
                name=f"data {label}",
                status="warning",
                seen=f"{len(present)} of {len(wanted)} folders hold files below {data_root}; {missing} does not",
                fix=f"rs-adapt data verify {label} --data-root {data_root}",
            )
        elif wrong := _wrong_numbers(bench, data_root, count):
            yield CheckResult(
                name=f"data {label}",
                status="warning",
                seen=f"below {data_root}: {'; '.join(wrong)}",
                fix=f"rs-adapt data verify {label} --data-root {data_root}",
            )
        else:
            yield CheckResult(
                name=f"data {label}",
                status="ok",
                seen=f"all {len(wanted)} folders hold files below {data_root}, in the published numbers; "
                f"`rs-adapt data verify {label}` checks their content",
            )
    if absent:
        yield CheckResult(
            name="data", status="ok", seen=f"not below {data_root}: {', '.join(absent)}", fix="rs-adapt list benches"
        )


def _wrong_numbers(bench: str, data_root: Path, count: Callable[[Path, str], int]) -> list[str]:
    from rs_adapt.datasets.tile_sets import find_tile_sets

    if axes.bench_facts(bench)["prepare"]:
        return []
    tiles = find_tile_sets(bench, data_root)
    return [
        f"{tile_set.title} has {number} images, but {tile_set.num_tiles} are published"
        for tile_set in tiles.sets
        if tile_set.num_tiles is not None
        and (number := count(tile_set.img_dir, tiles.img_suffix)) != tile_set.num_tiles
    ]


def _num_files(folder: Path, suffix: str) -> int:
    return sum(1 for _ in folder.rglob(f"*{suffix}"))


def _folders(bench: BenchFacts) -> list[str]:
    """Return the folders that a bench reads below the data root."""
    if prepare := bench["prepare"]:
        return [str(prepare["image_dir"]), str(prepare["label_dir"])]
    splits = [region.get(split) for region in (bench["source"], bench["target"]) for split in SPLITS]
    return list(dict.fromkeys(folder for split in splits if split for folder in (split["img_dir"], split["ann_dir"])))


def _training() -> Iterator[CheckResult]:
    """Train one iteration of the README's first command in a process of its own, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="rs-adapt-doctor-") as folder:
        command = [*python_command("rs_adapt", "train"), "--bench", "synthetic-da", "--iters", "1"]
        command += ["--num-workers", "0", "--work-dir", str(Path(folder) / "run")]
        for split in ("train", "val", "test"):
            command += ["--set", f"bench.prepare.scenes.{split}=1"]
        code, output, errors = run_and_wait(command, env=module_path() | {"RS_ADAPT_HOME": folder})
    if code == 0:
        yield CheckResult(name="training", status="ok", seen="one iteration on synthetic scenes, scored and saved")
        return
    last = (errors.strip() or output.strip() or "no message").splitlines()[-1]
    yield CheckResult(
        name="training",
        status="error",
        seen=f"one iteration failed with exit code {code}: {last}",
        fix="rs-adapt train --bench synthetic-da --iters 1",
    )
