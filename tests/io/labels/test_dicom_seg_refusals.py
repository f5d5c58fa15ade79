"""What is not written as a DICOM segmentation, and the sentence that says why."""

from pathlib import Path

import pytest

from napari_segsam.core.errors import BadLabelsError, GridMismatchError, WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label
from napari_segsam.core.terminology import CATEGORIES, Code, Coding
from napari_segsam.io.dicom.source import read_source
from napari_segsam.io.labels import segmentation
from napari_segsam.io.labels.export import export_labels
from tests.core.grids import affine_of
from tests.io.dicom.dicom_files import ct_series
from tests.io.labels.seg_files import LIVER, PATIENT, drawn_on, scan


def test_every_class_without_a_code_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    source = scan(affine_of("LPS"))
    labels = drawn_on(source.grid)
    labels.labels = {1: Label(1, "thingummy"), 2: Label(2, "kidney_cyst")}
    with pytest.raises(BadLabelsError, match="no code is known for kidney_cyst, thingummy"):
        export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source)
    labels.labels = {2: Label(2, "label 2")}
    with pytest.raises(BadLabelsError, match="no name is known for values 1, 2"):
        export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source)
    labels.voxels[:] = 0
    with pytest.raises(BadLabelsError, match="nothing is labelled"):
        export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x" * 65, "back\\slash", "two\nlines"])
def test_a_name_that_dicom_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    source = scan(affine_of("LPS"))
    labels = drawn_on(source.grid)
    labels.labels[1] = Label(1, name, LIVER)
    with pytest.raises(WriteError, match="Segment Label"):
        export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source)


@pytest.mark.parametrize("kind", ["dicom-seg", "rtstruct"])
@pytest.mark.parametrize(
    "code", [Code("1234567", "x" * 65), Code("12", "m", "S" * 17), Code("1\\2", "m"), Code("12", "two\nlines")]
)
def test_a_code_that_dicom_cannot_hold_is_refused_and_not_the_images(tmp_path: Path, code: Code, kind: str) -> None:
    source = scan(affine_of("LPS"))
    labels = drawn_on(source.grid)
    labels.labels[1] = Label(1, "thing", Coding(CATEGORIES["anatomy"], LIVER.type, None, code))
    with pytest.raises(WriteError, match="a code of 'thing' is none that DICOM can hold"):
        export_labels(tmp_path / "seg.dcm", labels, kind, source)
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_said_and_not_blamed_on_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    source = scan(affine_of("LPS"))
    monkeypatch.setattr(segmentation, "Segmentation", full)
    with pytest.raises(WriteError, match="more memory than there is"):
        export_labels(tmp_path / "seg.dcm", drawn_on(source.grid), "dicom-seg", source)


def test_what_does_not_read_back_equal_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = scan(affine_of("LPS"))
    labels, path = drawn_on(source.grid), tmp_path / "seg.dcm"
    path.write_bytes(b"old")
    honest = segmentation._places
    monkeypatch.setattr(segmentation, "_places", lambda grid: honest(grid) + 0.01)
    with pytest.raises(WriteError, match="did not read back equal"):
        export_labels(path, labels, "dicom-seg", source)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_damaged_headers_of_the_images_are_said_without_quoting_them(tmp_path: Path) -> None:
    source = read_source(ct_series(tmp_path / "ct", **PATIENT))
    source.headers[0]["PatientBirthDate"]._value = object()
    with pytest.raises(WriteError, match="headers of the images") as refused:
        export_labels(tmp_path / "seg.dcm", drawn_on(source.grid), "dicom-seg", source)
    assert "Secret" not in str(refused.value)


def test_labels_of_another_scan_are_refused(tmp_path: Path) -> None:
    moved = affine_of("LPS")
    moved[0, 3] += 1.0
    with pytest.raises(GridMismatchError, match="do not lie on the images"):
        export_labels(tmp_path / "seg.dcm", drawn_on(Grid((4, 5, 6), moved)), "dicom-seg", scan(affine_of("LPS")))
