"""Scenes that a model of super-resolution enlarges."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rs_adapt.prediction.appearance import Appearance
from rs_adapt.prediction.extent import Area
from rs_adapt.prediction.resolving import ResolvedScene
from rs_adapt.prediction.view import view_scene
from rs_adapt.runs.resolvers import read_resolver
from rs_adapt.scenes import Box, Scene
from rs_adapt.superresolution.resolver import load_resolver
from tests.geodata import paint, write_raster
from tests.prediction.class_reader import HEIGHT_PX, TRUTH, WIDTH_PX, scene
from tests.resolver_models import write_resolver


def test_any_window_has_the_pixels_of_the_enlarged_scene(tmp_path: Path) -> None:
    model = read_resolver(write_resolver(tmp_path / "model"))
    with Scene(scene(tmp_path)) as original:
        enlarged = ResolvedScene(original, model)
        assert (enlarged.info.width_px, enlarged.info.height_px, enlarged.info.gsd_m) == (
            2 * WIDTH_PX,
            2 * HEIGHT_PX,
            1.0,
        )
        assert enlarged.block_size == tuple(2 * side for side in original.block_size)
        whole, valid = enlarged.read_rgb()
        part, _ = enlarged.read_rgb(Box(7, 9, 50, 41))
    assert np.array_equal(whole, load_resolver(model).enlarge(paint(TRUTH)))
    assert np.array_equal(part, whole[9:41, 7:50])
    assert valid.all()


def test_pixels_without_data_stay_without(tmp_path: Path) -> None:
    rgb = paint(TRUTH)
    rgb[:10, :20] = 0
    model = read_resolver(write_resolver(tmp_path / "model"))
    with Scene(write_raster(tmp_path / "scene.tif", rgb.transpose(2, 0, 1), nodata=0)) as original:
        _, valid = ResolvedScene(original, model).read_rgb(Box(1, 1, 60, 31))
    expected = np.ones((40, 60), bool)
    expected[:20, :40] = False
    assert np.array_equal(valid, expected[1:31, 1:60])


def test_only_scenes_of_the_trained_ratio_are_enlarged_by_the_model(tmp_path: Path) -> None:
    folder = write_resolver(tmp_path / "model")
    # The scene has pixels of 2 m.
    for trained_m, is_resolved in ((1.0, True), (1.5, False), (2.0, False), (4.0, False)):
        appearance = Appearance(gsd_m=trained_m, gsd_matched=True, resolver="0", resolver_folder=folder)
        with Scene(scene(tmp_path)) as original:
            view = view_scene(original, appearance, area=Area())
            assert isinstance(view.pixels, ResolvedScene) is is_resolved
            assert view.info.gsd_m is not None
            assert round(view.info.gsd_m / trained_m, 1) == 1
            assert any("the scene is interpolated instead" in remark for remark in view.remarks) is (trained_m == 1.5)
