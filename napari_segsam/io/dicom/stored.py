"""What is stored in a frame: numbers to be rescaled, intensities from a table, or colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options

from napari_segsam.io.dicom.claims import samples
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.opened import OpenFile
from napari_segsam.io.dicom.packets import Packets
from napari_segsam.io.dicom.syntax import is_packed
from napari_segsam.io.dicom.tables import Table, lookup_table, palette
from napari_segsam.io.dicom.values import value


def plain_kind(frame: Frame) -> np.dtype[Any] | None:
    """The type of the numbers in the file where they can be read as they lie there; None where pydicom has to."""
    header, file = frame.header, frame.file
    bits, little = int(value(header, "BitsAllocated")), not is_packed(file.syntax) and file.syntax.is_little_endian
    if is_packed(file.syntax) or samples(file) != 1 or frame.tile is not None:
        return None
    if bits == 1 or (bits == 8 and not little):  # bits are packed in bytes, and bytes may be swapped in pairs
        return None
    if value(header, "ModalityLUTSequence") or value(header, "PhotometricInterpretation") == "PALETTE COLOR":
        return None
    letter = "f" if file.pixels.keyword != "PixelData" else "i" if value(header, "PixelRepresentation") == 1 else "u"
    return np.dtype(f"{'<' if little else '>'}{letter}{bits // 8}")


def without_unused_bits(stored: NDArray[Any], frame: Frame) -> None:
    """Set the bits above Bits Stored to the sign, in place; what lies there means something else (PS3.5 8.1.1)."""
    allocated = int(value(frame.header, "BitsAllocated"))
    unused = allocated - int(value(frame.header, "BitsStored") or allocated)
    if unused and stored.dtype.kind in "iu":
        np.left_shift(stored, unused, out=stored)
        np.right_shift(stored, unused, out=stored)


class Unpacker:
    """Unpacks frames one after another; keeps the last one, as the tiles of a mosaic follow each other."""

    def __init__(self, opened: OpenFile) -> None:
        self._opened = opened
        self._packets: Packets | None = None
        self._last: tuple[object, int] | None = None
        self._values: NDArray[Any] = np.zeros(0)

    def read(self, frame: Frame) -> NDArray[Any]:
        """(rows, cols) numbers to be rescaled, or intensities from a table; or (rows, cols, 3) uint8 RGB."""
        if self._last != (frame.file, frame.number):
            self._values = _mapped(self._unpacked(frame), frame.header)
            self._last = (frame.file, frame.number)
        if frame.tile is None:
            return self._values
        row, col = frame.tile
        return self._values[row : row + frame.rows, col : col + frame.cols]

    def _unpacked(self, frame: Frame) -> NDArray[Any]:
        """(rows, cols) or (rows, cols, 3) as stored, but colours are RGB."""
        file, stream = frame.file, self._opened.at_pixels(frame.file)
        options: dict[str, Any] = as_pixel_options(frame.header, pixel_keyword=file.pixels.keyword)
        decoder = get_decoder(file.syntax)
        if not is_packed(file.syntax):
            options["pixel_vr"] = file.pixels.vr or "OW"
            return decoder.as_array(stream, index=frame.number, **options)[0]
        if self._packets is None or self._packets.file is not file:
            self._packets = Packets.of(stream, file)
        packed = encapsulate([self._packets.read(stream, frame.number)], has_bot=False)
        options |= {"number_of_frames": 1, "extended_offsets": None}
        return decoder.as_array(packed, index=0, **options)[0]


def has_table(frame: Frame) -> bool:
    """Whether a table instead of slope and intercept makes its intensities (PS3.3 C.11.1)."""
    return bool(value(frame.header, "ModalityLUTSequence"))


def intensity_table(frame: Frame) -> Table:
    """The Modality LUT; raises ValueError where it is cut short."""
    return lookup_table(value(frame.header, "ModalityLUTSequence")[0], frame.header)


def _mapped(stored: NDArray[Any], header: Dataset) -> NDArray[Any]:
    if value(header, "PhotometricInterpretation") == "PALETTE COLOR":
        return _coloured(stored, palette(header))
    if stored.ndim == 3:
        return _eight_bits(stored[..., :3], int(value(header, "BitsStored") or 8))
    if value(header, "ModalityLUTSequence"):
        return lookup_table(value(header, "ModalityLUTSequence")[0], header).of(stored)
    return stored


def _coloured(stored: NDArray[Any], tables: Sequence[Table]) -> NDArray[np.uint8]:
    """(rows, cols, 3) RGB; writers that say 16 bits and use 8 are common, but not for one colour alone."""
    is_small = all(table.entries.max() <= 0xFF for table in tables)
    return np.stack([_eight_bits(table.of(stored), 8 if is_small else table.bits) for table in tables], axis=-1)


def _eight_bits(colours: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    return (colours >> max(bits - 8, 0)).astype(np.uint8)
