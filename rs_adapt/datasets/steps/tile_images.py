"""Images of tiles, of which the first rows are decoded.

A PNG holds its rows in one compressed stream, so the rows above the last wanted one must be decoded, and those below
need not be. Pillow stops where the header says that the image ends; the file is handed to it with a smaller height.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np

from rs_adapt.pictures import open_picture

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">II5B")
# 8 bits, red, green and blue; the usual compression and filters, rows in order.
_PLAIN = (8, 2, 0, 0, 0)
# Any other part may change what the pixels mean, such as transparency, a rotation, or frames of an animation.
_PARTS = frozenset((b"IHDR", b"IDAT", b"IEND", b"pHYs", b"gAMA", b"cHRM", b"sRGB", b"tIME"))
# Of a chunk: its length and name before the content, and a checksum after it.
_BEFORE, _AFTER = 8, 4


_Array = np.ndarray[Any, Any]


class WholeImage:
    """An image that was decoded as a whole.

    Attributes:
        shape: Height and width, px.

    Args:
        image_HWC: Uint8, BGR.
    """

    def __init__(self, image_HWC: _Array) -> None:
        self.shape: tuple[int, int] = image_HWC.shape[:2]
        self._image = image_HWC

    def rows(self, count: int) -> _Array:
        """Return rows from the top, (count, W, 3) uint8 BGR."""
        return self._image[:count]


class ColourPng:
    """A complete PNG of 8-bit colours, of which rows are decoded when they are asked for, and kept.

    Attributes:
        shape: Height and width, px.
    """

    def __init__(self, content: bytes, shape: tuple[int, int]) -> None:
        """Store what `read` has found."""
        self.shape = shape
        self._content = content
        self._rows: _Array = np.empty((0, shape[1], 3), np.uint8)

    @classmethod
    def read(cls, content: bytes) -> ColourPng | None:
        """Return the PNG in a file's content; None if it is none, of another kind, or damaged.

        Each part's checksum is compared, so that damage to rows that nobody decodes is found too.
        """
        if not content.startswith(_SIGNATURE):
            return None
        place, name, view = len(_SIGNATURE), b"", memoryview(content)
        while name != b"IEND":
            if place + _BEFORE + _AFTER > len(content):
                return None
            (length,) = struct.unpack_from(">I", content, place)
            name, end = content[place + 4 : place + _BEFORE], place + _BEFORE + length
            if name not in _PARTS or end + _AFTER > len(content):
                return None
            if zlib.crc32(view[place + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
                return None
            place = end + _AFTER
        if content[8:16] != b"\0\0\0\x0dIHDR":
            return None
        width, height, *kind = _HEADER.unpack_from(content, 16)
        return cls(content, (height, width)) if tuple(kind) == _PLAIN and width and height else None

    def rows(self, count: int) -> _Array:
        """Return rows from the top, (count, W, 3) uint8 BGR; they cannot be written to.

        Args:
            count: Number of rows, 1 to the height.

        Raises:
            OSError, SyntaxError: Their data cannot be decoded.
        """
        if count > len(self._rows):
            self._rows = self._decode(count)
            if count == self.shape[0]:
                self._content = b""
        return self._rows[:count]

    def _decode(self, count: int) -> _Array:
        width = self.shape[1]
        header = b"IHDR" + _HEADER.pack(width, count, *_PLAIN)
        start, end = len(_SIGNATURE), len(_SIGNATURE) + _BEFORE + _HEADER.size + _AFTER
        parts = (self._content[: start + 4], header, struct.pack(">I", zlib.crc32(header)), self._content[end:])
        with open_picture(io.BytesIO(b"".join(parts))) as image:
            return np.frombuffer(image.tobytes("raw", "BGR"), np.uint8).reshape(count, width, 3)
