"""The worked example of docs/start/own-data.md on the real images; skipped where the samples are not at hand."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from rs_adapt.commands import main

ROOT = Path(__file__).parents[2]
SAMPLES = Path(os.environ.get("RS_ADAPT_SAMPLES") or ROOT.parent / "shared" / "samples")
pytestmark = [
    pytest.mark.samples,
    pytest.mark.slow,
    pytest.mark.skipif(
        not (SAMPLES / "dubai" / "masks_orig").is_dir(),
        reason=f"no dubai samples in {SAMPLES}; RS_ADAPT_SAMPLES names them",
    ),
]


@pytest.mark.slow
def test_the_documented_bench_trains_from_colour_masks_to_images_without_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (text, *_) = re.findall(
        r"```toml\n(.*?)```", (ROOT / "docs" / "start" / "own-data.md").read_text(encoding="utf-8"), re.DOTALL
    )
    # Fewer images: cutting all of them takes a quarter of a minute.
    text = text.replace("tile1_*", "tile1_00[1389]*").replace("tile[356]_*", "tile[356]_001*").replace('"*_007", ', "")
    (tmp_path / "coast.toml").write_text(f'root = "{SAMPLES / "dubai"}"\n{text}')
    place = ["--bench", str(tmp_path / "coast.toml"), "--work-dir", str(tmp_path / "run")]
    few = ["--set", "protocol.label_free_tiles=4", "--set", "protocol.source_val_tiles=8"]
    with pytest.raises(SystemExit) as stop:
        main(["train", *place, "--setting", "da", "--iters", "2", "--num-workers", "0", "--device", "cpu", *few])
    shown = capsys.readouterr()
    assert not stop.value.code, shown.err
    assert "Not scored: the target has no labels." in shown.out
    assert json.loads((tmp_path / "run" / "result.json").read_text())["status"] == "finished"
