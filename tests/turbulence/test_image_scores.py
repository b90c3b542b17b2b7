from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rs_adapt.commands import app
from rs_adapt.errors import ScoresError
from rs_adapt.runs.records.record import write_record
from rs_adapt.turbulence.image_scores import (
    MEASURES,
    ImageScore,
    ImageScores,
    by_snapshot,
    differences,
    estimate,
    mean_measures,
    read_scores,
)


def image(name: str, psnr_db: float, subgrid_dex: float | None = 1.0) -> ImageScore:
    return ImageScore(
        name=name,
        snapshot=name.split("/")[0],
        psnr_db=psnr_db,
        ssim=0.5,
        divergence=0.25,
        spectrum_dex=1.0,
        resolved_dex=0.5,
        subgrid_dex=subgrid_dex,
    )


def scores(*images: ImageScore, **changes: object) -> ImageScores:
    facts = {"bench": "flow", "split": "test", "scale": 4, "degradation": "box", "data_sha256": "a", "iter": 10}
    return ImageScores.model_validate(facts | changes | {"images": images})


A = (image("0/0", 30.0), image("0/1", 32.0), image("1/0", 40.0, None))
B = (image("0/0", 31.0), image("0/1", 33.0), image("1/0", 44.0, None))


def test_a_snapshot_counts_once_however_many_slices_it_has() -> None:
    assert by_snapshot(A, "psnr_db") == {"0": 31.0, "1": 40.0}
    assert mean_measures(A)["psnr_db"] == pytest.approx(35.5)
    assert by_snapshot(A, "subgrid_dex") == {"0": 1.0}


def test_the_interval_is_students_over_snapshots() -> None:
    found = estimate([31.0, 40.0, 34.0])
    # t(2, 0.975) = 4.302653; the deviation of the three is 4.582576.
    half = 4.302653 * 4.582576 / 3**0.5
    assert (found.mean, found.low, found.high) == pytest.approx((35.0, 35 - half, 35 + half), rel=1e-6)
    assert estimate([3.0]).low is None
    assert estimate([]).snapshots == 0


def test_differences_are_paired() -> None:
    found = differences(scores(*A), scores(*B))
    assert found.keys() == MEASURES.keys()
    assert found["psnr_db"].mean == pytest.approx((1 + 4) / 2)
    # The interval is that of the differences 1 and 4, not of values 9 apart.
    assert found["psnr_db"].high == pytest.approx(2.5 + 12.706205 * 1.5, rel=1e-6)
    assert (found["ssim"].mean, found["ssim"].low) == (0.0, 0.0)


def test_runs_on_other_images_are_not_compared() -> None:
    with pytest.raises(ScoresError, match="scale is 4 in the first and 2 in the second"):
        differences(scores(*A), scores(*B, scale=2))
    with pytest.raises(ScoresError, match="their images have different names"):
        differences(scores(*A), scores(*B[:2]))


def test_files_are_read_as_written_and_damage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "images.json"
    with pytest.raises(ScoresError, match="There is no .*images.json. rs-adapt eval RUN writes one."):
        read_scores(path)
    write_record(path, scores(*A))
    assert read_scores(path).content() == {"format": 1} | scores(*A).content()
    path.write_text('{"images": 3}')
    with pytest.raises(ScoresError, match="images.json"):
        read_scores(path)


def test_colours_which_have_no_divergence_are_compared_as_json(tmp_path: Path) -> None:
    for name, of_run in (("a", A), ("b", B)):
        (tmp_path / name).mkdir()
        colours = (one.model_copy(update={"divergence": None}) for one in of_run)
        write_record(tmp_path / name / "images.json", scores(*colours))
    compared = CliRunner().invoke(app, ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json"])
    assert compared.exit_code == 0, compared.output
    found = json.loads(compared.stdout)
    assert found["divergence"] == {"mean": None, "low": None, "high": None, "snapshots": 0}
    assert found["psnr_db"]["mean"] == pytest.approx(2.5)
