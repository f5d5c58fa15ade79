"""What the pixels of a DICOM segmentation's frames mean, and the label map that they make."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import iter_pixels

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.labels.seg_frames import Frames
from napari_segsam.io.labels.voxel_bytes import Stored

_NUMBERS = 1 << 16


def values_of(ds: Dataset) -> NDArray[np.uint16]:
    """(65536,) the voxel value of each segment number: the number itself, but 0 for the background of a LABELMAP.

    The background is what Pixel Padding Value says, 0 where it says nothing (Supplement 243). Where it is another
    number, 0 may be a segment, which then gets that number as its value.
    """
    values = np.arange(_NUMBERS, dtype=np.uint16)
    background = int(ds.get("PixelPaddingValue") or 0) % _NUMBERS if ds.SegmentationType == "LABELMAP" else 0
    values[0] = background if any(int(item.SegmentNumber) == 0 for item in ds.SegmentSequence) else 0
    values[background] = 0
    return values


def painted(
    ds: Dataset, frames: Frames, grid: Grid, k: NDArray[np.int64], values: NDArray[np.uint16], name: str
) -> Stored:
    """(nk, nj, ni) values.

    Args:
        ds: the segmentation.
        frames: of it.
        grid: that they span.
        k: slice that each lies on.
        values: of segment numbers, see :func:`values_of`.
        name: what an error calls the file.

    Raises:
        UnreadableInputError: segments overlap, which no label map can hold.
        ValueError, LookupError, ...: damage.
    """
    out = np.zeros(grid.shape[::-1], np.uint16)
    shared = 0
    for pixels, number, place in zip(_pixels(ds), frames.numbers, k, strict=True):
        shown = values[number] * (pixels != 0) if number else values[pixels]
        drawn = shown != 0
        shared += int(np.count_nonzero(out[place][drawn]))
        out[place][drawn] = shown[drawn]
    if shared:
        raise UnreadableInputError(
            f"{name} has segments that overlap in {shared} voxels, which no label map can hold; export each alone."
        )
    return out


def _pixels(ds: Dataset) -> Iterator[NDArray[np.unsignedinteger]]:
    """(rows, cols) of each frame; pydicom 3.0 cannot tell apart packed frames of fewer than eight pixels."""
    if ds.BitsAllocated != 1 or ds.file_meta.TransferSyntaxUID.is_encapsulated:
        yield from iter_pixels(ds)
        return
    packed, shape = np.frombuffer(ds.PixelData, np.uint8), (int(ds.Rows), int(ds.Columns))
    size = math.prod(shape)
    for start in range(0, int(ds.NumberOfFrames) * size, size):
        bits = np.unpackbits(packed[start // 8 : (start + size + 7) // 8], bitorder="little")  # PS3.5 8.1.1
        yield bits[start % 8 :][:size].reshape(shape)
