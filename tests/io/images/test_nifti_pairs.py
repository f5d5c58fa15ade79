"""NIfTI in two files, .hdr and .img, and the ANALYZE images that look like them."""

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import LPS_RAS
from napari_segsam.io.formats import files_of, list_series, read_volume
from tests.core.grids import affine_of
from tests.io.dicom.dicom_files import ct_series

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def pair(folder: Path, kind: type[nib.Nifti1Pair] = nib.Nifti1Pair) -> tuple[Path, Path]:
    image = kind(ARRAY, LPS_RAS @ affine_of("PIR"))
    image.header.set_xyzt_units("mm")
    nib.save(image, folder / "scan.hdr")
    return folder / "scan.hdr", folder / "scan.img"


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.Nifti2Pair])
def test_either_half_names_the_pair(tmp_path: Path, kind: type[nib.Nifti1Pair]) -> None:
    for half in pair(tmp_path, kind):
        volume = read_volume(half)
        assert np.array_equal(volume.voxels, ARRAY) and volume.grid.axis_codes == "PIR"
        assert volume.name == "scan" and volume.warnings == ()
        assert sorted(p.name for p in files_of(half)) == ["scan.hdr", "scan.img"]
        assert list_series(half)[0].orientation == "PIR"


def test_packed_and_capital_pairs_are_read(tmp_path: Path) -> None:
    header, voxels = pair(tmp_path)
    (tmp_path / "packed.hdr.gz").write_bytes(gzip.compress(header.read_bytes()))
    (tmp_path / "packed.img.gz").write_bytes(gzip.compress(voxels.read_bytes()))
    header.rename(tmp_path / "LOUD.HDR")
    voxels.rename(tmp_path / "LOUD.IMG")
    for name in ("packed.hdr.gz", "packed.img.gz", "LOUD.HDR", "LOUD.IMG"):
        assert np.array_equal(read_volume(tmp_path / name).voxels, ARRAY)


def test_a_lost_half_is_named(tmp_path: Path) -> None:
    header, voxels = pair(tmp_path)
    voxels.rename(tmp_path / "other.img")
    with pytest.raises(UnreadableInputError, match=r"scan\.hdr is half of a pair"):
        read_volume(header)


def test_a_cut_half_is_refused(tmp_path: Path) -> None:
    for half in pair(tmp_path):
        whole = half.read_bytes()
        for length in range(0, 348 if half.suffix == ".hdr" else len(whole), 7):
            half.write_bytes(whole[:length])
            with pytest.raises(UnreadableInputError):
                read_volume(tmp_path / "scan.hdr")
        half.write_bytes(whole)
    assert np.array_equal(read_volume(tmp_path / "scan.hdr").voxels, ARRAY)


def test_analyze_is_refused_because_it_does_not_say_left_from_right(tmp_path: Path) -> None:
    nib.save(nib.AnalyzeImage(ARRAY, np.eye(4)), tmp_path / "old.hdr")
    with pytest.raises(UnreadableInputError, match=r"ANALYZE 7\.5 image, which does not say left from right"):
        read_volume(tmp_path / "old.img")


def test_a_pairs_header_under_another_name_is_refused(tmp_path: Path) -> None:
    header, _ = pair(tmp_path)
    header.rename(tmp_path / "scan.nii")
    with pytest.raises(UnreadableInputError, match=r"name it \.hdr"):
        read_volume(tmp_path / "scan.nii")


def test_a_dicom_file_may_be_called_img(tmp_path: Path) -> None:
    (ct_series(tmp_path / "scan") / "001.dcm").rename(tmp_path / "slice.img")
    assert read_volume(tmp_path / "slice.img").modality == "ct"
