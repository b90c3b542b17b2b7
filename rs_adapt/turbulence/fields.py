"""Your own velocity fields: NumPy, HDF5, NetCDF and TIFF files to stacks of slices (3, n, H, W).

The component comes first: u along the columns, v along the rows, w out of the plane. One file holds all three, or three
files hold one each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rs_adapt.errors import DataError, DataNotFound

VARIABLES = ("u", "v", "w")
# Compressed values can be far more than the bytes of their file.
_MOST_BYTES = 2**33
_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"


def read_slices(files: Sequence[Path], *, variables: Sequence[str] = VARIABLES) -> NDArray[np.float32]:
    """Return the slices of a snapshot, (3, n, H, W).

    Args:
        files: One file of three components, (3, H, W) or (3, n, H, W), or three files, (H, W) or (n, H, W) each. In a
            TIFF the bands are the components, or the slices where there are three files.
        variables: Names of the three components in HDF5 and NetCDF files; each is (H, W) or (n, H, W).

    Raises:
        DataNotFound: A file is missing, or the library that reads it.
        DataError: A file is damaged, of an unknown format, has complex, missing or non-finite values or wrong axes, or
            components differ in shape.
    """
    if len(files) not in (1, 3) or len(variables) != 3:
        raise DataError(
            f"{len(files)} files and {len(variables)} variables were given; a velocity field is one file with three "
            "components, or three files with one each, and has three variables."
        )
    if len(files) == 1:
        parts = _components(files[0], variables)
    else:
        parts = [_component(file, name) for file, name in zip(files, variables, strict=True)]
    name = ", ".join(str(file) for file in files)
    stacks = [part[None] if part.ndim == 2 else part for part in parts]
    for part in stacks:
        if part.ndim != 3:
            raise DataError(
                f"{name}: a component has {part.ndim} axes; it must be an image (H, W) or slices (n, H, W)."
            )
        if part.dtype.kind not in "iuf":
            raise DataError(f"{name}: a component holds {part.dtype}; velocities are real numbers.")
    if len({part.shape for part in stacks}) != 1:
        raise DataError(f"{name}: the components have different shapes, {', '.join(str(p.shape) for p in stacks)}.")
    with np.errstate(over="ignore"):
        # Beyond the range of float32 is not finite, and refused below.
        field_3nHW = np.stack(stacks).astype(np.float32)
    if not field_3nHW.size or not np.isfinite(field_3nHW).all():
        raise DataError(
            f"{name} has no values, or some that are not finite: crop it to where velocities were measured."
        )
    return field_3nHW


def _components(path: Path, variables: Sequence[str]) -> list[NDArray[Any]]:
    kind = _kind(path)
    if kind in ("hdf5", "netcdf"):
        return [_component(path, name) for name in variables]
    values = _npy(path) if kind == "npy" else _tiff(path)
    if values.ndim not in (3, 4) or values.shape[0] != 3:
        allowed = "3 bands" if kind == "tiff" else "(3, H, W) or (3, n, H, W), the component first"
        raise DataError(f"{path} has the shape {values.shape}; it must hold {allowed}.")
    return list(values)


def _component(path: Path, name: str) -> NDArray[Any]:
    readers: dict[str, Callable[[], NDArray[Any]]] = {
        "npy": lambda: _npy(path),
        "tiff": lambda: _tiff(path),
        "hdf5": lambda: _hdf5(path, name),
        "netcdf": lambda: _netcdf(path, name),
    }
    return readers[_kind(path)]()


def _kind(path: Path) -> str:
    if not path.is_file():
        raise DataNotFound(f"There is no file {path}.")
    kinds = {
        ".npy": "npy",
        ".h5": "hdf5",
        ".hdf5": "hdf5",
        ".nc": "netcdf",
        ".nc4": "netcdf",
        ".tif": "tiff",
        ".tiff": "tiff",
    }
    if path.suffix.lower() not in kinds:
        raise DataError(f"{path} is of no known format; velocity fields end in {', '.join(kinds)}.")
    kind = kinds[path.suffix.lower()]
    with path.open("rb") as file:
        # NetCDF 4 is HDF5 inside.
        is_hdf5 = file.read(len(_HDF5_MAGIC)) == _HDF5_MAGIC
    return "hdf5" if kind == "netcdf" and is_hdf5 else kind


def _npy(path: Path) -> NDArray[Any]:
    try:
        # As a view of the file: a damaged header cannot ask for more memory than the file has bytes.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:
        # A damaged header is parsed as Python, and raises errors of many classes.
        raise DataError(f"{path} cannot be read ({error}): it is no array of numbers, or damaged.") from error


def _tiff(path: Path) -> NDArray[Any]:
    from rasterio.errors import RasterioError

    from rs_adapt.scenes.drivers import open_with

    try:
        with open_with(path, ["GTiff"]) as dataset:
            itemsize = max(np.dtype(kind).itemsize for kind in dataset.dtypes)
            num_bytes = dataset.count * dataset.height * dataset.width * itemsize
            if num_bytes > _MOST_BYTES:
                raise DataError(f"{path} states {num_bytes} bytes of pixels, more than {_MOST_BYTES}.")
            read = dataset.read(masked=True)
            factors, offsets = (np.array(of)[:, None, None] for of in (dataset.scales, dataset.offsets))
    except (RasterioError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}): the file is damaged, or no TIFF.") from error
    if np.ma.is_masked(read):
        raise DataError(f"{path} has pixels without data. Crop it to where velocities were measured.")
    values = _unpacked(np.ma.getdata(read), factors, offsets)
    return values[0] if values.shape[0] == 1 else values


def _unpacked(values: NDArray[Any], factor: Any, offset: Any) -> NDArray[Any]:
    """Return values that a file stores as whole numbers, times a factor and plus an offset; others as they are."""
    plain = bool(np.all(np.equal(factor, 1)) and np.all(np.equal(offset, 0)))
    return values if plain else values * np.asarray(factor, np.float64) + np.asarray(offset, np.float64)


def _hdf5(path: Path, name: str) -> NDArray[Any]:
    try:
        import h5py
    except ImportError as error:
        raise DataNotFound(
            f"{path} is an HDF5 file (NetCDF 4 is one too), which needs the package h5py: pip install h5py, or save "
            "the field with numpy.save and name the .npy file."
        ) from error
    try:
        with h5py.File(path, "r") as file:
            # Links lead into other files, and so may the pixels of a virtual or external data set.
            links = {key: file.get(key, getlink=True) for key in file}
            own = {key: file[key] for key, link in links.items() if isinstance(link, h5py.HardLink)}
            data = {key: value for key, value in own.items() if isinstance(value, h5py.Dataset)}
            if name not in data:
                raise _missing(path, name, list(data))
            if data[name].is_virtual or data[name].external:
                raise DataError(f"{path}: variable {name} lies in other files. Name a file that holds its values.")
            if data[name].nbytes > _MOST_BYTES:
                raise DataError(f"{path}: variable {name} has {data[name].nbytes} bytes, more than {_MOST_BYTES}.")
            return _of_attributes(np.asarray(data[name][()]), data[name].attrs, f"{path}: variable {name}")
    except DataError:
        raise
    except Exception as error:
        # h5py raises errors of many classes for damaged files.
        raise DataError(f"{path} cannot be read ({error}): the file is damaged, or no HDF5.") from error


def _of_attributes(values: NDArray[Any], attributes: Any, what: str) -> NDArray[Any]:
    """Return values as the conventions of NetCDF mean them, which h5py does not know.

    Raises:
        DataError: Values are missing.
    """
    for key in ("_FillValue", "missing_value"):
        if key in attributes and np.isin(values, attributes[key]).any():
            raise DataError(f"{what} has missing values. Crop it to where velocities were measured.")
    if not {"scale_factor", "add_offset"} & set(attributes):
        return values
    return _unpacked(values, attributes.get("scale_factor", 1.0), attributes.get("add_offset", 0.0))


def _netcdf(path: Path, name: str) -> NDArray[Any]:
    from scipy.io import netcdf_file

    try:
        with netcdf_file(path, "r", mmap=False, maskandscale=True) as file:
            if name not in file.variables:
                raise _missing(path, name, list(file.variables))
            values = file.variables[name][:]
    except DataError:
        raise
    except Exception as error:
        # Whatever scipy's reader meets in a damaged file: it raises errors of many classes.
        raise DataError(f"{path} cannot be read ({error}): the file is damaged, or no NetCDF.") from error
    if np.ma.is_masked(values):
        raise DataError(f"{path}: variable {name} has missing values. Crop it to where velocities were measured.")
    # Classic files are big-endian.
    native = np.ma.getdata(values)
    return np.asarray(native.astype(native.dtype.newbyteorder("=")))


def _missing(path: Path, name: str, known: list[str]) -> DataError:
    return DataError(
        f"{path} has no variable {name}; it has {', '.join(known) or 'none'}. Name the three components with variables."
    )
