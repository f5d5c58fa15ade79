"""DICOM in: the right slices, in order, where they lie, with their intensities."""

import errno
import os
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segsam.core.errors import SegsamError, UnknownNameError, UnreadableInputError
from napari_segsam.core.grid import LPS_RAS
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.core.grids import rotation
from tests.io.dicom.dicom_files import SERIES, ct_series, slice_file


def test_a_series_is_sorted_along_its_normal(tmp_path: Path) -> None:
    volume = read_dicom(ct_series(tmp_path))
    assert volume.grid.shape == (4, 3, 5) and volume.grid.axis_codes == "LPS"
    assert np.allclose(volume.grid.spacing_mm, (0.75, 0.5, 2.5))
    assert np.allclose(volume.grid.to_mm((0, 0, 0)), (-10, 20, 30))
    i, j, k = np.indices((4, 3, 5))
    assert np.array_equal(volume.voxels, 100 * k + 10 * j + i) and volume.voxels.dtype == np.int16
    assert volume.grid.frame_of_reference == "1.2.3.4" and volume.series_uid == SERIES


def test_nothing_names_the_patient(tmp_path: Path) -> None:
    folder = ct_series(tmp_path / "scan", count=3)
    (folder / "001.dcm").rename(folder / "zzz.dcm")
    volume, info = read_dicom(folder), list_dicom(folder)[0]
    assert volume.name == "CT series 5"
    assert "Secret" not in repr((volume.name, volume.warnings, volume.windows, info))


@settings(max_examples=25)
@given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    tilt=st.floats(-0.5, 0.5),
    sideways=st.floats(-0.5, 0.5),
    count=st.integers(2, 9),
)
def test_any_orientation_and_gantry_tilt_puts_voxels_where_the_slices_say(
    angles: tuple[float, float, float],
    tilt: float,
    sideways: float,
    count: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    turn = rotation(angles)
    step = turn @ np.array([sideways, tilt, 2.5])
    orientation = [round(float(v), 9) for v in (*turn[:, 0], *turn[:, 1])]
    folder = ct_series(tmp_path_factory.mktemp("dicom"), count, step, ImageOrientationPatient=orientation)
    volume = read_dicom(folder)
    for k in range(count):
        wanted = np.array([-10.0, 20.0, 30.0]) + k * step + turn[:, 0] * 0.75 * 3 + turn[:, 1] * 0.5 * 2
        assert np.abs(volume.grid.to_mm((3, 2, k)) - wanted).max() < 5e-3
        assert volume.voxels[3, 2, k] == 100 * k + 23


def test_rescale_is_applied_slice_by_slice(tmp_path: Path) -> None:
    pixels = np.full((3, 4), 10, np.int16)
    for k, (slope, intercept) in enumerate([(1, -1024), (2, 5), (-3, 0)]):
        slice_file(tmp_path / f"{k}", pixels, (0, 0, k), RescaleSlope=slope, RescaleIntercept=intercept)
    whole = read_dicom(tmp_path)
    assert whole.voxels[0, 0].tolist() == [-1014, 25, -30] and whole.voxels.dtype == np.int16
    slice_file(tmp_path / "2", pixels, (0, 0, 2), RescaleSlope="0.125")
    real = read_dicom(tmp_path).voxels
    assert real.dtype == np.float32 and real[0, 0].tolist() == [-1014, 25, 1.25]


def test_values_beyond_int16_become_float32_and_stay_exact(tmp_path: Path) -> None:
    slice_file(tmp_path / "a", np.full((3, 4), 65535, np.uint16), (0, 0, 0))
    slice_file(tmp_path / "b", np.full((3, 4), 7, np.uint16), (0, 0, 1), RescaleIntercept=-1024)
    voxels = read_dicom(tmp_path).voxels
    assert voxels.dtype == np.float32 and voxels[0, 0].tolist() == [65535, -1017]


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)])
def test_fractions_stay_fractions(tmp_path: Path, keyword: str, kind: type) -> None:
    """A parametric map keeps its numbers even where slope and intercept are whole."""
    pixels = (np.arange(12).reshape(3, 4) + 0.25).astype(kind)
    bits = {"BitsAllocated": kind().itemsize * 8, keyword: pixels.tobytes()}
    unused = dict.fromkeys(("PixelData", "BitsStored", "HighBit", "PixelRepresentation"))
    volume = read_dicom(slice_file(tmp_path / "map", pixels, (0, 0, 0), **bits, **unused))
    assert volume.voxels.dtype == np.float32 and np.array_equal(volume.voxels[:, :, 0].T, pixels)


def test_padding_windows_and_monochrome1_are_told_and_change_no_voxel(tmp_path: Path) -> None:
    fields = {
        "PhotometricInterpretation": "MONOCHROME1",
        "WindowCenter": [40, 40, 300],
        "WindowWidth": [400, 400, 1500],
    }
    folder = ct_series(tmp_path, PixelPaddingValue=-2000, RescaleIntercept=-24, **fields)
    volume = read_dicom(folder)
    assert volume.inverted and volume.padding == -2024 and volume.voxels[0, 0, 0] == -24
    assert [(w.centre, w.width) for w in volume.windows] == [(40, 400), (300, 1500)]


def test_other_files_are_skipped(tmp_path: Path) -> None:
    folder = ct_series(tmp_path / "deep" / "down")
    (folder / "readme.txt").write_text("hello")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "link").symlink_to("nowhere")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
    volume = read_dicom(tmp_path)
    assert (volume.grid.shape, volume.warnings) == ((4, 3, 5), ())


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ct_series(tmp_path / "scan")
    (folder / "shut").touch()
    opened = Path.open

    def refuse(self, *arguments, **options):
        if self.name == "shut":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    (said,) = read_dicom(folder).warnings
    assert "shut could not be opened (permission denied)" in said and "damaged" not in said


def test_a_single_file_is_one_slice_as_thick_as_it_says(tmp_path: Path) -> None:
    volume = read_dicom(ct_series(tmp_path) / "001.dcm")
    assert volume.grid.shape == (4, 3, 1) and volume.grid.spacing_mm[2] == 2.0


def test_an_empty_folder_and_one_without_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="holds no DICOM image"):
        read_dicom(tmp_path)
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UnreadableInputError, match="1 files of other kinds"):
        read_dicom(tmp_path)


@pytest.mark.parametrize("gone", [1, 2, 3])
def test_a_missing_slice_is_refused_with_the_gap_and_its_place(tmp_path: Path, gone: int) -> None:
    folder = ct_series(tmp_path)
    (folder / f"{5 - gone:03d}.dcm").unlink()
    low, high = 30 + (gone - 1) * 2.5, 30 + (gone + 1) * 2.5
    sentence = f"2.50 mm apart, but 5.00 mm between {low:.2f} and {high:.2f} mm"
    with pytest.raises(UnreadableInputError, match=sentence):
        read_dicom(folder)
    assert sentence in str(list_dicom(folder)[0].refused)


def test_a_doubled_slice_is_refused_with_its_place(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    (folder / "copy.dcm").write_bytes((folder / "003.dcm").read_bytes())
    with pytest.raises(UnreadableInputError, match=r"two slices lie at 35\.00 mm"):
        read_dicom(folder)


def test_a_slice_moved_sideways_is_refused(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    slice_file(folder / "003.dcm", np.zeros((3, 4), np.int16), (-9, 20, 35))
    with pytest.raises(UnreadableInputError, match="beside its place"):
        read_dicom(folder)


@given(jitter=st.lists(st.floats(-1e-3, 1e-3), min_size=6, max_size=6))
@settings(max_examples=20)
def test_rounded_positions_raise_no_alarm(jitter: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("jitter")
    for k, shift in enumerate(jitter):
        slice_file(folder / f"{k}", np.zeros((3, 4), np.int16), (shift, -shift, k * 1.25 + shift))
    assert read_dicom(folder).grid.shape[2] == 6


def test_several_series_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    ct_series(tmp_path / "a")
    ct_series(tmp_path / "b", count=3, SeriesInstanceUID="1.2.3", SeriesNumber=6)
    with pytest.raises(UnreadableInputError, match=r"2 series; name one .*1\.2\.3 \(CT series 6, 3 slices\)"):
        read_dicom(tmp_path)
    assert read_dicom(tmp_path, "1.2.3").grid.shape[2] == 3
    with pytest.raises(UnknownNameError, match=r"Did you mean: 1\.2\.3"):
        read_dicom(tmp_path, "1.2.4")


def test_orientations_and_sizes_in_one_series_are_kept_apart(tmp_path: Path) -> None:
    ct_series(tmp_path / "a")
    ct_series(tmp_path / "b", step=(2.5, 0, 0), ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    slice_file(tmp_path / "c", np.zeros((7, 7), np.int16), (0, 0, 0))
    assert sorted(i.shape for i in list_dicom(tmp_path)) == [(4, 3, 5), (4, 3, 5), (7, 7, 1)]
    assert {i.uid for i in list_dicom(tmp_path)} == {f"{SERIES}#{n}" for n in (1, 2, 3)}
    with pytest.raises(UnreadableInputError, match="holds 3 series"):
        read_dicom(tmp_path, SERIES)


@pytest.mark.parametrize(
    "keyword, values", [("EchoTime", (10, 80)), ("AcquisitionNumber", (1, 2)), ("DiffusionBValue", (0, 900))]
)
def test_volumes_at_one_place_are_told_apart(tmp_path: Path, keyword: str, values: tuple[int, int]) -> None:
    for value in values:
        ct_series(tmp_path / str(value), **{keyword: value})
    infos = list_dicom(tmp_path)
    assert [i.refused for i in infos] == [None, None] and [i.shape[2] for i in infos] == [5, 5]
    assert all(str(v) in i.description for v, i in zip(values, infos, strict=True))


def test_what_differs_without_need_does_not_split_a_series(tmp_path: Path) -> None:
    for k in range(5):
        slice_file(tmp_path / f"{k}", np.zeros((3, 4), np.int16), (0, 0, k), AcquisitionNumber=k % 2, EchoTime=k)
    assert [i.shape[2] for i in list_dicom(tmp_path)] == [5]


def test_a_missing_spacing_is_said_and_a_detectors_is_used(tmp_path: Path) -> None:
    pixels = np.zeros((3, 4), np.int16)
    bare = slice_file(tmp_path / "a", pixels, (0, 0, 0), PixelSpacing=None)
    assert "no pixel spacing" in read_dicom(bare).warnings[0]
    xray = slice_file(
        tmp_path / "b", pixels, (0, 0, 0), PixelSpacing=None, ImagerPixelSpacing=[0.2, 0.3], Modality="DX"
    )
    assert read_dicom(xray).grid.spacing_mm[:2] == (0.3, 0.2) and read_dicom(xray).modality == "xray"


def test_a_slice_cut_anywhere_is_refused_and_the_others_are_listed(tmp_path: Path) -> None:
    ct_series(tmp_path / "good", count=2, SeriesInstanceUID="1.2.3")
    whole = slice_file(tmp_path / "whole.dcm", np.ones((3, 4), np.int16), (0, 0, 0)).read_bytes()
    (tmp_path / "whole.dcm").unlink()
    path = tmp_path / "cut.dcm"
    for length in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableInputError):
            read_dicom(path)
    assert "1.2.3" in {i.uid for i in list_dicom(tmp_path)}


def test_a_damaged_header_in_the_folder_is_said(tmp_path: Path) -> None:
    folder = ct_series(tmp_path)
    (folder / "000.dcm").write_bytes((folder / "001.dcm").read_bytes()[:600])
    assert "1 files that cannot be read were left out: 000.dcm" in read_dicom(folder).warnings[-1]


@settings(max_examples=40)
@given(at=st.integers(128, 1100), value=st.integers(0, 255))
def test_any_byte_gives_an_image_or_a_sentence(at: int, value: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path = slice_file(folder / "a.dcm", np.ones((3, 4), np.int16), (0, 0, 0))
    whole = bytearray(path.read_bytes())
    whole[min(at, len(whole) - 1)] = value
    path.write_bytes(whole)
    for read in (read_dicom, list_dicom):
        try:
            read(path)
        except SegsamError as error:
            assert "Secret" not in str(error)


# Real scans


def itk_series(folder: Path) -> sitk.Image:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return reader.Execute()


@pytest.mark.parametrize("name", ["mr_series_btp/Study1/37916-T2reg-88910", "ct_series_philips/S2010"])
def test_real_series_agree_with_simpleitk(shared_data: Path, name: str) -> None:
    volume, image = read_dicom(shared_data / "dicom" / name), itk_series(shared_data / "dicom" / name)
    assert volume.grid.shape == image.GetSize()
    for corner in ((0, 0, 0), tuple(n - 1 for n in volume.grid.shape)):
        assert np.abs(volume.grid.to_mm(corner) - image.TransformIndexToPhysicalPoint(corner)).max() < 0.02
    assert np.array_equal(volume.voxels, sitk.GetArrayViewFromImage(image).transpose(2, 1, 0))
    assert volume.voxels.dtype == np.int16 and not volume.warnings


def same_place(volume: Volume, nifti: Path, tolerance_mm: float) -> np.ndarray:  # type: ignore[type-arg]
    """The NIfTI's values at the DICOM volume's voxels, after its corners were found at the same millimetres."""
    image = nib.load(nifti)
    into = np.linalg.inv(LPS_RAS @ image.affine) @ volume.grid.affine
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in volume.grid.shape])).reshape(3, -1)
    found = into[:3, :3] @ corners + into[:3, 3:]
    assert np.abs((found - np.rint(found)).T * image.header.get_zooms()[:3]).max() < tolerance_mm
    assert found.min() > -0.5 and (np.array(image.shape[:3]) - 0.5 > found.T).all()
    ijk = np.rint(
        np.tensordot(into[:3, :3], np.indices(volume.grid.shape), 1) + into[:3, 3].reshape(3, 1, 1, 1)
    ).astype(int)
    return np.asarray(image.dataobj)[tuple(ijk)]


@pytest.mark.parametrize("patient", ["STS_025", "STS_042"])
@pytest.mark.parametrize("kind", ["CT", "MR_T1", "PET"])
def test_dicom_and_nifti_of_one_scan_agree(shared_data: Path, patient: str, kind: str) -> None:
    volume = read_dicom(shared_data / "ibsi_sts/dicom" / patient / kind / "image")
    values = same_place(volume, shared_data / "ibsi_sts/nifti" / patient / f"{kind}_image.nii.gz", 0.01)
    assert volume.modality == {"CT": "ct", "MR_T1": "mr", "PET": "pet"}[kind]
    assert np.allclose(values, volume.voxels, atol=1e-3)


@pytest.mark.parametrize("n", range(1, 10))
def test_mosaics_in_nine_transfer_syntaxes_agree_with_dcm2niix(shared_data: Path, n: int) -> None:
    volume = read_dicom(shared_data / f"dicom/dcm_qa_ts/In/{n}.dcm")
    values = same_place(volume, shared_data / f"dicom/dcm_qa_ts/Ref/{n}.nii", 0.01)
    assert volume.grid.shape == (64, 64, 35)
    assert np.array_equal(values, volume.voxels)


def test_enhanced_frames_agree_with_dcm2niix(shared_data: Path) -> None:
    folder = shared_data / "dicom/dcm_qa_enh"
    infos = {i.description: i.uid for i in list_dicom(folder)}
    assert len(infos) == 6
    for n in range(1, 5):
        volume = read_dicom(folder, infos[f"REST1 w SMS PF7-8 acquisition {n}"])
        values = same_place(volume, folder / "Ref/Siemens_REST1_w_SMS_PF7-8_6.nii", 0.01)
        assert np.array_equal(values[..., n - 1], volume.voxels)
    phase = read_dicom(folder, infos["B0 NS echo time 0.0"])
    values = same_place(phase, folder / "Ref/Philips_WIP_B0_NS_801_e2_fieldmaphz.nii", 0.01)
    assert np.allclose(values, phase.voxels, atol=0.02)


WG04 = [
    (i, p)
    for i in ("CT1", "MR1", "RG2", "US1", "VL1")
    for p in ("J2KR", "JPLL", "JLSL")
    if i[:2] not in ("US", "VL") or p == "J2KR"
]


@pytest.mark.parametrize("image, packing", WG04)
def test_lossless_packings_agree_with_each_other(shared_data: Path, image: str, packing: str) -> None:
    reference = read_dicom(shared_data / f"dicom/wg04/RLE/{image}_RLE")
    volume = read_dicom(shared_data / f"dicom/wg04/{packing}/{image}_{packing}")
    assert volume.grid.matches(reference.grid) and np.array_equal(volume.voxels, reference.voxels)


LOSSLESS = ("1.2", "1.2.1", "1.2.2", "1.2.1.99", "1.2.4.57", "1.2.4.70", "1.2.4.80", "1.2.4.90", "1.2.5")


def test_one_slice_in_many_transfer_syntaxes(shared_data: Path) -> None:
    folder = shared_data / "dicom/cornerstone"
    plain = read_dicom(folder / "CTImage.dcm").voxels
    for path in sorted(folder.glob("CTImage.dcm_*")):
        if ".4.53" in path.name or ".4.55" in path.name:
            with pytest.raises(UnreadableInputError, match=r"packed as JPEG .*1\.2\.840\.10008\.1\.2\.4\.5[35]"):
                read_dicom(path)
            assert "packed as" in str(list_dicom(path)[0].refused)
            continue
        voxels = read_dicom(path).voxels
        lossless = path.name.removesuffix(".dcm").endswith(tuple(f"_1.2.840.10008.{s}" for s in LOSSLESS))
        limit = 0 if lossless else 80 if "4.50" in path.name else 20
        inside = plain > -1000
        assert np.percentile(np.abs(voxels.astype(float) - plain)[inside], 99) <= limit, path.name


@pytest.mark.parametrize(
    "name", ["MR_small_RLE", "MR_small_bigendian", "MR_small_jp2klossless", "MR_small_jpeg_ls_lossless"]
)
def test_pydicoms_own_copies_agree(shared_data: Path, name: str) -> None:
    folder = shared_data / "dicom/pydicom"
    assert np.array_equal(read_dicom(folder / f"{name}.dcm").voxels, read_dicom(folder / "MR_small.dcm").voxels)


@pytest.mark.parametrize("name", ["pydicom/MR_truncated.dcm", "wg04/JPLY/MR1_JPLY", "wg04/JPLY/RG2_JPLY"])
def test_what_cannot_be_unpacked_is_a_sentence(shared_data: Path, name: str) -> None:
    with pytest.raises(UnreadableInputError, match="export it"):
        read_dicom(shared_data / "dicom" / name)


def test_colours_become_rgb(shared_data: Path) -> None:
    folder = shared_data / "dicom/pydicom"
    for name in ("examples_rgb_color", "examples_ybr_color", "examples_palette", "examples_jpeg2k"):
        volume = read_dicom(folder / f"{name}.dcm")
        assert volume.is_rgb and volume.modality == "us" and volume.voxels.dtype == np.uint8
    rgb = pydicom.dcmread(folder / "examples_rgb_color.dcm").pixel_array
    assert np.array_equal(read_dicom(folder / "examples_rgb_color.dcm").voxels[:, :, 0], rgb.transpose(1, 0, 2))
    film = read_dicom(folder / "examples_ybr_color.dcm")
    assert film.grid.shape == (320, 240, 30) and "time" in film.warnings[-1]


def test_monochrome1_and_a_modality_table(shared_data: Path) -> None:
    assert read_dicom(shared_data / "dicom_seg/highdicom/dx_image.dcm").inverted
    assert read_dicom(shared_data / "dicom/pydicom-data/RG1_J2KI.dcm").inverted
    path = shared_data / "dicom/pydicom-data/mlut_18.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(path)
        wanted = pydicom.pixels.apply_modality_lut(ds.pixel_array, ds)
    assert np.array_equal(read_dicom(path).voxels[:, :, 0].T, wanted)


def test_a_segmentation_in_the_folder_is_listed_and_left_out(shared_data: Path) -> None:
    folder = shared_data / "dicom_seg/dcmqi"
    assert read_dicom(folder).grid.shape == (512, 512, 3)
    opened = [i.refused is None for i in list_dicom(folder)]
    assert opened == [True, False]
    with pytest.raises(UnreadableInputError, match="segmentation"):
        read_dicom(folder / "liver.dcm")


@pytest.mark.parametrize("name", ["dicom", "dicom_seg", "rtstruct", "ibsi_sts/dicom"])
def test_every_real_file_is_read_or_refused_with_a_sentence(shared_data: Path, name: str) -> None:
    infos = list_dicom(shared_data / name)
    assert infos and len({i.uid for i in infos if i.refused is None}) == sum(i.refused is None for i in infos)
    assert all(len(i.refused) < 300 for i in infos if i.refused)
