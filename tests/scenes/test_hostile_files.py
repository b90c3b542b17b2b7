"""Files that name other files, web services or code: nothing is asked for them, and they are refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from rs_adapt.errors import DataError
from rs_adapt.scenes import Scene, write_geotiff
from rs_adapt.scenes.drivers import RASTER_DRIVERS, SETTINGS, VECTOR_DRIVERS
from rs_adapt.scenes.gdal_files import check_vector_file, open_raster
from rs_adapt.scenes.opening import stored_form
from rs_adapt.scenes.polygons.file import open_polygon_file
from rs_adapt.scenes.vrt_parts import check_parts_below

if TYPE_CHECKING:
    from collections.abc import Iterator

WMS = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>URL/${z}/${x}/${y}.png</ServerUrl></Service><DataWindow><UpperLeftX>0'
    "</UpperLeftX><UpperLeftY>1</UpperLeftY><LowerRightX>1</LowerRightX><LowerRightY>0</LowerRightY><TileLevel>1"
    "</TileLevel></DataWindow></GDAL_WMS>"
)
EPS = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n(harm) print\n%%EOF\n"


def vrt(source: str, *, relative: int = 0, extra: str = "", options: str = "") -> str:
    return (
        f'<VRTDataset rasterXSize="20" rasterYSize="20">{extra}<VRTRasterBand dataType="Byte" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>{options}<SourceBand>1</SourceBand>'
        "</SimpleSource></VRTRasterBand></VRTDataset>"
    )


@pytest.fixture
def tif(tmp_path: Path) -> Path:
    write_geotiff(tmp_path / "real.tif", np.full((20, 20), 7, np.uint8), crs=None, transform=(1, 0, 0, 0, 1, 0))
    return tmp_path / "real.tif"


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server on this machine, and what it is asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}", asked
        served.shutdown()


READ = """
import sys
from pathlib import Path
from rs_adapt.errors import DataError
from rs_adapt.scenes import Scene
from rs_adapt.scenes.polygons.file import open_polygon_file
from rs_adapt.scenes.gdal_files import open_raster
from rs_adapt.scenes.crs import parse_crs
for name in sys.argv[1:]:
    try:
        if name.startswith("crs="):
            print(parse_crs(name[4:]))
        elif name.endswith("json"):
            print(open_polygon_file(Path(name), column="c").has_system)
        else:
            with Scene(Path(name)) as scene:
                print(scene.info.width_px)
            with open_raster(Path(name)) as raster:
                raster.overviews(1), raster.read()
    except (DataError, OSError) as error:
        print("refused", error)
"""


def test_no_file_reaches_the_network(tif: Path, server: tuple[str, list[str]]) -> None:
    # In a process of its own: GDAL holds the lock of Python while it waits for a server in this one.
    url, asked = server
    folder = tif.parent
    names = []
    for number, text in enumerate(
        [
            WMS.replace("URL", url),
            *(vrt(f"{start}{url}/x.tif") for start in ("/vsicurl/", "/vsicurl_streaming/", "")),
            vrt(WMS.replace("URL", url).replace("<", "&lt;").replace(">", "&gt;")),
            vrt("part.tif", relative=1, extra=f"<SRS>{url}/x.wkt</SRS>"),
            vrt(
                "real.tif",
                relative=1,
                extra=f'<Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">{url}</MDI></Metadata>',
            ),
        ]
    ):
        for ending in ("tif", "vrt", "png"):
            names.append(str(folder / f"{number}.{ending}"))
            Path(names[-1]).write_text(text)
    (folder / "part.tif").write_text(WMS.replace("URL", url))
    write_geotiff(folder / "o.tif", np.zeros((20, 20), np.uint8), crs=None, transform=(1, 0, 0, 0, 1, 0))
    sidecar = '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">NAME</MDI></Metadata></PAMDataset>'
    (folder / "o.tif.aux.xml").write_text(sidecar.replace("NAME", f"/vsicurl_streaming/{url}/o.tif"))
    member = '{"type": "FeatureCollection", "crs": CRS, "features": []}'
    for number, crs in enumerate(
        [
            f'{{"type": "name", "properties": {{"name": "{url}/x"}}}}',
            f'{{"type": "link", "properties": {{"href": "{url}"}}}}',
            f'"{url}/EPSG"',
        ]
    ):
        names.append(str(folder / f"{number}.geojson"))
        Path(names[-1]).write_text(member.replace("CRS", crs))
    names += [str(folder / "o.tif"), f"crs={url}/EPSG/0/x", f"crs=/vsicurl/{url}"]
    done = subprocess.run(
        [sys.executable, "-c", READ, *names], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert asked == []
    lines = done.stdout.splitlines()
    assert len([line for line in lines if line.startswith("refused")]) >= len(names) - 4, done.stdout


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (vrt("/vsicurl/http://127.0.0.1:9/x.tif"), "which is no file on this machine"),
        (vrt("/vsizip//x.zip/x.tif"), "which is no file on this machine"),
        (vrt("https://example.org/x.tif"), "which is no file on this machine"),
        (vrt("WMS:http://example.org"), "which is no file on this machine"),
        (vrt('NETCDF:"x.nc":red'), "which is no file on this machine"),
        (vrt("&lt;GDAL_WMS/&gt;"), "which is no file on this machine"),
        (vrt("real.tif", relative=1, options='<OpenOptions><OOI key="X">1</OOI></OpenOptions>'), "holds OpenOptions"),
        (vrt("real.tif", relative=1, extra="<PixelFunctionCode>import os</PixelFunctionCode>"), "PixelFunctionCode"),
        (vrt("real.tif", relative=1, extra='<Metadata><MDI key="X_DATASET">/etc/x</MDI></Metadata>'), "X_DATASET"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>' + vrt("real.tif", relative=1), "declares entities"),
        (vrt("service.tif", relative=1), "cannot be read as an image"),
        ("<VRTDataset", "it is no VRT"),
    ],
)
def test_a_vrt_lists_images_of_this_machine(tif: Path, text: str, reason: str) -> None:
    (tif.parent / "service.tif").write_text(WMS.replace("URL", "http://127.0.0.1:9"))
    path = tif.parent / "a.vrt"
    path.write_text(text)
    with pytest.raises(DataError, match=reason) as refused:
        Scene(path)
    assert str(path) in str(refused.value)


def test_a_vrt_of_images_is_read(tif: Path) -> None:
    (tif.parent / "inner.vrt").write_text(vrt("real.tif", relative=1))
    (tif.parent / "outer.vrt").write_text(
        vrt("inner.vrt", relative=1, extra='<Metadata><MDI key="A">https://x</MDI></Metadata>')
    )
    with Scene(tif.parent / "outer.vrt") as scene:
        assert scene.info.width_px == 20


def test_a_list_of_lists_has_an_end(tif: Path) -> None:
    for number in range(12):
        (tif.parent / f"{number}.vrt").write_text(vrt(f"{number + 1}.vrt", relative=1))
    with pytest.raises(DataError, match="more than 10 deep"):
        Scene(tif.parent / "0.vrt")


def test_parts_lie_below_the_folders_of_the_bench(tif: Path, tmp_path: Path) -> None:
    (tmp_path / "mosaics").mkdir()
    path = tmp_path / "mosaics" / "a.vrt"
    path.write_text(vrt("../real.tif", relative=1))
    with pytest.raises(DataError, match=r"lists .*real\.tif, which lies outside of the bench's folders.*parts = \['"):
        check_parts_below(path, [tmp_path / "mosaics"])
    check_parts_below(path, [tmp_path])
    path.write_text(vrt(str(tif)))
    check_parts_below(path, [tmp_path])


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.jpg", "a.jp2", "a.img"])
@pytest.mark.parametrize("text", [vrt("real.tif", relative=1), WMS, EPS])
def test_a_file_is_opened_as_what_its_name_says(
    tif: Path, name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*arguments: object, **_: object) -> None:
        raise AssertionError(f"a program was started: {arguments}")

    monkeypatch.setattr(subprocess, "Popen", started)
    monkeypatch.setattr(os, "system", started)
    path = tif.parent / name
    path.write_text(text)
    for read in (Scene, stored_form):
        with pytest.raises(DataError, match="cannot be read"):
            read(path)


def test_pictures_are_read_whatever_their_ending(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10)).save(tmp_path / "a.png", format="JPEG")
    assert stored_form(tmp_path / "a.png")[:3] == ("uint8", 20, 10)


@pytest.mark.parametrize("name", ["p.gpkg", "p.shp", "p.csv", "p.vrt", "p.fgb"])
def test_a_vector_file_is_no_list_of_others(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(
        '\n<OGRVRTDataSource><OGRVRTLayer name="x"><SrcDataSource>WFS:http://x</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
    )
    for other in (".shx", ".dbf"):
        path.with_suffix(other).touch()
    with pytest.raises(DataError, match="is XML, and not what its name says"):
        open_polygon_file(path, column="c")


def test_entities_and_packed_bombs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "p.gml").write_text(
        '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'
    )
    with pytest.raises(DataError, match="declares entities"):
        check_vector_file(tmp_path / "p.gml")
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.dbf", "w") as file:
        for _ in range(80):
            file.write(bytes(2**20))
    with pytest.raises(DataError, match="unpacks to 80 MiB, more than 200 times"):
        check_vector_file(tmp_path / "p.zip")


def test_no_allowed_driver_lists_or_asks() -> None:
    lists = {
        "VRT",
        "WMS",
        "WCS",
        "WMTS",
        "HTTP",
        "GTI",
        "STACTA",
        "STACIT",
        "MRF",
        "TIL",
        "OGR_VRT",
        "WFS",
        "OAPIF",
        "GPSBabel",
    }
    assert not lists & {*RASTER_DRIVERS, *VECTOR_DRIVERS}
    assert SETTINGS["GDAL_VRT_ENABLE_PYTHON"] == "NO"


def test_an_ordinary_sidecar_is_read(tif: Path) -> None:
    tif.with_name("real.tif.aux.xml").write_text('<PAMDataset><Metadata><MDI key="A">b</MDI></Metadata></PAMDataset>')
    open_raster(tif).close()
