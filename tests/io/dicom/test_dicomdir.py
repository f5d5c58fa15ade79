"""A DICOMDIR opens the files that it lists, and never one outside its own folder."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.io.dicom.dicom_files import ct_series, item

pytestmark = pytest.mark.filterwarnings("ignore:.*VR CS.*:UserWarning")  # which is for names of 8 capitals


def directory(folder: Path, files: Sequence[str | list[str]]) -> Path:
    """Write a DICOMDIR that lists these files."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MediaStorageDirectoryStorage, "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    images = [item(DirectoryRecordType="IMAGE", ReferencedFileID=name) for name in files]
    ds.DirectoryRecordSequence = [item(DirectoryRecordType="PATIENT"), *images]
    folder.mkdir(parents=True, exist_ok=True)
    ds.save_as(folder / "DICOMDIR", enforce_file_format=True)
    return folder / "DICOMDIR"


def test_it_opens_the_series_that_it_lists(tmp_path: Path) -> None:
    ct_series(tmp_path / "DICOM" / "ONE")
    ct_series(tmp_path / "DICOM" / "TWO", SeriesInstanceUID="1.2.3")
    listed = [["DICOM", "ONE", f"{n:03d}.dcm"] for n in range(1, 6)]
    volume = read_dicom(directory(tmp_path, listed))
    assert volume.grid.shape == (4, 3, 5) and volume.warnings == ()


def test_names_may_be_in_capitals_that_the_disk_lost(tmp_path: Path) -> None:
    ct_series(tmp_path / "dicom")
    assert read_dicom(directory(tmp_path, [["DICOM", f"{n:03d}.DCM"] for n in range(1, 6)])).grid.shape[2] == 5


@pytest.mark.parametrize(
    "name",
    [
        ["..", "secret", "001.dcm"],
        ["IN", "..", "..", "secret", "001.dcm"],
        "../secret/001.dcm",
        "/secret/001.dcm",
        ["LINK", "001.dcm"],
        ["", "001.dcm"],
        "C:\\001.dcm",
        ["IN", "."],
    ],
)
def test_a_file_outside_its_folder_is_left_out_and_said(tmp_path: Path, name: str | list[str]) -> None:
    ct_series(tmp_path / "secret", SeriesInstanceUID="1.2.9")
    ct_series(tmp_path / "medium" / "IN")
    (tmp_path / "medium" / "LINK").symlink_to(tmp_path / "secret")
    path = directory(tmp_path / "medium", [*(["IN", f"{n:03d}.dcm"] for n in range(1, 6)), name])
    volume = read_dicom(path)
    if not isinstance(name, str) or "\\" not in name:  # a backslash parts the names of folders
        assert volume.warnings == ("DICOMDIR lists 1 file outside its folder; what lies there was left out.",)
    assert volume.grid.shape[2] == 5
    assert "1.2.9" not in {i.uid for i in list_dicom(path)}
    with pytest.raises(UnreadableInputError, match=r"outside its folder|in vain"):
        read_dicom(directory(tmp_path / "medium", [name]))


def test_files_that_are_not_there_are_counted(tmp_path: Path) -> None:
    ct_series(tmp_path / "IN")
    path = directory(tmp_path, [*(["IN", f"{n:03d}.dcm"] for n in range(1, 6)), ["IN", "006.dcm"], ["IN", "007.dcm"]])
    said = (
        "DICOMDIR lists 2 files in vain, as nothing of that name is there; open the folder that it lies in, or copy "
        "the whole medium."
    )
    assert read_dicom(path).warnings == (said,) and [i.refused for i in list_dicom(path)] == [None, said]
    assert list_dicom(path)[0].warnings == (said,)
    with pytest.raises(UnreadableInputError, match="lists 1 file in vain"):
        read_dicom(directory(tmp_path, ["GONE"]))


def test_one_without_files_or_cut_short_is_refused(tmp_path: Path) -> None:
    path = directory(tmp_path, [])
    with pytest.raises(UnreadableInputError, match="lists no files"):
        read_dicom(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(UnreadableInputError, match="DICOMDIR"):
        read_dicom(path)


def test_names_longer_than_any_disk_holds_are_damage(tmp_path: Path) -> None:
    ct_series(tmp_path / "DATA")
    for name in ("9" * 300, ["A"] * 40):
        with pytest.raises(UnreadableInputError, match="the directory is damaged"):
            list_dicom(directory(tmp_path, [name]))
