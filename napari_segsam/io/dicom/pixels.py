"""The voxels of a stack of frames: unpacked, rescaled slice by slice, colours as RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.header import DAMAGE, Frame, refusal, transfer_syntax
from napari_segsam.io.dicom.stack import Stack
from napari_segsam.io.intensities import Voxels

_INT16 = np.iinfo(np.int16)


def unsupported_syntax(header: Dataset) -> str | None:
    """Why the pixels of such a file cannot be unpacked here, None where they can."""
    syntax = transfer_syntax(header)
    if not _is_packed(syntax):
        return None
    try:
        if get_decoder(syntax).is_available:
            return None
    except NotImplementedError:
        pass
    return f"its pixels are packed as {syntax.name} ({syntax}), which cannot be read here; export it uncompressed"


def _is_packed(syntax: pydicom.uid.UID) -> bool:
    return not syntax.is_transfer_syntax or (syntax.is_compressed and not syntax.is_deflated)


def read_voxels(pile: Stack, name: str) -> Voxels:
    """(ni, nj, nk) int16 where the intensities are whole and in its range, else float32; or (ni, nj, nk, 3) uint8 RGB.

    Raises:
        UnreadableInputError: names the file whose pixels are damaged, cut short or packed in an unknown way.
    """
    reader = FrameReader()
    first = reader.read(pile.frames[0])
    kind = np.uint8 if first.ndim == 3 else np.int16 if _fits_int16(first) else np.float32
    try:
        out: Voxels = np.empty((len(pile.frames), *first.shape), kind)
    except MemoryError as error:
        size = len(pile.frames) * first.size * np.dtype(kind).itemsize / 1e9
        raise UnreadableInputError(f"{name} needs {size:.1f} GB of memory; close programs or crop it.") from error
    for k, frame in enumerate(pile.frames):
        values = first if k == 0 else reader.read(frame)
        if values.shape != first.shape:
            raise UnreadableInputError(
                f"{name}: {frame.path.name} has another size than its header says; export it again."
            )
        if out.dtype == np.int16 and not _fits_int16(values):
            out = out.astype(np.float32)
        out[k] = values
    return out.transpose(2, 1, 0, *range(3, out.ndim))


def _fits_int16(values: Voxels) -> bool:
    return values.dtype.kind in "iu" and bool(_INT16.min <= values.min() and values.max() <= _INT16.max)


class FrameReader:
    """Reads frames one after another and keeps the last file open, as frames of a file follow each other."""

    def __init__(self) -> None:
        self._path = Path()
        self._file = Dataset()

    def read(self, frame: Frame) -> Voxels:
        """(rows, cols) intensities, or (rows, cols, 3) uint8 RGB.

        Raises:
            UnreadableInputError: names the file and what is wrong with it.
        """
        try:
            self._open(frame.path)
            return self._values(frame)
        except DAMAGE as error:
            raise refusal(frame.path, error, _why(frame.header)) from error

    def _open(self, path: Path) -> None:
        if path != self._path:
            self._file = pydicom.dcmread(path, force=True)
            self._path = path

    def _values(self, frame: Frame) -> Voxels:
        stored = pixel_array(self._file, index=frame.number)
        if self._file.get("PhotometricInterpretation") == "PALETTE COLOR":
            stored = apply_color_lut(stored, self._file)
        if stored.ndim == 3:
            return _eight_bits(stored[..., :3], self._file)
        if frame.tile:
            row, col = frame.tile
            stored = stored[row : row + frame.rows, col : col + frame.cols]
        if frame.header.get("ModalityLUTSequence"):
            return np.asarray(apply_modality_lut(stored, self._file))
        return _rescaled(stored, frame)


def _why(header: Dataset) -> str:
    syntax = transfer_syntax(header)
    if _is_packed(syntax):
        return unsupported_syntax(header) or (
            f"its pixels, packed as {syntax.name}, could not be unpacked; they are damaged or of a rare variant: "
            "export it uncompressed"
        )
    return "its pixels are damaged or cut short; export it again"


def _rescaled(stored: Voxels, frame: Frame) -> Voxels:
    if stored.dtype.kind in "iu" and frame.slope.is_integer() and frame.intercept.is_integer():
        return stored.astype(np.int64) * int(frame.slope) + int(frame.intercept)
    return stored.astype(np.float64) * frame.slope + frame.intercept


def _eight_bits(colours: Voxels, header: Dataset) -> Voxels:
    if colours.dtype == np.uint8:
        return colours
    bits = 16 if header.get("PhotometricInterpretation") == "PALETTE COLOR" else int(header.get("BitsStored") or 16)
    return (colours >> max(bits - 8, 0)).astype(np.uint8)
