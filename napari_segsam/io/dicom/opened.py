"""OpenFile: the bytes of a DICOM file's pixels."""

from __future__ import annotations

import io
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from napari_segsam.io.dicom.claims import frame_bits, frame_count
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.header import File
from napari_segsam.io.dicom.stream import Clamped, inflated


class OpenFile:
    """Keeps the last file open, as frames of one file follow each other."""

    def __init__(self) -> None:
        self._file: File | None = None
        self._stream: Clamped | io.BytesIO = io.BytesIO()

    def __enter__(self) -> OpenFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stream.close()

    def at_pixels(self, file: File) -> Clamped | io.BytesIO:
        """The file's bytes from its first pixel on; those of a deflated file are inflated as far as its pixels go."""
        if self._file is not file:
            self._stream.close()
            self._stream, self._file = _opened(file), file
        self._stream.seek(file.pixels.offset)
        return self._stream

    def read_into(self, frame: Frame, room: NDArray[Any]) -> None:
        """Fill ``room``, (rows, cols) of the file's own type in one piece, with the frame's stored numbers.

        Raises:
            EOFError: the file ends before.
        """
        stream = self.at_pixels(frame.file)
        stream.seek(frame.number * room.nbytes, io.SEEK_CUR)
        if stream.readinto(room.data.cast("B")) < room.nbytes:
            raise EOFError("pixels are cut short")


def _opened(file: File) -> Clamped | io.BytesIO:
    raw = file.path.open("rb", buffering=0)
    if not file.is_deflated:
        return Clamped(raw)
    with raw:
        raw.seek(file.body)
        return inflated(raw, file.pixels.offset + (frame_bits(file) * frame_count(file) + 7) // 8 + 1)
