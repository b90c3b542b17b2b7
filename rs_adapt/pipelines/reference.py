"""The images that lend their look: a folder, from which one is drawn at a time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import mmcv
import numpy as np

from rs_adapt.errors import DataError, DataNotFound
from rs_adapt.pictures import open_picture


class ReferencePool:
    """Images `folder/**/*<suffix>`; it holds their names only, so copies for loader processes are small.

    The names are listed at construction, which is when data sets are built and checked: before training begins.

    Args:
        folder: Folder of the images: 8-bit, 3 bands, any size.
        suffix: Ending of their file names.

    Raises:
        DataNotFound: The folder is missing or holds no such image.
    """

    def __init__(self, *, folder: str, suffix: str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise DataNotFound(
                f"The folder of reference images {self.folder} does not exist. Put images there, or switch off the "
                "transform that draws from it."
            )
        # Sorted, because folders are listed in an order that differs between machines.
        self.names = sorted(path.relative_to(self.folder).as_posix() for path in self.folder.rglob(f"*{suffix}"))
        if not self.names:
            raise DataNotFound(
                f"The folder of reference images {self.folder} holds no *{suffix} image. Put images there, or switch "
                "off the transform that draws from it."
            )

    def draw(self) -> np.ndarray[Any, Any]:
        """Read an image chosen with numpy's global generator, each with the same chance; see `read`."""
        # The global generator, because a training stream seeds it for each sample.
        return self.read(self.names[np.random.randint(len(self.names))])  # noqa: NPY002

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """Read an image.

        Args:
            name: One of `names`.

        Returns:
            (H, W, 3) uint8, BGR, as mmsegmentation's `LoadImageFromFile` gives it with its pillow backend.

        Raises:
            DataError: The image cannot be decoded, naming the file.
        """
        path = self.folder / name
        try:
            content = path.read_bytes()
            # mmcv would open any format that Pillow knows.
            open_picture(io.BytesIO(content)).close()
            image_HWC: np.ndarray[Any, Any] = mmcv.imfrombytes(content, backend="pillow")
        except (OSError, SyntaxError) as error:  # what PIL raises for files that are cut off or no images
            raise DataError(f"Cannot read the reference image {path}: {error}. Replace the file.") from error
        return image_HWC
