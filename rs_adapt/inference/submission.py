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

from rs_adapt import limits
from rs_adapt.datasets.manifest import load_manifest
from rs_adapt.errors import ConfigError, DataError, DataNotFound
from rs_adapt.files import atomic_file, check_output_file
from rs_adapt.inference.predictor import Predictor
from rs_adapt.pictures import open_picture
from rs_adapt.progress import OnProgress, no_progress
from rs_adapt.registry import quiet_libraries
from rs_adapt.zips import check_member

if TYPE_CHECKING:
    from rs_adapt.config.resolved import ResolvedConfig

_FAMILIES = ("loveda", "loveda_1024")


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A written submission: its file and images, the images of the split, and the share of each class in percent."""

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

    Source of the format: Junjue-Wang/LoveDA @3f4ba90 (class indices 0 to 6 in 8-bit PNGs named like the images, no
    folder within the zip: a nested one is scored 0).

    Args:
        cfg: The checkpoint's configuration, from `recompose`.
        checkpoint: Folder of the pack.
        images: A folder with the test images, at any depth, or LoveDA's `Test.zip`.
        out: The zip to write; it appears complete or not at all.
        partial: Write the zip also where images of the domain are missing; the server requires all of them.
        overwrite: Whether to replace an existing file.
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
    with _unpack(images, ids) as paths:
        _require_all(paths, ids, images, str(cfg.bench.target.region), partial=partial)
        with quiet_libraries():
            predictor = Predictor.load(cfg, checkpoint, device=device)
        classes = list(cfg.bench.classes)
        counts_K = np.zeros(len(classes), dtype=np.int64)
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for count, (number, path) in enumerate(sorted(paths.items()), start=1):
                labels_HW = predictor.predict(_read_image(cfg, path)).labels_HW
                counts_K += np.bincount(labels_HW.ravel(), minlength=len(classes))
                buffer = io.BytesIO()
                Image.fromarray(labels_HW).save(buffer, format="PNG")
                # A fixed time, so that equal predictions give an equal file; PNGs are compressed already.
                archive.writestr(zipfile.ZipInfo(f"{number}.png"), buffer.getvalue())
                on_progress("predicting", count, len(paths))
    share = 100 * counts_K / counts_K.sum()
    return Submission(
        file=out,
        images=len(paths),
        of=ids[1] - ids[0] + 1,
        share_pct={name: round(float(value), 2) for name, value in zip(classes, share, strict=True)},
    )


@contextmanager
def _unpack(images: Path, ids: tuple[int, int]) -> Iterator[dict[int, Path]]:
    """Unpack a zip if necessary, and yield the images of the domain by number."""
    if not images.exists():
        raise DataNotFound(
            f"There is no {images}. `rs-adapt data fetch loveda --archive Test.zip` gets the test images; name the zip "
            "or a folder with --images."
        )
    if images.is_dir():
        yield _number_images({str(path): path for path in images.rglob("*.png")}, ids, images)
        return
    with tempfile.TemporaryDirectory(prefix="rs-adapt-test-") as folder:
        try:
            with zipfile.ZipFile(images) as archive:
                names = _number_images({name: Path(name) for name in archive.namelist()}, ids, images)
                unpacked = {}
                for number, name in names.items():
                    member = archive.getinfo(name.as_posix())
                    check_member(member, most=limits.ZIPPED_IMAGE_BYTES, place=str(images), error=DataError)
                    unpacked[number] = Path(folder) / f"{number}.png"
                    unpacked[number].write_bytes(archive.read(name.as_posix()))
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise DataError(f"{images} cannot be read as a zip ({error}): fetch it again.") from error
        yield unpacked


def _number_images(paths: dict[str, Path], ids: tuple[int, int], images: Path) -> dict[int, Path]:
    by_number: dict[int, Path] = {}
    for name, path in sorted(paths.items()):
        number = re.fullmatch(r"(?:.*/)?(\d+)\.png", name)
        if number is None or not ids[0] <= int(number[1]) <= ids[1]:
            continue
        if int(number[1]) in by_number:
            raise DataError(f"{images} contains two images numbered {number[1]}. Remove one of them.")
        by_number[int(number[1])] = path
    return by_number


def _require_all(paths: dict[int, Path], ids: tuple[int, int], images: Path, region: str, *, partial: bool) -> None:
    first, last = ids
    missing = [number for number in range(first, last + 1) if number not in paths]
    if not paths or (missing and not partial):
        hint = "" if not paths else " --partial writes the existing ones."
        raise DataNotFound(
            f"{images} lacks {len(missing)} of the {last - first + 1} test images of the domain {region} (numbers "
            f"{first} to {last}), the first is {missing[0]}.png. The server scores complete submissions only.{hint}"
        )


def _read_image(cfg: ResolvedConfig, path: Path) -> NDArray[np.uint8]:
    """Read an image at its own size as the bench reads its tiles: RGB uint8 (H, W, 3)."""
    from mmcv.transforms import Compose

    # The bench's resize to the size of its tiles is left out.
    steps = [step for step in cfg.val_dataloader.dataset.pipeline if step.type == "LoadImageFromFile"]
    try:
        # mmcv would open any format that Pillow knows.
        open_picture(path).close()
        image_HW3: NDArray[np.uint8] = Compose(steps)({"img_path": str(path)})["img"]
    except (OSError, SyntaxError) as error:
        raise DataError(f"Cannot read {path}: {error}. Replace the file.") from error
    return image_HW3[..., ::-1]
