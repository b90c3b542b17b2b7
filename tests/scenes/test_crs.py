"""Reference systems by name: those of files are read, addresses and paths are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from rs_adapt.scenes.crs import parse_crs


@pytest.mark.parametrize(
    "name",
    [
        "http://127.0.0.1:9/EPSG/0/x",
        "ftp://x/EPSG",
        "/etc/passwd",
        "file:///etc/passwd",
        "../x.prj",
        "+proj=utm +nadgrids=/etc/x",
        "+init=/etc/x:1",
        "x" * 300_000,
        "",
        "EPSG:" * 40_000,
    ],
)
def test_a_reference_system_is_no_address(name: str) -> None:
    assert parse_crs(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "EPSG:32632",
        "urn:ogc:def:crs:EPSG::32632",
        "http://www.opengis.net/def/crs/EPSG/0/32632",
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "+proj=utm +zone=32 +datum=WGS84",
        "WGS84",
        "+init=epsg:32632",
        "http://www.opengis.net/gml/srs/epsg.xml#32632",
    ],
)
def test_names_of_systems_are_read(name: str) -> None:
    crs = parse_crs(name)
    assert crs is not None
    assert parse_crs(crs.to_wkt()) == crs


def test_a_file_of_a_name_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    crs = parse_crs("EPSG:32632")
    assert crs is not None
    (tmp_path / "x.prj").write_text(crs.to_wkt())
    assert parse_crs("x.prj") is None
