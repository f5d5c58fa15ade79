"""The bytes of a DICOM file, never more of them than are there or than its own header accounts for."""

from __future__ import annotations

import io
import os
import zlib
from typing import BinaryIO

_SMALL = 1 << 16


class Clamped(io.BufferedReader):
    """A file that reads no further than its end, so that a damaged length cannot ask for gigabytes of memory."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """``size`` bytes, or what is left of them.

        Raises:
            ValueError: all of the file is asked for, which only the inflating of a deflated file does; see `inflated`.
        """
        if size is None or size < 0:
            raise ValueError("how many bytes?")
        return super().read(size if size <= _SMALL else min(size, max(0, self._size - self.tell())))


def inflated(file: BinaryIO, most: int) -> io.BytesIO:
    """The data set that was deflated into the rest of ``file`` (PS3.5 A.5), as far as its first ``most`` bytes.

    Raises:
        zlib.error: it is none.
    """
    return io.BytesIO(zlib.decompressobj(-zlib.MAX_WBITS).decompress(file.read(), most))
