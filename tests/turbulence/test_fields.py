from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from scipy.io import netcdf_file

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.turbulence.fields import read_slices

FIELD = np.random.default_rng(0).standard_normal((3, 2, 6, 8)).astype(np.float32)


def write_tiff(path: Path, bands: np.ndarray) -> None:
    _, height, width = bands.shape
    profile = {"driver": "GTiff", "height": height, "width": width, "count": len(bands), "dtype": "float32"}
    with rasterio.open(path, "w", **profile) as file:
        file.write(bands)


def write_netcdf(path: Path, variables: dict[str, np.ndarray]) -> None:
    with netcdf_file(path, "w") as file:
        for name, size in zip("nyx", FIELD.shape[1:], strict=True):
            file.createDimension(name, size)
        for name, values in variables.items():
            file.createVariable(name, "f4", ("n", "y", "x"))[:] = values


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_every_format_gives_the_same_slices(tmp_path: Path) -> None:
    np.save(tmp_path / "all.npy", FIELD.astype(np.float64))
    write_netcdf(tmp_path / "all.nc", dict(zip("uvw", FIELD, strict=True)))
    for name, part in zip("uvw", FIELD, strict=True):
        np.save(tmp_path / f"{name}.npy", part)
        write_tiff(tmp_path / f"{name}.tif", part)
    for files in (["all.npy"], ["all.nc"], ["u.npy", "v.npy", "w.npy"], ["u.tif", "v.tif", "w.tif"]):
        slices = read_slices([tmp_path / file for file in files])
        assert slices.dtype == np.float32
        np.testing.assert_array_equal(slices, FIELD)

    write_tiff(tmp_path / "one.tif", FIELD[:, 0])
    np.save(tmp_path / "one.npy", FIELD[:, 0])
    for file in ("one.tif", "one.npy"):
        np.testing.assert_array_equal(read_slices([tmp_path / file]), FIELD[:, :1])


def test_names_of_variables_can_be_chosen(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "all.nc", {"Ux": FIELD[0], "Uy": FIELD[1], "Uz": FIELD[2]})
    np.testing.assert_array_equal(read_slices([tmp_path / "all.nc"], variables=("Ux", "Uy", "Uz")), FIELD)
    with pytest.raises(DataError, match=r"has no variable u; it has Ux, Uy, Uz. Name the three components"):
        read_slices([tmp_path / "all.nc"])


def test_hdf5_needs_h5py_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    # NetCDF 4 is HDF5 inside.
    for name in ("all.h5", "all.nc"):
        (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
        with pytest.raises(DataNotFound, match="needs the package h5py: pip install h5py, or save the field with"):
            read_slices([tmp_path / name])


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("a.npy", np.zeros((2, 4, 4)), r"has the shape \(2, 4, 4\); it must hold \(3, H, W\) or \(3, n, H, W\)"),
        ("a.npy", np.zeros((3, 4, 4), complex), "holds complex128; velocities are real numbers"),
        ("a.npy", np.full((3, 4, 4), np.nan), "has no values, or some that are not finite"),
        ("a.npy", np.full((3, 4, 4), 1e300), "has no values, or some that are not finite"),
        ("a.npy", np.zeros((3, 0, 4)), "has no values, or some that are not finite"),
        ("a.txt", None, "is of no known format; velocity fields end in .npy, .h5"),
        ("a.npy", None, "cannot be read"),
        ("a.tif", None, "cannot be read"),
        ("a.nc", None, "cannot be read"),
    ],
)
def test_files_that_are_no_fields_are_refused(
    tmp_path: Path, name: str, values: np.ndarray | None, message: str
) -> None:
    if values is None:
        (tmp_path / name).write_bytes(b"nothing that anyone could read")
    else:
        np.save(tmp_path / name, values)
    with pytest.raises(DataError, match=message):
        read_slices([tmp_path / name])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pixels_without_data_are_no_velocities(tmp_path: Path) -> None:
    values = FIELD[:, 0].copy()
    write_tiff(tmp_path / "a.tif", values)
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.nodata = -9999
    np.testing.assert_array_equal(read_slices([tmp_path / "a.tif"])[:, 0], values)
    values[1, 2, 3] = -9999
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.write(values)
    with pytest.raises(DataError, match=r"a\.tif has pixels without data"):
        read_slices([tmp_path / "a.tif"])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_packed_whole_numbers_are_unpacked(tmp_path: Path) -> None:
    packed = np.arange(48, dtype=np.int16).reshape(3, 4, 4)
    profile = {"driver": "GTiff", "height": 4, "width": 4, "count": 3, "dtype": "int16"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(packed)
        file.scales, file.offsets = (0.5, 0.5, 2.0), (0.0, 1.0, 0.0)
    wanted = packed * np.array([0.5, 0.5, 2])[:, None, None] + np.array([0, 1, 0])[:, None, None]
    np.testing.assert_array_equal(read_slices([tmp_path / "a.tif"])[:, 0], wanted.astype(np.float32))


def test_hdf5_follows_the_conventions_of_netcdf(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    for name, attributes in (("a.h5", {"scale_factor": 0.5, "add_offset": 1.0}), ("b.nc", {"_FillValue": 7})):
        with h5py.File(tmp_path / name, "w") as file:
            for variable in "uvw":
                file[variable] = np.arange(16, dtype=np.int16).reshape(4, 4)
                file[variable].attrs.update(attributes)
    np.testing.assert_array_equal(read_slices([tmp_path / "a.h5"])[0, 0].ravel(), np.arange(16) / 2 + 1)
    with pytest.raises(DataError, match=r"b\.nc: variable u has missing values"):
        read_slices([tmp_path / "b.nc"])


def test_missing_files_wrong_numbers_and_different_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="There is no file"):
        read_slices([tmp_path / "a.npy"])
    with pytest.raises(DataError, match="2 files and 3 variables were given"):
        read_slices([tmp_path / "a.npy", tmp_path / "b.npy"])
    for name, side in zip("uvw", (4, 4, 5), strict=True):
        np.save(tmp_path / f"{name}.npy", np.zeros((4, side)))
    with pytest.raises(DataError, match=r"different shapes, \(1, 4, 4\), \(1, 4, 4\), \(1, 4, 5\)"):
        read_slices([tmp_path / f"{name}.npy" for name in "uvw"])
