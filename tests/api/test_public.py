"""What `import rs_adapt` offers: a fixed list of names, imported late, documented with examples that run."""

from __future__ import annotations

import ast
import doctest
import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import serve_hub, use_hub

import rs_adapt as rsa
from rs_adapt.commands import main
from rs_adapt.runs.run import Run

NAMES = [
    "RsAdaptError",
    "__version__",
    "adapt",
    "average",
    "calibrate",
    "check",
    "collect",
    "compare",
    "compose",
    "errors",
    "evaluate",
    "judge",
    "lint",
    "load",
    "predict",
    "push",
    "report",
    "resolve",
    "score",
    "share",
    "train",
    "verify",
]
# In the order of their examples: the later ones read the run of the first.
TRAINING = ("train", "check", "evaluate", "load", "calibrate", "predict", "judge", "adapt")
FUNCTIONS = [name for name in NAMES if name not in ("RsAdaptError", "__version__", "errors")]


def test_names_of_the_package() -> None:
    assert rsa.__all__ == NAMES
    assert dir(rsa) == NAMES
    with pytest.raises(AttributeError, match="no attribute 'tran'"):
        _ = rsa.tran  # type: ignore[attr-defined]


def test_editors_see_the_functions_that_are_imported_late() -> None:
    tree = ast.parse(Path(rsa.__file__).read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name: node.module for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert sorted(seen) == FUNCTIONS
    assert {name: getattr(rsa, name).__module__ for name in FUNCTIONS} == seen
    assert (Path(rsa.__file__).parent / "py.typed").is_file()


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = "import sys, rs_adapt; dir(rs_adapt); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(run.stdout.split())
    assert not loaded & {"torch", "numpy", "mmengine", "mmcv", "rich", "typer", "pydantic", "transformers", "rasterio"}
    assert {name for name in loaded if name.startswith("rs_adapt")} == {"rs_adapt", "rs_adapt.errors"}


def test_reading_and_composing_loads_no_torch(tmp_path: Path) -> None:
    script = (
        "import sys, rs_adapt as rsa; rsa.compose('loveda-da'); "
        "[getattr(rsa, name) for name in ('collect', 'score', 'compare', 'report', 'lint', 'verify')]; "
        "print(*sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path
    )
    assert not set(run.stdout.split()) & {"torch", "mmcv", "mmseg", "rasterio", "transformers"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_documented(name: str) -> None:
    function = getattr(rsa, name)
    doc = inspect.getdoc(function) or ""
    assert doc.split("\n")[0].endswith(".")
    assert "Raises:" in doc
    assert ">>> import rs_adapt as rsa" in doc
    parameters = inspect.signature(function).parameters
    for parameter in parameters.values():
        assert f"    {parameter.name}: " in doc, parameter.name
        assert parameter.annotation is not inspect.Parameter.empty


def test_composed_options_equal_those_of_the_command_line() -> None:
    from rs_adapt.commands.show import show

    renamed = {"set_": "overrides", "untuned": "tuned"}
    of_command = {renamed.get(name, name) for name in inspect.signature(show).parameters} - {"cost", "as_json"}
    assert set(inspect.signature(rsa.compose).parameters) == of_command


def run_examples(*names: str) -> None:
    finder, runner = doctest.DocTestFinder(recurse=False), doctest.DocTestRunner()
    for name in names:
        for example in finder.find(getattr(rsa, name), name):
            assert example.examples, name
            runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def test_examples_of_reading_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"
    shutil.copytree(stored, tmp_path / "work_dirs" / "first")
    monkeypatch.chdir(tmp_path)
    with serve_hub() as hub:
        use_hub(hub.url, tmp_path / "cache", monkeypatch)
        run_examples(*(name for name in FUNCTIONS if name not in TRAINING))


@pytest.mark.slow
def test_examples_of_training_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_home: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # Of the same bench with fewer and smaller scenes, so that scoring takes seconds.
    fewer = [f"bench.prepare.scenes.{split}=1" for split in ("train", "val", "test")]
    fewer.append("bench.prepare.size_px=256")
    compose = rsa.compose
    monkeypatch.setattr(rsa, "compose", lambda bench, **options: compose(bench, **options, overrides=fewer))
    run_examples(*TRAINING)


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_home: Path) -> Run:
    """Return a run of two iterations, trained by the public function."""
    monkeypatch.chdir(tmp_path)
    cfg = rsa.compose(
        "synthetic-dg", iters=2, batch_size=2, num_workers=0, work_dir="run", overrides={"optim.lr": 2e-4}
    )
    stages: list[str] = []
    run = rsa.train(
        cfg,
        device="cpu",
        loggers=["none"],
        progress=lambda stage, done, total: stages.append(f"{stage} {done}/{total}"),
    )
    assert "training 2/2" in stages
    return run


@pytest.mark.slow
def test_a_run_stores_the_command_that_repeats_it(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert finished.result is not None
    assert finished.overrides == ("bench.schedule.iters=2", "bench.schedule.batch_size.dg=2", *finished.overrides[2:])
    assert "optim.lr=0.0002" in finished.overrides
    stored = json.loads((finished.folder / "cell.json").read_text())
    words = stored["command"].split()
    assert words[:2] == ["rs-adapt", "train"]
    with pytest.raises(SystemExit):
        main([*words[1:], "--dry-run", "--overwrite", "--json", "--device", "cpu"])
    assert json.loads(capsys.readouterr().out)["folder"] == str(finished.folder)
    assert sorted(path.name for path in finished.folder.glob("*.png"))


def test_a_configuration_that_was_changed_is_refused(tmp_path: Path) -> None:
    cfg = rsa.compose("synthetic-dg", work_dir=tmp_path / "run")
    cfg.optim.lr = 1.0
    with pytest.raises(rsa.errors.ConfigError, match="overrides="):
        rsa.train(cfg)
    assert not (tmp_path / "run").exists()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("overrides", "texts"),
    [
        ({"optim.lr": 6e-5}, ["optim.lr=6e-05"]),
        ({"bench.crop_px": 64, "bench.inference.mode": "whole"}, ["bench.crop_px=64", "bench.inference.mode=whole"]),
        ({"a.b": "none", "a.c": "1", "a.d": None}, ["a.b='none'", "a.c='1'", "a.d=None"]),
        (["optim.lr=6e-5"], ["optim.lr=6e-5"]),
    ],
)
def test_overrides_are_written_as_texts_that_mean_the_same(overrides, texts: list[str]) -> None:
    from rs_adapt.api.configuration import override_texts

    assert override_texts(overrides) == texts


def test_equivalent_command_of_every_bench(tmp_path: Path) -> None:
    from rs_adapt.api.configuration import equivalent_command
    from rs_adapt.config.bench_names import bench_families, settings_of

    for directions in bench_families().values():
        for bench in directions.values():
            if "ss" not in settings_of(bench):
                continue
            cfg = rsa.compose(f"{bench}-ss", seed=3, tuned=False, weights="random", work_dir=tmp_path / "run")
            words = equivalent_command(cfg).split()
            given = dict(zip(words[2::2], words[3::2], strict=False))
            assert "--untuned" in words
            again = rsa.resolve(given["--bench"], setting=given["--setting"], seed=int(given["--seed"]), tuned=False)
            assert again == rsa.resolve(f"{bench}-ss", seed=3, tuned=False)
