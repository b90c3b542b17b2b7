"""Predictions of LoveDA's test images as the file that its server scores: label ids 0 to 6, one flat zip."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rs_adapt.datasets.manifest import load_manifest
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.files import atomic_file, check_output_file
from rs_adapt.inference.predictor import Predictor
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import quiet_libraries

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_FAMILIES = ("loveda", "loveda_1024")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What was written: the file, its images, how many the split has, and the share of each class in percent."""

    file: Path
    images: int
    of: int
    share_pct: dict[str, float]


def write_submission(
    cfg: ResolvedConfig,
    checkpoint: Path,
    *,
    images: Path,
    out: Path,
    partial: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    on_progress: OnProgress = no_progress,
) -> Submission:
    """Predict the test images of the target's domain at their own size, and write the zip.

    Source of the form: Junjue-Wang/LoveDA @3f4ba90 (class indices 0 to 6 in 8-bit PNGs named like the images, no
    folder within the zip: a nested one is scored 0).

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        images: A folder with the test images, at any depth, or LoveDA's `Test.zip`.
        out: The zip to write; it appears complete or not at all.
        partial: Write what is there where images of the domain are missing; the server wants all of them.
        overwrite: Replace an existing file.
        device: "auto", "cpu", "cuda" or "cuda:N".
        on_progress: Called with the stage, the steps done and the steps in all.

    Raises:
        ConfigError: The bench is not LoveDA's.
        OutputExists: `out` exists.
        DataNotFound: Test images are missing.
        DataError: The zip or an image is damaged.
    """
    if cfg.bench.family not in _FAMILIES:
        raise ConfigError(
            f"{checkpoint} was trained on {cfg.bench.name}, and submissions are for LoveDA's server. Give a run of "
            f"{' or '.join(_FAMILIES)}."
        )
    check_output_file(out, overwrite=overwrite)
    ids = load_manifest("loveda").regions[cfg.bench.target.region].splits["test"].ids
    assert ids is not None
    first, last = ids
    with _unpacked(images, first, last) as found:
        _require_all(found, first, last, images, str(cfg.bench.target.region), partial=partial)
        with quiet_libraries():
            predictor = Predictor.load(cfg, checkpoint, device=device)
        classes = list(cfg.bench.classes)
        counts_K = np.zeros(len(classes), dtype=np.int64)
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for done, (number, path) in enumerate(sorted(found.items()), start=1):
                labels_HW = predictor.predict(_read_image(cfg, path)).labels_HW
                counts_K += np.bincount(labels_HW.ravel(), minlength=len(classes))
                buffer = io.BytesIO()
                Image.fromarray(labels_HW).save(buffer, format="PNG")
                # A fixed time, so that equal predictions give an equal file; PNGs are compressed already.
                archive.writestr(zipfile.ZipInfo(f"{number}.png"), buffer.getvalue())
                on_progress("predicting", done, len(found))
    share = 100 * counts_K / counts_K.sum()
    return Submission(
        file=out,
        images=len(found),
        of=last - first + 1,
        share_pct={name: round(float(value), 2) for name, value in zip(classes, share, strict=True)},
    )


@contextmanager
def _unpacked(images: Path, first: int, last: int) -> Iterator[dict[int, Path]]:
    """Return the images of the domain by number, from a folder or a zip."""
    if not images.exists():
        raise DataNotFound(
            f"There is no {images}. `rs-adapt data fetch loveda --archive Test.zip` gets the test images; name the zip "
            "or a folder with --images."
        )
    if images.is_dir():
        yield _numbered({str(path): path for path in images.rglob("*.png")}, first, last, images)
        return
    with tempfile.TemporaryDirectory(prefix="rs-adapt-test-") as folder:
        try:
            with zipfile.ZipFile(images) as archive:
                names = _numbered({name: Path(name) for name in archive.namelist()}, first, last, images)
                unpacked = {}
                for number, name in names.items():
                    unpacked[number] = Path(folder) / f"{number}.png"
                    unpacked[number].write_bytes(archive.read(name.as_posix()))
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise DataError(f"{images} cannot be read as a zip ({error}): fetch it again.") from error
        yield unpacked


def _numbered(paths: dict[str, Path], first: int, last: int, images: Path) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for name, path in sorted(paths.items()):
        number = re.fullmatch(r"(?:.*/)?(\d+)\.png", name)
        if number is None or not first <= int(number[1]) <= last:
            continue
        if int(number[1]) in found:
            raise DataError(f"{images} holds two images numbered {number[1]}. Remove one of them.")
        found[int(number[1])] = path
    return found


def _require_all(found: dict[int, Path], first: int, last: int, images: Path, region: str, *, partial: bool) -> None:
    missing = [number for number in range(first, last + 1) if number not in found]
    if not found or (missing and not partial):
        hint = "" if not found else " --partial writes what is there."
        raise DataNotFound(
            f"{images} lacks {len(missing)} of the {last - first + 1} test images of the domain {region} (numbers "
            f"{first} to {last}), the first one is {missing[0]}.png. The server scores all of them or nothing.{hint}"
        )


def _read_image(cfg: ResolvedConfig, path: Path) -> NDArray[np.uint8]:
    """Read an image at its own size as the bench reads its tiles: RGB uint8 (H, W, 3)."""
    from mmcv.transforms import Compose

    # The bench's resize to the size of its tiles is left out.
    steps = [step for step in cfg.val_dataloader.dataset.pipeline if step.type == "LoadImageFromFile"]
    try:
        image_HW3: NDArray[np.uint8] = Compose(steps)({"img_path": str(path)})["img"]
    except (OSError, SyntaxError) as error:
        raise DataError(f"cannot read {path}: {error}. Replace the file.") from error
    return image_HW3[..., ::-1]
