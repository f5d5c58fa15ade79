"""NRRD and MetaImage: the same volume as its NIfTI twin, and nothing cut gets through."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_segsam.core.errors import SegsamError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.io.images.nifti import read_nifti
from napari_segsam.io.images.nrrd import read_nrrd
from napari_segsam.io.labels.files import write_labels
from tests.core.grids import affine_of


def image(shape: tuple[int, ...] = (4, 5, 6)) -> sitk.Image:
    array = np.arange(np.prod(shape)).reshape(shape).astype(np.int16)
    made = sitk.GetImageFromArray(array, isVector=False)
    if len(shape) == 3:
        made.SetSpacing((0.5, 1.5, 2.5))
        made.SetOrigin((-7, 8, 9))
        made.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    return made


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha", ".nhdr", ".mhd"])
def test_every_kind_that_simpleitk_writes_is_read(tmp_path: Path, suffix: str, packed: bool) -> None:
    made = image()
    sitk.WriteImage(made, str(tmp_path / f"scan{suffix}"), useCompression=packed)
    volume = read_nrrd(tmp_path / f"scan{suffix}")
    assert np.array_equal(volume.voxels, sitk.GetArrayFromImage(made).transpose(2, 1, 0))
    assert np.allclose(volume.grid.to_mm((5, 4, 3)), made.TransformIndexToPhysicalPoint((5, 4, 3)))
    assert volume.name == "scan" and volume.voxels.dtype == np.int16


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path, suffix: str, packed: bool) -> None:
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(image(), str(path), useCompression=packed)
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableInputError):
            read_nrrd(path)


def test_a_damaged_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.nrrd"
    write_labels(path, LabelMap(Grid((4, 5, 6), affine_of("LPS"))))
    whole = bytearray(path.read_bytes())
    whole[-6] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(UnreadableInputError, match="damaged"):
        read_nrrd(path)


def test_a_header_is_not_followed_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    sitk.WriteImage(image(), str(tmp_path / "in" / "scan.mhd"))
    (tmp_path / "in" / "scan.raw").rename(tmp_path / "scan.raw")
    header = tmp_path / "in" / "scan.mhd"
    header.write_text(header.read_text().replace("scan.raw", "../scan.raw"))
    with pytest.raises(UnreadableInputError, match="not beside it"):
        read_nrrd(header)


def test_two_dimensions_colours_and_four_dimensions(tmp_path: Path) -> None:
    sitk.WriteImage(image((5, 6)), str(tmp_path / "flat.mha"))
    assert read_nrrd(tmp_path / "flat.mha").grid.shape == (6, 5, 1)
    colours = sitk.GetImageFromArray(np.zeros((2, 3, 4, 3), np.uint8), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "rgb.nrrd"))
    assert read_nrrd(tmp_path / "rgb.nrrd").is_rgb
    sitk.WriteImage(image((2, 3, 4, 5)), str(tmp_path / "many.nrrd"))
    with pytest.raises(UnreadableInputError, match="4 dimensions"):
        read_nrrd(tmp_path / "many.nrrd")


def test_other_content_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"NRRD0004\n", b"NRRD0004\ntype: short\n\n", b"ObjectType = Image\n" * 9):
        (tmp_path / "scan.nrrd").write_bytes(content)
        with pytest.raises(SegsamError):
            read_nrrd(tmp_path / "scan.nrrd")


def test_a_real_scan_agrees_with_its_nifti(shared_data: Path) -> None:
    folder = shared_data / "mr/niivue/packages/niivue"
    nrrd = read_nrrd(folder / "tests/images/FLAIR.nrrd")
    nifti = read_nifti(folder / "demos/images/FLAIR.nii.gz")
    assert nrrd.grid.matches(nifti.grid, 1e-2) and np.array_equal(nrrd.voxels, nifti.voxels)


@pytest.mark.parametrize("name", ["brain1_image", "breast1_image", "prostate_phantom_subvolume"])
def test_real_scans_are_read(shared_data: Path, name: str) -> None:
    volume = read_nrrd(shared_data / f"mr/pyradiomics_brain1/{name}.nrrd")
    assert volume.voxels.ndim == 3 and not volume.warnings
