"""One way in for every format."""

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_segsam.core.errors import SegsamError, UnknownNameError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.io.formats import files_of, list_series, read_volume, write_labels
from tests.core.grids import affine_of
from tests.io.dicom.dicom_files import SERIES, ct_series, slice_file
from tests.io.images.nifti_files import saved
from tests.io.images.text_files import meta, nrrd


def test_the_suffix_or_else_the_content_finds_the_reader(tmp_path: Path) -> None:
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha", "A.NII.GZ"):
        write_labels(tmp_path / name, LabelMap(Grid((3, 4, 5), affine_of("RSA"))))
        assert read_volume(tmp_path / name).grid.axis_codes == "RSA"
    Image.new("L", (3, 4)).save(tmp_path / "a.png")
    assert read_volume(tmp_path / "a.png").grid.shape == (3, 4, 1)
    folder = ct_series(tmp_path / "scan")
    assert read_volume(folder).series_uid == SERIES
    (folder / "001.dcm").rename(folder / "noname")
    assert read_volume(folder / "noname").modality == "ct"


def test_series_are_listed_with_what_info_prints(tmp_path: Path) -> None:
    (info,) = list_series(ct_series(tmp_path / "scan"))
    assert (info.uid, info.modality, info.shape, info.orientation, info.refused) == (
        SERIES,
        "ct",
        (4, 3, 5),
        "LPS",
        None,
    )
    assert info.transfer_syntax == "Explicit VR Little Endian" and info.description == "Abdomen"
    write_labels(tmp_path / "a.nii.gz", LabelMap(Grid((3, 4, 5), affine_of("RSA"))))
    (info,) = list_series(tmp_path / "a.nii.gz")
    assert (info.uid, info.shape, info.orientation) == ("", (3, 4, 5), "RSA")


def test_a_volume_knows_whether_its_file_says_how_it_lies_in_the_patient(tmp_path: Path) -> None:
    pixels, nowhere = np.zeros((3, 4), np.int16), {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    Image.new("L", (3, 4)).save(tmp_path / "a.png")
    for path in (
        tmp_path / "a.png",
        saved(tmp_path / "a.nii", np.zeros((2, 3, 4), np.int16), qform_code=0, sform_code=0),
        nrrd(tmp_path / "a.nrrd", "spacings: 2 3 4", place=""),
        meta(tmp_path / "a.mha", place="ElementSpacing = 1 1 1"),
        slice_file(tmp_path / "a.dcm", pixels, (0, 0, 0), **nowhere),
    ):
        assert not read_volume(path).placed, path
    for path in (
        saved(tmp_path / "b.nii", np.zeros((2, 3, 4), np.int16)),
        nrrd(tmp_path / "b.nrrd"),
        meta(tmp_path / "b.mha"),
        slice_file(tmp_path / "b.dcm", pixels, (0, 0, 0)),
    ):
        assert read_volume(path).placed, path


def several(folder: Path) -> list[Path]:
    """A file of each format with 3 volumes, whose voxels are 0, 1 and 2."""
    array = np.zeros((2, 3, 4, 3), np.int16) + np.arange(3, dtype=np.int16)
    place = "space: LPS\nspace origin: (0,0,0)\nspace directions: (1,0,0) (0,1,0) (0,0,1) none"
    pages = [Image.fromarray(np.full((3, 2), n, np.uint8)) for n in range(3)]
    pages[0].save(folder / "a.tif", save_all=True, append_images=pages[1:])
    return [
        saved(folder / "a.nii", array),
        saved(folder / "a.nii.gz", array),
        nrrd(folder / "a.nrrd", array=array, place=place),
        meta(folder / "a.mha", array=array, place=""),
        folder / "a.tif",
    ]


def test_whatever_lists_several_volumes_reads_each_of_them(tmp_path: Path) -> None:
    for path in several(tmp_path):
        listed = list_series(path)
        assert [info.uid for info in listed] == ["#1", "#2", "#3"]
        assert len({info.description for info in listed}) == 3
        for n, info in enumerate(listed):
            volume = read_volume(path, series=info.uid)
            assert (volume.voxels == n).all() and (volume.grid.shape, volume.name) == (info.shape, f"a {info.uid}")
            assert volume.grid.spacing_mm == info.spacing_mm and volume.grid.axis_codes == info.orientation
        with pytest.raises(UnreadableInputError, match=f"{path.name} holds 3 volumes; name one .* '#1' to '#3'"):
            read_volume(path)
        with pytest.raises(UnknownNameError, match="Did you mean: #1, #3"):
            read_volume(path, series="1.2.3")


def test_a_cut_file_of_several_volumes_is_not_listed(tmp_path: Path) -> None:
    for path in several(tmp_path):
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(UnreadableInputError):
            list_series(path)


def test_what_a_header_points_to_is_read_too(tmp_path: Path) -> None:
    header = meta(tmp_path / "a.mhd", file="a.raw")
    (tmp_path / "a.raw").write_bytes(b"")
    assert files_of(header) == (header, tmp_path / "a.raw")
    (tmp_path / "a.raw").unlink()
    assert files_of(header) == (header,)
    assert files_of(tmp_path / "gone.nhdr") == (tmp_path / "gone.nhdr",) and files_of(tmp_path) == (tmp_path,)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.png", "a.dcm", "a", "a.txt", "a.hdr", "a.img"])
@pytest.mark.parametrize("content", [b"", b"hello world", b"PK\x03\x04 an archive", bytes(range(256)) * 9])
def test_what_is_no_image_is_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    for read in (read_volume, list_series):
        with pytest.raises(SegsamError) as caught:
            read(tmp_path / name)
        sentence = str(caught.value)
        assert name in sentence and sentence.endswith(".") and len(sentence) < 200


def tar(name: str = "study") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as made:
        made.addfile(tarfile.TarInfo(name))
    return packed.getvalue()


ARCHIVES = {
    "study.zip": b"PK\x03\x04",
    "study.tar": tar(),
    "study.tar.gz": gzip.compress(tar()),
    "study.tgz": gzip.compress(tar()),
    "I10.gz": gzip.compress(b"a slice"),
    "study.7z": b"7z\xbc\xaf\x27\x1c",
    "study.rar": b"Rar!\x1a\x07",
    "study.tar.bz2": b"BZh9",
    "study.tar.xz": b"\xfd7zXZ\0",
    "empty.rar": b"",
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_is_named_with_a_hint_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    for called in (name, "renamed") if ARCHIVES[name] else (name,):
        (tmp_path / called).write_bytes(ARCHIVES[name])
        for read in (read_volume, list_series):
            with pytest.raises(UnreadableInputError, match=f"^{called} is an archive or packed; unpack it and open"):
                read(tmp_path / called)


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="does not exist; check the spelling"):
        read_volume(tmp_path / "gone.nii.gz")


def test_a_series_of_a_file_without_series_is_refused(tmp_path: Path) -> None:
    write_labels(tmp_path / "a.nii", LabelMap(Grid((3, 4, 5), np.eye(4))))
    with pytest.raises(UnreadableInputError, match=r"a\.nii holds one image and no series"):
        read_volume(tmp_path / "a.nii", series="1.2.3")


def test_labels_go_back_onto_a_real_scan(shared_data: Path, tmp_path: Path) -> None:
    for name in (
        "ct/totalseg_example/example_ct.nii.gz",
        "dicom/mr_series_btp",
        "mr/pyradiomics_brain1/brain1_image.nrrd",
    ):
        grid = read_volume(shared_data / name).grid
        labels = LabelMap(grid)
        labels.voxels[: grid.shape[0] // 2] = 7
        for suffix in (".nii.gz", ".nrrd"):
            write_labels(tmp_path / f"x{suffix}", labels, {7: "liver"})
            assert read_volume(tmp_path / f"x{suffix}").grid.matches(grid)
