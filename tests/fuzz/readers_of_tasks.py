"""Rows of `test_readers.READERS` for scene classification, captions and super-resolution."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from rs_adapt.datasets.captions.choices import read_choices
from rs_adapt.datasets.captions.lexicon import read_lexicon
from rs_adapt.datasets.captions.records import read_list
from rs_adapt.datasets.captions.shards import read_shards
from rs_adapt.datasets.scene_classes.folders import find_scenes
from rs_adapt.datasets.scene_classes.split import read_split
from rs_adapt.runs.records import read_record
from rs_adapt.turbulence.fields import read_slices
from rs_adapt.turbulence.image_scores import ImageScores
from rs_adapt.turbulence.storage import read_facts, read_stack

CAPTIONS = [
    {"image": "a.png", "caption": "a red car", "negatives": ["a blue car"]},
    {"filepath": "a.png", "title": "b"},
]
TABLE = b'image,caption,negatives\na.png,"a car, red","[""a car""]"\na.png,two houses,\n'
SPLIT = {"train": [["a.png", 0, "forest"]], "val": [], "test": [["b/a.png", 1, "beach"]]}
ITEMS = [{"image": "a.png", "kind": "swap", "texts": ["a car", "a house"]}] * 2
SUGARCREPE = {"0": {"filename": "a.png", "caption": "a car", "negative_caption": "a house"}}
ARO = [{"image_path": "a.png", "true_caption": "a car", "false_caption": "a house", "relation_name": "on"}]
ARO[0] |= dict.fromkeys(["bbox_x", "bbox_y"], 0) | dict.fromkeys(["bbox_w", "bbox_h"], 8)
VALSE = {"0": {"image_file": "a.png", "dataset": ".", "caption": "a", "foil": "b", "mturk": {"caption": 3}}}
ORDER = [{"image": "a.png", "caption": ["a red car next to a white house", "two houses"]}]
LEXICON = b'[adjectives]\ncolour = ["red", "blue"]\n[nouns]\nthing = ["car", "house"]\n[plurals]\nman = "men"\n'
FLOW = {"mean": [0.0, 0.1, 0.2], "scale": 1.0, "value_range": 4.0, "is_periodic": True, "slices": {"train": [1, 1]}}
MEASURES = dict.fromkeys(["psnr_db", "ssim", "divergence", "spectrum_dex", "resolved_dex", "subgrid_dex"], 0.5)
SCORES = {"bench": "flow", "split": "test", "scale": 4, "degradation": "box", "data_sha256": "0" * 64, "iter": 4}
SCORES |= {"images": [{"name": "0/1", "snapshot": "0", **MEASURES}]}
FIELD_3nHW = np.random.default_rng(0).standard_normal((3, 2, 4, 6)).astype(np.float32)


def _dump(value: object) -> bytes:
    return json.dumps(value).encode()


def _beside(path: Path) -> Path:
    """Return the folder of a file, with the image that its lists name."""
    from PIL import Image

    for name in ("a.png", "b/a.png"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        if not (path.parent / name).exists():
            Image.new("RGB", (8, 8)).save(path.parent / name)
    return path.parent


def _choices(benchmark: str) -> Callable[[Path], object]:
    return lambda path: read_choices(benchmark, path, _beside(path))  # type: ignore[arg-type]


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """Return a tar of files."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def _tar(path: Path) -> bytes:
    return tar_of({"1.jpg": b"x" * 700, "1.txt": b"a red car", "2.png": b"y", "2.json": _dump(CAPTIONS[0])})


def _npy(path: Path) -> bytes:
    np.save(path, FIELD_3nHW)
    return path.read_bytes()


def _netcdf(path: Path) -> bytes:
    from scipy.io import netcdf_file

    with netcdf_file(path, "w") as file:
        for name, size in zip("nyx", FIELD_3nHW.shape[1:], strict=True):
            file.createDimension(name, size)
        for name, values in zip("uvw", FIELD_3nHW, strict=True):
            file.createVariable(name, "f4", ("n", "y", "x"))[:] = values
    return path.read_bytes()


def _tiff(path: Path) -> bytes:
    import rasterio

    shape = {"height": 4, "width": 6, "count": 3, "dtype": "float32"}
    with rasterio.open(path, "w", driver="GTiff", **shape) as file:
        file.write(FIELD_3nHW[:, 0])
    return path.read_bytes()


def _list_of_class(path: Path) -> object:
    (path.parents[1] / "a.png").touch()
    return find_scenes(path.parents[1])


def _field(path: Path) -> object:
    return read_slices([path])


# Name of the file, its form for `damage`, its content and its reader.
TASK_READERS: dict[str, tuple[str, str, bytes | Callable[[Path], bytes], Callable[[Path], object]]] = {
    "split of scenes": ("split.json", "json", _dump(SPLIT), read_split),
    "list of a class": ("txtclasses_x/forest.txt", "text", b"a.png\n\n", _list_of_class),
    "captions (CSV)": ("c.csv", "text", TABLE, lambda path: read_list(path, _beside(path))),
    "captions (TSV)": ("c.tsv", "text", TABLE.replace(b",", b"\t"), lambda path: read_list(path, _beside(path))),
    "captions (JSON lines)": (
        "c.jsonl",
        "jsonl",
        b"".join(_dump(line) + b"\n" for line in CAPTIONS),
        lambda path: read_list(path, _beside(path)),
    ),
    "captions (tar)": ("c.tar", "bytes", _tar, lambda path: read_shards([path])),
    "items": ("items.json", "json", _dump(ITEMS), _choices("items")),
    "SugarCrepe": ("add_att.json", "json", _dump(SUGARCREPE), _choices("sugarcrepe")),
    "ARO": ("aro.json", "json", _dump(ARO), _choices("aro")),
    "VALSE": ("existence.json", "json", _dump(VALSE), _choices("valse")),
    "word order": ("coco.json", "json", _dump(ORDER), _choices("order")),
    "lexicon": ("words.toml", "toml", LEXICON, read_lexicon),
    "velocities (NumPy)": ("f.npy", "bytes", _npy, _field),
    "velocities (NetCDF)": ("f.nc", "bytes", _netcdf, _field),
    "velocities (TIFF)": ("f.tif", "bytes", _tiff, _field),
    "prepared velocities": ("00000.npy", "bytes", _npy, lambda path: read_stack(path, slices=2)),
    "facts of velocities": ("flow.json", "json", _dump(FLOW), lambda path: read_facts(path.parent)),
    "scores of images": ("images.json", "json", _dump(SCORES), lambda path: read_record(path, ImageScores)),
}
