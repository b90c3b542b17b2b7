"""Files of maps that would stand in for each other, or for what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import rs_adapt as rsa
from rs_adapt.errors import ConfigError, OutputExists
from rs_adapt.prediction.outputs import check_outputs
from rs_adapt.scenes import write_geotiff

RUN = Path(__file__).parents[1] / "runs" / "stored_0_1_0" / "finished"


def test_maps_of_two_scenes_have_no_file_in_common(tmp_path: Path) -> None:
    maps = {name: tmp_path / "maps" / f"{name}.tif" for name in ("a", "a_confidence", "b")}
    files = {tmp_path / f"{name}.tif": (out, out.with_name(f"{name}_confidence.tif")) for name, out in maps.items()}
    with pytest.raises(
        ConfigError, match=r"^Maps of .*a.tif and .*a_confidence.tif would both write .*a_confidence\.tif"
    ):
        check_outputs(files, read=())
    del files[tmp_path / "a.tif"]
    check_outputs(files, read=())
    upper = {tmp_path / "B.tif": (tmp_path / "maps" / "B.tif",)}
    with pytest.raises(ConfigError, match=r"would both write .*B\.tif"):
        check_outputs(files | upper, read=())


def test_files_that_are_read_are_not_written(tmp_path: Path) -> None:
    scene, labels = tmp_path / "scene.tif", tmp_path / "labels.tif"
    for out, read in ((tmp_path / "x" / ".." / "scene.tif", []), (labels, [labels])):
        with pytest.raises(OutputExists, match=r"is read, so it cannot be written\. Choose a different place"):
            check_outputs({scene: (out,)}, read=read)
    link = tmp_path / "link.tif"
    link.symlink_to(scene)
    with pytest.raises(OutputExists, match=r"link\.tif is read"):
        check_outputs({scene: (link,)}, read=())
    part = tmp_path / "part.tif"
    write_geotiff(part, np.ones((8, 8, 3), np.uint8))
    vrt = tmp_path / "scene.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        '<SourceFilename relativeToVRT="1">part.tif</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>'
    )
    with pytest.raises(OutputExists, match=r"part\.tif is read"):
        check_outputs({vrt: (part,)}, read=())


def test_overwrite_never_replaces_a_scene(tmp_path: Path) -> None:
    scene = tmp_path / "scene.tif"
    write_geotiff(scene, np.ones((40, 40, 3), np.uint8))
    before = scene.read_bytes()
    with pytest.raises(OutputExists, match=r"scene\.tif is read"):
        rsa.predict(RUN, scene, tmp_path, overwrite=True, device="cpu", progress=False)
    assert scene.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
