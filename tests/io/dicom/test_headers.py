"""Headers of images come out of the reading process whole, well formed and never larger than they may be."""

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io import sandbox
from napari_segsam.io.dicom import headers
from napari_segsam.io.dicom.headers import read_headers
from napari_segsam.io.dicom.source import read_source
from napari_segsam.io.sandbox.limits import MEMORY_VARIABLE
from tests.io.dicom.dicom_files import ct_series, item, save
from tests.io.memory import peak_of

SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
PATIENT: dict[str, Any] = {
    "StudyInstanceUID": "1.2.3",
    "PatientID": "secret-id",
    "PatientBirthDate": "19700101",
    "PatientSize": "1.8",
}


def packed(folder: Path, syntax: str, **fields: Any) -> Path:
    """A series in another transfer syntax."""
    ct_series(folder, **(PATIENT | fields))
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        ds.decode()  # what is still raw would be written as it is
        save(ds, path, syntax)
    return folder


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize(
    ("characters", "name"),
    [("ISO_IR 100", "Müller^Jörg"), ("ISO_IR 192", "Ωμέγα^Ä"), (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎")],
)
def test_what_describes_patient_and_study_is_what_pydicom_reads(
    tmp_path: Path, syntax: str, characters: Any, name: str
) -> None:
    code = item(CodeValue="1", CodingSchemeDesignator="99X", CodeMeaning=name.partition("^")[0])
    fields = {"PatientName": name, "ProcedureCodeSequence": [code], "OtherPatientNames": [name, "B"]}
    folder = packed(tmp_path, syntax, SpecificCharacterSet=characters, **fields)
    first = read_source(folder).headers[0]
    theirs = pydicom.dcmread(folder / "005.dcm")  # files are named backwards
    assert str(first.PatientName) == name and first.ProcedureCodeSequence[0].CodeMeaning == code.CodeMeaning
    assert first.keys() >= {Tag(keyword) for keyword in (*PATIENT, *fields, "SeriesNumber", "ImagePositionPatient")}
    assert all(first[tag] == theirs[tag] for tag in first.keys())  # noqa: SIM118 - a data set iterates over elements
    assert "PixelData" not in first and "Rows" not in first


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_headers_of_other_slices_say_which_image_they_are(tmp_path: Path, syntax: str) -> None:
    source = read_source(packed(tmp_path, syntax))
    uids = [pydicom.dcmread(tmp_path / f"{5 - k:03d}.dcm").SOPInstanceUID for k in range(5)]
    assert [h.SOPInstanceUID for h in source.headers] == uids
    assert [float(h.ImagePositionPatient[2]) for h in source.headers] == [30, 32.5, 35, 37.5, 40]
    assert ["PatientName" in h for h in source.headers[:2]] == [True, syntax == DeflatedExplicitVRLittleEndian]


def test_what_is_damaged_is_left_out_and_that_is_said(tmp_path: Path) -> None:
    folder = ct_series(tmp_path, **PATIENT)
    ds = pydicom.dcmread(folder / "005.dcm")
    studies, short = Tag("ReferencedStudySequence"), b"\xfe\xff\x00\xe0\xff\x00"
    ds[studies] = RawDataElement(studies, "SQ", len(short), short, 0, False, True)
    save(ds, folder / "005.dcm")
    source = read_source(folder)
    assert source.headers[0].PatientID == "secret-id" and "ReferencedStudySequence" not in source.headers[0]
    assert source.made_up == ("The headers of the images were copied without 1 damaged entry.",)


def test_more_than_any_header_holds_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ct_series(tmp_path, **PATIENT, PatientComments="x" * 10_000)
    monkeypatch.setattr(headers, "MOST", 10_000)
    with pytest.raises(UnreadableInputError, match="what its headers say of patient, study and images takes more than"):
        read_headers(folder)


def bomb(mebibytes: int) -> bytes:
    """A raw deflate stream of so many MiB of zeros, without its end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)) * mebibytes


def test_nothing_behind_the_pixels_of_a_deflated_file_is_inflated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "0.1")
    folder = packed(tmp_path, DeflatedExplicitVRLittleEndian)
    whole = (folder / "005.dcm").read_bytes()
    body = 144 + int.from_bytes(whole[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    plain = zlib.decompress(whole[body:], -zlib.MAX_WBITS)
    start = packer.compress(plain) + packer.flush(zlib.Z_FULL_FLUSH)
    (folder / "005.dcm").write_bytes(whole[:body] + start + bomb(2048))
    assert peak_of(lambda: read_source(folder)) < 4 << 20
    assert read_source(folder).headers[0].PatientID == "secret-id"


def test_a_header_that_inflates_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "0.1")
    folder = packed(tmp_path, DeflatedExplicitVRLittleEndian)
    whole = (folder / "003.dcm").read_bytes()
    body = 144 + int.from_bytes(whole[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = b"\x08\0\x20\0UN\0\0\xff\xff\xff\x7f"  # a Study Date of two gigabytes
    (folder / "003.dcm").write_bytes(
        whole[:body] + packer.compress(head) + packer.flush(zlib.Z_FULL_FLUSH) + bomb(2048)
    )

    def refused() -> None:
        with pytest.raises(UnreadableInputError) as error:
            read_source(folder)
        assert "Secret" not in str(error.value)

    assert peak_of(refused) < 4 << 20


def test_both_processes_find_the_same(tmp_path: Path) -> None:
    folder = ct_series(tmp_path, **PATIENT)
    here, there = read_headers(folder), sandbox.read_headers(folder)
    assert here.encoded.tobytes() == there.encoded.tobytes() and here.grid.matches(there.grid)
    assert [getattr(here, f) for f in ("lengths", "files", "frames", "made_up", "resampled")] == [
        getattr(there, f) for f in ("lengths", "files", "frames", "made_up", "resampled")
    ]


@pytest.mark.parametrize(
    "lie",
    [
        {"encoded": np.zeros(3, np.uint8)},
        {"encoded": np.zeros((1, 1), np.uint8)},
        {"lengths": ()},
        {"lengths": (0, 10)},
        {"files": (0, 0, 0, 0, 7)},
        {"files": (0, 0, 0, 0, -1)},
        {"files": (0,)},
        {"frames": (0,) * 5},
        {"frames": (1,)},
        {"encoded": np.zeros(headers.MOST + 1, np.uint8), "lengths": (headers.MOST + 1,), "files": (0,) * 5},
    ],
)
def test_headers_that_do_not_fit_together_are_not_believed(tmp_path: Path, lie: dict[str, Any]) -> None:
    honest = read_headers(ct_series(tmp_path, **PATIENT))
    with pytest.raises(ValueError):
        replace(honest, **lie)


def test_headers_of_a_process_that_was_taken_over_can_only_be_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = read_headers(ct_series(tmp_path, **PATIENT))
    short = b"\x08\0\x10\x11SQ\0\0\x06\0\0\0\xfe\xff\0\xe0\xff\0"  # an item without its length
    deep = b"\x08\0\x10\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 5000
    for lie in (short, deep):
        made = replace(honest, encoded=np.frombuffer(lie, np.uint8), lengths=(len(lie),), files=(0,) * 5)
        monkeypatch.setattr(sandbox, "read_headers", lambda path, made=made, **options: made)
        with pytest.raises(UnreadableInputError, match="headers are damaged"):
            read_source(tmp_path)
