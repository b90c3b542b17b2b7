"""Pictures, opened as one of the formats that data sets use and as nothing else.

Pillow recognises a file by its content, whatever it is called: an EPS named `x.png` would start Ghostscript, a program
that runs what the file says.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from PIL import Image

# MPO (two pictures of one camera) is read through JPEG.
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM")


def open_picture(file: Path | str | IO[bytes]) -> Image.Image:
    """Open a picture, of which only the header is read until its pixels are asked for; use it as a context manager.

    Raises:
        PIL.UnidentifiedImageError: It is none of `FORMATS`; an `OSError`.
        OSError: It cannot be read.
    """
    return Image.open(file, formats=FORMATS)
