"""Real scans are what nibabel and SimpleITK say, each by itself: every voxel, and every corner in millimetres."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_segsam.core.grid import LPS_RAS
from napari_segsam.core.volume import Volume
from napari_segsam.io.formats import list_series, read_volume
from napari_segsam.io.images.units import NO_UNIT

NIFTI = (
    "ct/totalseg_example/example_ct.nii.gz",
    "ct/totalseg_example/example_seg.nii.gz",
    "ct/niivue/CT_pitch.nii.gz",
    "dicom/dcm_qa_enh/Ref/Philips_WIP_B0_NS_801_e1.nii",
    "dicom/dcm_qa_enh/Ref/Siemens_REST1_w_SMS_PF7-8_6.nii",
    "dicom/dcm_qa_ts/Ref/1.nii",
    "ibsi_sts/nifti/STS_008/MR_T1_image.nii.gz",
    "ibsi_sts/nifti/STS_008/PET_mask.nii.gz",
    "mr/monai/anatomical.nii",
    "mr/monai/reoriented_anat_moved.nii",
    "mr/msd_hippocampus/images/hippocampus_003.nii.gz",
    "mr/niivue/packages/niivue/demos/images/mpld_asl.nii.gz",
    "mr/niivue/packages/niivue/demos/images/shear.nii.gz",
    "mr/sct/dmri/dmri.nii.gz",
    "mr/sct/t2/t2.nii.gz",
    "mr/sct/t2/t2_seg-manual_labeled.nii.gz",
    "mr/sct/t2s/t2s.nii.gz",
    "mr/totalseg_mr_example/example_mr_sm.nii.gz",
)
NRRD = (
    "dicom_seg/dcmqi/liver_spine_seg.nrrd",
    "mr/niivue/packages/niivue/tests/images/FLAIR.nrrd",
    "mr/pyradiomics_brain1/brain1_image.nrrd",
    "mr/pyradiomics_brain1/breast1_image.nrrd",
    "mr/pyradiomics_brain1/prostate_phantom_subvolume.nrrd",
)
SHEARED = "mr/niivue/packages/niivue/demos/images/shear.nii.gz"


def volumes(path: Path) -> list[Volume]:
    """The first volume and the last."""
    uids = [info.uid for info in list_series(path)]
    return [read_volume(path, series=uid) for uid in dict.fromkeys((uids[0], uids[-1]))]


def agree(found: NDArray, expected: NDArray) -> bool:  # type: ignore[type-arg]
    """Whole numbers exactly, scaled ones to what float32 can hold."""
    return np.array_equal(found, expected) or np.allclose(
        found, expected, rtol=2e-7, atol=1e-7 * np.abs(expected).max()
    )


def apart_mm(volume: Volume, image: sitk.Image) -> float:
    """How far the corners of all axes lie apart, at most."""
    corners = [np.array(c) * (np.array(volume.grid.shape) - 1) for c in np.ndindex(2, 2, 2)]
    placed = [image.TransformIndexToPhysicalPoint([int(i) for i in c]) for c in corners]
    return float(np.abs(volume.grid.to_mm(corners) - placed).max())


@pytest.mark.parametrize("name", NIFTI)
def test_a_nifti_scan_is_what_nibabel_says(shared_data: Path, name: str) -> None:
    image = nib.load(shared_data / name)
    stored = np.asarray(image.dataobj).reshape((*image.shape[:3], -1), order="F")
    for volume, at in zip(volumes(shared_data / name), dict.fromkeys((0, stored.shape[3] - 1)), strict=True):
        assert np.array_equal(LPS_RAS @ volume.grid.affine, image.affine)
        assert agree(volume.voxels, stored[..., at])


@pytest.mark.parametrize("name", [n for n in (*NIFTI, *NRRD) if n != SHEARED])
def test_a_scan_is_what_simpleitk_says(shared_data: Path, name: str) -> None:
    image = sitk.ReadImage(str(shared_data / name))
    parts = [image] if image.GetDimension() == 3 else [image[..., 0], image[..., image.GetSize()[3] - 1]]
    for volume, part in zip(volumes(shared_data / name), parts, strict=True):
        assert apart_mm(volume, part) < 1e-3
        assert agree(volume.voxels, sitk.GetArrayFromImage(part).transpose(2, 1, 0))
        assert set(volume.warnings) <= {NO_UNIT}


def test_a_sheared_scan_is_not_where_itk_puts_it(shared_data: Path) -> None:
    """Why the affine comes from the header: ITK takes the orthonormal qform without a word."""
    (volume,) = volumes(shared_data / SHEARED)
    assert apart_mm(volume, sitk.ReadImage(str(shared_data / SHEARED))) > 10
    assert "disagree by up to 35.64 mm; the sform is used" in volume.warnings[0]


def test_one_scan_in_two_formats_is_one_scan(shared_data: Path) -> None:
    folder = shared_data / "mr/niivue/packages/niivue"
    (nrrd,), (nifti,) = volumes(folder / "tests/images/FLAIR.nrrd"), volumes(folder / "demos/images/FLAIR.nii.gz")
    assert nrrd.grid.matches(nifti.grid, 1e-2) and np.array_equal(nrrd.voxels, nifti.voxels)


def test_a_picture_in_nifti_keeps_its_colours(shared_data: Path) -> None:
    path = shared_data / "ct/totalseg_spine/spine_report/example_ct_report/spine_report.nii.gz"
    (volume,), stored = volumes(path), np.asarray(nib.load(path).dataobj)
    assert volume.is_rgb and volume.modality == "rgb"
    for channel, letter in enumerate("RGB"):
        assert np.array_equal(volume.voxels[..., channel], stored[letter].reshape(volume.grid.shape))


def test_volumes_of_a_real_series_are_told_by_their_time(shared_data: Path) -> None:
    listed = list_series(shared_data / "mr/niivue/packages/niivue/demos/images/mpld_asl.nii.gz")
    assert len(listed) == 25 and listed[2].description == "mpld_asl: time 3 of 25, 8.2 s"
