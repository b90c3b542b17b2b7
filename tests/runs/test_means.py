"""The mean of trained models as a run: which evaluation is its score, who its members are, and what is no mean."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from rs_adapt.errors import UnreadableFile
from rs_adapt.runs.collect import collect
from rs_adapt.runs.identity import identify
from rs_adapt.runs.means import AVERAGED, read_mean, scored_folder

STORED = Path(__file__).parent / "stored_0_1_0" / "finished"
PACK, CONFUSIONS = "f" * 64, "confusions.npz"
# Of a mean of the stored run and of one that is not there.
SHARES = (("source_only", "dg", 0.5), ("dacs", "da", 0.5))


def change(file: Path, **values: Any) -> None:
    content = json.loads(file.read_text())
    for key, value in values.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) and content.get(key) else value
    file.write_text(json.dumps(content))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A folder with a finished run and, beside it, a mean of which it is a member, not scored yet."""
    folder = tmp_path / "runs"
    shutil.copytree(STORED, folder / "run")
    (folder / "mean").mkdir()
    shutil.copyfile(STORED / "manifest.json", folder / "mean" / "manifest.json")
    manifest = json.loads((STORED / "manifest.json").read_text())
    packs = [
        {
            "cell": manifest["cell"] | {"strategy": strategy, "setting": setting},
            **{"sha256": manifest["tensors"]["sha256"] if setting == "dg" else "0" * 64, "share": share},
        }
        for strategy, setting, share in SHARES
    ]
    change(
        folder / "mean" / "manifest.json",
        averaged=packs,
        tensors={"sha256": PACK},
        cell={"strategy": "average", "setting": "da"},
        overrides=["optim.lr=0.5"],
        metrics=None,
    )
    return folder


def score(mean: Path, name: str, miou_pct: float, *, day: int = 1, **values: Any) -> Path:
    """Write what an evaluation of the mean would."""
    folder = mean / "eval" / name
    folder.mkdir(parents=True)
    shutil.copyfile(STORED / "result.json", folder / "result.json")
    content = json.loads((folder / "result.json").read_text())
    content |= {
        "data": {"test": {"tiles": 2, "sha256": "a" * 64}},
        **{"miou_pct": miou_pct, "pack_sha256": PACK, "confusions": CONFUSIONS, "finished": f"2026-01-0{day}"},
        **{"headline": None, "selections": {}, "iter": None},
    }
    content["cell"] |= {"strategy": "average", "setting": "da"}
    content["protocol"]["selection"] = "as released"
    (folder / "result.json").write_text(json.dumps(content))
    change(folder / "result.json", **values)
    return folder


def test_the_newest_evaluation_of_the_pack_is_the_score(runs: Path) -> None:
    mean = runs / "mean"
    assert read_mean(mean) is None
    assert scored_folder(mean) == mean
    score(mean, "older", 41.0)
    newest = score(mean, "newer", 42.0, day=2)
    # Others that do not count: a different pack, views, a split that is not reported, a different bench.
    score(mean, "pack", 43.0, day=3, pack_sha256="b" * 64)
    score(mean, "views", 44.0, day=4, protocol={"inference": {"mode": "whole", "tta": "flips"}})
    of_source = json.loads((score(mean, "source", 45.0, day=5) / "result.json").read_text())
    of_source["data"] = {"source-val": of_source["data"]["test"]}
    (mean / "eval" / "source" / "result.json").write_text(json.dumps(of_source))
    score(mean, "bench", 46.0, day=6, cell={"bench": "other"})
    run = read_mean(mean)
    assert run is not None
    assert (run.folder, run.status, run.miou_pct, run.overrides) == (mean, AVERAGED, 42.0, ("optim.lr=0.5",))
    assert run.result is not None
    assert run.result.confusions == "eval/newer/confusions.npz"
    assert scored_folder(mean) == newest


def test_members_are_found_by_their_weights(runs: Path) -> None:
    score(runs / "mean", "test", 42.0)
    collection = collect([runs])
    assert [run.folder for run in collection.runs] == [runs / "run"]
    (mean,) = collection.means
    assert [member.folder for member in mean.members] == [runs / "run"]
    headline = collection.runs[0].result.headline  # type: ignore[union-attr]
    assert mean.result is not None
    assert headline is not None
    assert mean.result.headline == headline
    identity = identify(mean)
    assert identity["members"] == "source-only (dg), dacs (da)"
    found, missing = identity["settings of the members"]  # type: ignore[misc]
    assert (len(str(found)), missing) == (16, None)
    # A mean alone is something to report; its member is not known then.
    (alone,) = collect([runs / "mean"]).means
    assert alone.members == ()
    assert alone.result is not None
    assert alone.result.headline is None


def test_unequal_shares_are_part_of_the_name(runs: Path) -> None:
    score(runs / "mean", "test", 42.0)
    packs = json.loads((runs / "mean" / "manifest.json").read_text())["averaged"]
    change(runs / "mean" / "manifest.json", averaged=[packs[0] | {"share": 0.25}, packs[1] | {"share": 0.75}])
    (mean,) = collect([runs]).means
    assert identify(mean)["members"] == "25 % source-only (dg), 75 % dacs (da)"


def test_runs_and_other_packs_are_no_means_and_damage_is_named(runs: Path) -> None:
    assert read_mean(runs / "run") is None
    assert scored_folder(runs / "run") == runs / "run"
    score(runs / "mean", "test", 42.0)
    change(runs / "mean" / "manifest.json", averaged=[])
    assert collect([runs]).means == ()
    (runs / "mean" / "manifest.json").write_text("{")
    with pytest.raises(UnreadableFile):
        read_mean(runs / "mean")
    assert scored_folder(runs / "mean") == runs / "mean"
    assert [damage.place for damage in collect([runs]).damaged if damage.place.name == "mean"] == [runs / "mean"]
