"""What a run may change between its parts, what it may start from, and which files of a killed run continue."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from safetensors.torch import load_file

from rs_adapt.engine.recorder import Interrupted
from rs_adapt.engine.state import read_state
from rs_adapt.engine.train import check_training, train
from rs_adapt.errors import CheckpointMismatch, ConfigError, OutputExists
from rs_adapt.runs.folder import awaits_finish, saved_nothing


class StopAt(Hook):  # type: ignore[misc]
    """Sends SIGTERM in an iteration."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        if runner.iter + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)


def tensors_equal(first: Path, second: Path) -> bool:
    one, two = (load_file(run / "adapter.safetensors") for run in (first, second))
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def lines_without_times(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "iter_s"} for line in lines]


@pytest.fixture
def stopped(tiny_cell, trained_once) -> Path:
    """Stop a run of six iterations after the fourth, and return its folder."""

    def stop() -> None:
        with pytest.raises(Interrupted):
            train(tiny_cell("dg", run="stopped"), device="cpu", hooks=[StopAt(4)])

    return trained_once("stopped", stop)


def test_places_and_loaders_may_change_and_damaged_metrics_are_restored(
    tiny_cell, stopped: Path, loveda_root: Path, tmp_path: Path
) -> None:
    straight = train(tiny_cell("dg", run="straight"), device="cpu")
    moved = tmp_path / "elsewhere" / "run"
    moved.parent.mkdir()
    stopped.rename(moved)
    loveda_root.rename(tmp_path / "new data")
    lines = (moved / "metrics.jsonl").read_text().splitlines()
    # An evaluation with a higher score, a line cut in two, and a torn end.
    (moved / "metrics.jsonl").write_text(
        "\n".join([lines[0][:20], *lines[1:], '{"iter": 3, "miou_pct": 99.0}', '{"it'])
    )
    cfg = tiny_cell("dg", run="elsewhere/run", overrides=("runtime.num_workers=1",))
    before = cfg.to_dict()
    cfg = _at_data_root(cfg, tmp_path / "new data")
    assert cfg.to_dict() != before
    resumed = train(cfg, device="cpu", resume=True)
    assert tensors_equal(moved, tmp_path / "straight")
    assert lines_without_times(moved) == lines_without_times(tmp_path / "straight")
    assert resumed.selections == straight.selections


def _at_data_root(cfg: Any, root: Path) -> Any:
    """Return a configuration composed again with a different data root."""
    from rs_adapt.api.configuration import cell_of
    from rs_adapt.config import compose

    return compose(cell_of(cfg), overrides=cfg.origin.overrides, data_root=root, work_dir=cfg.work_dir)


@pytest.mark.parametrize(
    ("override", "key"),
    [("bench.schedule.batch_size.dg=1", "batch_size"), ("runtime.precision=bf16", "precision"), ("optim.lr=0.5", "lr")],
)
def test_what_changes_the_result_is_refused_with_the_way_to_a_new_run(
    tiny_cell, stopped: Path, override: str, key: str
) -> None:
    with pytest.raises(
        CheckpointMismatch, match=rf"First difference: `[\w.]*{key}[\w.]*=.*--from .*stopped --work-dir"
    ):
        check_training(tiny_cell("dg", run="stopped", overrides=(override,)), device="cpu", resume=True)


def test_a_run_starts_from_the_weights_of_a_stopped_one_and_states_it(tiny_cell, stopped: Path, tmp_path: Path) -> None:
    cfg = tiny_cell("dg", run="new", iters=3, overrides=("optim.lr=1e-12",))
    (note,) = [note for note in check_training(cfg, device="cpu", start_from=stopped).notes if "Initialised" in note]
    assert "interrupted run (loveda-r2u-dg / earth-adapter / source-only / seed 0), which had trained 4" in note
    with pytest.raises(Interrupted):
        train(cfg, device="cpu", start_from=stopped, hooks=[StopAt(1)])
    shutil.rmtree(stopped / "packs")
    # Resumed without --from too: the state holds the weights.
    result = train(cfg, device="cpu", resume=True)
    new = tmp_path / "new"
    trained, of_state = load_file(new / "adapter.safetensors"), read_state(stopped / "state.pth")["model"]
    assert all(torch.allclose(trained[name], of_state[name], atol=1e-6) for name in trained)
    for name in ("cell.json", "result.json", "manifest.json"):
        origin = json.loads((new / name).read_text())["initialised_from"]
        assert (origin["iter"], origin["iterations_before"], origin["finished"]) == (4, 4, False)
    assert note in result.notes
    # From a finished run, whose own iterations add up with those before.
    longer = train(tiny_cell("dg", run="longer", iters=1), device="cpu", start_from=new)
    assert longer.initialised_from is not None
    assert longer.initialised_from.iterations_before == 4 + 3


def test_weights_that_do_not_fit_are_refused_before_a_folder_is_made(tiny_cell, stopped: Path, tmp_path: Path) -> None:
    for options, start_from, error, message in [
        ({"method": "lora"}, stopped, CheckpointMismatch, "lacks .* tensors of this model"),
        ({"run": "stopped"}, stopped, ConfigError, "lies in the folder of the new run"),
        ({}, tmp_path / "nothing", CheckpointMismatch, "there are no saved weights"),
    ]:
        cfg = tiny_cell("dg", **{"run": "new", **options})
        with pytest.raises(error, match=message):
            train(cfg, device="cpu", overwrite=True, start_from=start_from)
    assert not (tmp_path / "new").exists()
    assert (stopped / "state.pth").is_file()
    with pytest.raises(ConfigError, match=r"began with new weights\. Leave --from out"):
        check_training(tiny_cell("dg", run="stopped"), device="cpu", resume=True, start_from=tmp_path / "nothing")


def test_a_state_with_flipped_or_missing_bytes_is_refused(stopped: Path, tmp_path: Path) -> None:
    whole = (stopped / "state.pth").read_bytes()
    file = tmp_path / "state.pth"
    for place in range(100, len(whole), len(whole) // 40):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(CheckpointMismatch, match=r"not a readable training state: .*--overwrite"):
            read_state(file)
    for end in (0, 50, len(whole) // 2, len(whole) - 1000):
        file.write_bytes(whole[:end])
        with pytest.raises(CheckpointMismatch, match="not a readable training state"):
            read_state(file)
    # An older version wrote no SHA-256; the parts have check sums.
    trailer = whole.index(b"\nrs-adapt state sha256 ")
    file.write_bytes(whole[:trailer])
    assert read_state(file)["iteration"] == 4
    middle = trailer // 2
    file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 : trailer])
    with pytest.raises(CheckpointMismatch, match="not a readable training state"):
        read_state(file)


def test_a_run_killed_at_its_start_or_its_end_continues(tiny_cell, stopped: Path, tmp_path: Path) -> None:
    straight = tmp_path / "straight"
    pictures: list[Path] = []

    def draw(_result: object) -> None:
        pictures.append(straight)
        if len(pictures) == 1:
            raise KeyboardInterrupt

    cfg = tiny_cell("dg", run="straight")
    with pytest.raises(KeyboardInterrupt):
        train(cfg, device="cpu", draw_pictures=draw)
    # The result is written, the pictures are not: the state is still there.
    assert awaits_finish(straight)
    written = (straight / "result.json").read_bytes()
    train(cfg, device="cpu", resume=True, draw_pictures=draw)
    assert len(pictures) == 2
    assert (straight / "result.json").read_bytes() == written
    assert not (straight / "state.pth").exists()
    assert not (straight / "packs").exists()

    # Killed between the first files, by this version and by an older one.
    for number, names in enumerate((["cell.json"], ["config.py"], ["config.py", "data.json"])):
        folder = tmp_path / f"begun{number}"
        folder.mkdir()
        for name in (*names, ".data.json.new-host-1-1"):
            source = stopped / name
            (folder / name).write_bytes(source.read_bytes() if source.is_file() else b"{")
        assert saved_nothing(folder)
        with pytest.raises(OutputExists, match="--overwrite"):
            check_training(tiny_cell("dg", run=folder.name), device="cpu")
        for options in ({"resume": True}, {"overwrite": True}):
            assert check_training(tiny_cell("dg", run=folder.name), device="cpu", **options) is not None
    train(tiny_cell("dg", run="begun0"), device="cpu", resume=True)
    assert tensors_equal(tmp_path / "begun0", straight)
    assert not list((tmp_path / "begun0").glob(".*"))


def test_a_config_of_somebody_else_is_not_taken_for_a_begun_run(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("x = 1\n")
    assert not saved_nothing(tmp_path)
