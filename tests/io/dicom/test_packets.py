"""The packets of compressed pixels: frames are found by every table that the standard knows, and without one."""

import struct
from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames
from pydicom.uid import JPEGLSLossless

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import read_dicom
from tests.io.dicom.dicom_files import frame_item, multi_frame, save

FRAMES = np.random.default_rng(0).integers(-900, 900, (3, 24, 40)).astype(np.int16)
DELIMITER = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def repacked(path: Path, how: str) -> Path:
    """Three JPEG-LS frames, packed in one of several ways."""
    ds = multi_frame(FRAMES, [frame_item((0, 0, k)) for k in range(3)])
    save(ds, path, JPEGLSLossless)
    packed = list(generate_frames(ds.PixelData, number_of_frames=3))
    if how == "extended table":
        ds.PixelData, ds.ExtendedOffsetTable, ds.ExtendedOffsetTableLengths = encapsulate_extended(packed)
    else:
        ds.PixelData = encapsulate(packed, fragments_per_frame=3 if "parts" in how else 1, has_bot="table" in how)
    if how == "no delimiter":
        ds.PixelData = ds.PixelData.removesuffix(DELIMITER)
    ds["PixelData"].is_undefined_length = True
    ds.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("how", ["table", "no table", "table, in parts", "in parts", "extended table", "no delimiter"])
def test_frames_are_found(tmp_path: Path, how: str) -> None:
    assert np.array_equal(read_dicom(repacked(tmp_path / "a", how)).voxels.transpose(2, 1, 0), FRAMES)


def test_fewer_packets_than_frames_are_refused(tmp_path: Path) -> None:
    ds = multi_frame(FRAMES, [frame_item((0, 0, k)) for k in range(3)])
    path = save(ds, tmp_path / "a", JPEGLSLossless)
    ds.PixelData = encapsulate(list(generate_frames(ds.PixelData, number_of_frames=3))[:2])
    ds.save_as(path, enforce_file_format=True)
    with pytest.raises(UnreadableInputError, match=r"packed as JPEG-LS Lossless .*, could not be unpacked"):
        read_dicom(path)
