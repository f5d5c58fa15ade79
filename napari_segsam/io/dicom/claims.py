"""What a header claims of its pixels, checked against the bytes that are there before anything is allocated."""

from __future__ import annotations

import math

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.damage import printable
from napari_segsam.io.dicom.header import File
from napari_segsam.io.dicom.syntax import is_packed, unsupported
from napari_segsam.io.dicom.values import said, value

MOST_FRAME_BYTES = 1 << 30
"""Of one frame, unpacked: 16384 x 32768 voxels of 2 bytes. What is packed says nothing about its size by its length."""

_MOST_SIDE = 0xFFFF  # Rows and Columns are unsigned 16 bit (PS3.5 6.2, VR US)
_BITS = {"PixelData": (1, 8, 16, 32, 64), "FloatPixelData": (32,), "DoubleFloatPixelData": (64,)}
_GREY, _COLOURS = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"), ("RGB", "YBR_FULL", "YBR_FULL_422")
_PACKED_COLOURS = (*_COLOURS, "YBR_ICT", "YBR_RCT")
_ITEM_BYTES = 8  # a packet's own header
_DEFLATE_RATIO = 1032  # no deflated byte stands for more (RFC 1951)


def check(file: File) -> None:
    """Refuse what cannot be true; of pixels that nobody here unpacks, only a size that cannot be.

    Raises:
        UnreadableInputError: names the claim and what is there instead.
    """
    why = _size(file) or ("" if unsupported(file.syntax) else _kind(file) or _bytes(file))
    if why:
        raise UnreadableInputError(f"{printable(file.path.name)} {why}; export it again.")


def frame_count(file: File) -> int:
    """Number of Frames, 1 where it is not there."""
    return int(value(file.header, "NumberOfFrames") or 1)


def frame_bits(file: File) -> int:
    """How long an uncompressed frame is, in bits (PS3.5 8.1.1, 8.2; PS3.3 C.7.6.3.1.2)."""
    header = file.header
    voxels = int(value(header, "Rows")) * int(value(header, "Columns"))
    bits = int(value(header, "BitsAllocated"))
    if value(header, "PhotometricInterpretation") == "YBR_FULL_422":
        return voxels * bits * 2  # two voxels share their colour
    return voxels * bits * samples(file)


def samples(file: File) -> int:
    """Samples per Pixel, 1 where it is not there."""
    return int(value(file.header, "SamplesPerPixel") or 1)


def _size(file: File) -> str:
    rows, cols, frames = int(value(file.header, "Rows")), int(value(file.header, "Columns")), frame_count(file)
    if not (0 < rows <= _MOST_SIDE and 0 < cols <= _MOST_SIDE):
        return f"claims {rows} rows and {cols} columns, where 1 to {_MOST_SIDE} are possible"
    if frames < 1:
        return f"claims {frames} frames"
    return ""


def _kind(file: File) -> str:
    header, keyword = file.header, file.pixels.keyword
    allocated = int(value(header, "BitsAllocated") or 0)
    if allocated not in _BITS[keyword]:
        return f"claims {allocated} bits a voxel, which cannot be read"
    colours = said(header, "PhotometricInterpretation")
    allowed = _GREY if samples(file) == 1 else _PACKED_COLOURS if is_packed(file.syntax) else _COLOURS
    if samples(file) not in (1, 3) or colours not in allowed:
        return f"has {samples(file)} samples of kind {colours or 'unknown'} a voxel, which cannot be read"
    return _bits(file, allocated) if keyword == "PixelData" else ""


def _bits(file: File, allocated: int) -> str:
    stored = int(value(file.header, "BitsStored") or allocated)
    high = value(file.header, "HighBit")
    if not 0 < stored <= allocated:
        return f"claims {stored} of {allocated} bits a voxel"
    if stored < allocated and high is not None and int(high) != stored - 1 and not is_packed(file.syntax):
        return f"keeps its {stored} bits in an order that went out of use (High Bit {int(high)})"
    return ""


def _bytes(file: File) -> str:
    return _packets(file) if is_packed(file.syntax) else _length(file)


def _length(file: File) -> str:
    if file.pixels.length is None:
        return "packs its pixels although its transfer syntax says that it does not"
    needed = math.ceil(frame_bits(file) * frame_count(file) / 8)
    there = file.pixels.length
    there = min(there, file.size * _DEFLATE_RATIO if file.is_deflated else file.size - file.pixels.offset)
    if there < needed:
        return f"is cut short: {there} of {needed} bytes of pixels are there"
    if said(file.header, "PhotometricInterpretation") == "YBR_FULL_422" and there >= needed * 1.5:
        return "says that two voxels share their colour (YBR_FULL_422) and has bytes for one each"
    return ""


def _packets(file: File) -> str:
    frame = math.ceil(frame_bits(file) / 8)
    if frame > MOST_FRAME_BYTES:
        return f"claims {frame / 1e9:.1f} GB a frame, more than the {MOST_FRAME_BYTES / 1e9:.1f} GB that are unpacked"
    if frame_count(file) * _ITEM_BYTES > file.size - file.pixels.offset:
        return f"is cut short: it cannot hold the {frame_count(file)} frames that it claims"
    return ""
