"""Labels out of the window and into it: every format through one path, proven, undone in one step."""

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pydicom
import pytest
from napari.settings import get_settings
from qtpy.QtCore import QMimeData, QPointF, Qt, QTimer, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QFileDialog, QMessageBox
from scipy.spatial.transform import Rotation

from napari_segsam.core.errors import WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.engine.session import Session
from napari_segsam.gui.export_dialog import ExportDialog
from napari_segsam.gui.label_files import FORMATS, LabelFiles, Scan, format_of
from napari_segsam.io.labels.export import SUFFIXES, export_labels
from napari_segsam.io.labels.importing import read_any

LIVER = (10, 8, 5)
SHAPE = (24, 20, 8)
RAS = np.eye(4)
RAS[:3, :3] = Rotation.from_euler("xyz", (8, -11, 15), degrees=True).as_matrix() @ np.diag([-1.3, 1.3, 3.0])
RAS[:3, 3] = (50.0, -20.0, 9.0)
ENTER = Qt.Key.Key_Return


@pytest.fixture
def scan_file(tmp_path):
    """An oblique CT of blocks in a file."""
    voxels = np.full(SHAPE, -1000, np.int16)
    voxels[1:12, 1:10, 1:7] = 60
    voxels[14:23, 1:10, 1:7] = 120
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(voxels, RAS), path)
    return path


@pytest.fixture
def drawn(hand, scan_file):
    """The scan open in the dock, with a liver and a spleen committed."""
    hand.viewer.open(scan_file, plugin="napari-segsam")
    hand.layers = [hand.viewer.layers[0]]
    hand.open_dock()
    for spot in (LIVER, (18, 5, 4)):
        hand.look_at(hand.layers[0], spot)
        hand.click(hand.world(hand.layers[0], spot))
        hand.rest()
        hand.key(Qt.Key.Key_C)
        hand.key(Qt.Key.Key_M)
        hand.rest()
    assert {v: label.name for v, label in hand.session.labels.labels.items()} == {1: "liver", 2: "spleen"}
    return hand


def fill_in(title, path, codes=None):
    """Answers the export dialog with mouse and keys as soon as it is there."""

    def answer():
        shown = [w for w in QApplication.topLevelWidgets() if isinstance(w, ExportDialog) and w.isVisible()]
        if not shown:
            return
        timer.stop()
        dialog = shown[0]
        row = next(n for n in range(dialog.format_box.count()) if dialog.format_box.itemText(n).startswith(title))
        dialog.format_box.setFocus()
        while dialog.format_box.currentIndex() != row:
            QTest.keyClick(dialog.format_box, Qt.Key.Key_Down)
        dialog.file.selectAll()
        QTest.keyClicks(dialog.file, str(path))
        if codes is not None:
            QTest.keyClicks(dialog.codes, str(codes))
        QTest.mouseClick(dialog.buttons.button(QDialogButtonBox.StandardButton.Save), Qt.MouseButton.LeftButton)

    timer = QTimer()
    timer.timeout.connect(answer)
    timer.start(20)
    return timer


def export(hand, title, path, codes=None):
    """Through the button and the dialog; returns once the dock has said how it went."""
    timer = fill_in(title, path, codes)
    hand.dock.objects_panel.files.save.click()
    timer.stop()
    hand.wait(lambda: hand.dock.error.text or hand.dock.notice.text.startswith("Saved"), 60)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("NIfTI", "out.nii.gz"),
        ("3D Slicer", "out.seg.nrrd"),
        ("MetaImage", "out.mha"),
        ("DICOM segmentation", "seg.dcm"),
        ("DICOM RT", "rt.dcm"),
    ],
)
def test_every_format_is_saved_from_the_dock_and_read_back_equal(drawn, tmp_path, title, name):
    path = tmp_path / name
    export(drawn, title, path)
    assert "Saved 2 objects" in drawn.dock.notice.text, drawn.dock.error.text
    assert not drawn.session.unsaved
    found = again(drawn, path)
    assert np.array_equal(found.voxels > 0, drawn.session.labels.voxels > 0)
    assert {label.name for label in found.labels.values()} == {"liver", "spleen"}


def again(hand, path):
    """The file on the scan's grid, with the scan's own images where it refers to some."""
    volume = hand.session.volume
    return read_any(path, volume.grid, Scan(volume, hand.dock.workbench.origin).source())


def test_the_dialog_proposes_a_file_beside_the_scan_and_follows_the_format(drawn, scan_file, monkeypatch):
    shown = []
    monkeypatch.setattr(ExportDialog, "exec", lambda dialog: shown.append(dialog) or 0)
    drawn.dock.objects_panel.files.save.click()
    dialog = shown.pop()
    assert dialog.path == scan_file.parent / "scan_labels.nii.gz"
    assert not dialog.codes.isVisibleTo(dialog)
    dialog.format_box.setCurrentIndex(3)
    assert dialog.path == scan_file.parent / "scan_labels.dcm"
    assert dialog.codes.isVisibleTo(dialog)
    assert "Not every class of a model has a code" in dialog.about_codes.text()
    dialog.file.clear()
    assert not dialog.buttons.button(QDialogButtonBox.StandardButton.Save).isEnabled()


@pytest.fixture
def dialog(tmp_path, qtbot):
    asked = ExportDialog(tmp_path / "scan_labels")
    qtbot.addWidget(asked)
    asked.show()
    return asked


def can_save(dialog, text):
    """What a person writes into the dialog's field; whether it can be saved."""
    dialog.file.selectAll()
    QTest.keyClicks(dialog.file, text)
    return dialog.buttons.button(QDialogButtonBox.StandardButton.Save).isEnabled()


def test_a_name_without_a_folder_goes_to_the_proposed_one(dialog, tmp_path):
    assert can_save(dialog, "liver.nii")
    assert dialog.path == tmp_path / "liver.nii"
    assert can_save(dialog, "liver v1.2")
    assert dialog.path == tmp_path / "liver v1.2.nii.gz"


def test_an_ending_of_another_kind_is_refused_with_those_that_are_known(dialog):
    assert not can_save(dialog, "liver.txt")
    assert "liver.txt: a file of the format NIfTI ends in .nii.gz or .nii" in dialog.trouble.text()
    assert dialog.trouble.isVisible()
    assert can_save(dialog, "liver.nii.gz")
    assert not dialog.trouble.isVisible()


def test_a_folder_is_no_file_to_write(dialog, tmp_path):
    (tmp_path / "series").mkdir()
    for text in ("series", str(tmp_path / "series"), f"{tmp_path}/series/", f"{tmp_path}/other/", "."):
        assert not can_save(dialog, text)
        assert "is a folder" in dialog.trouble.text()
    assert not can_save(dialog, f"{tmp_path}/other/liver.nii.gz")
    assert f"There is no folder {tmp_path / 'other'}" in dialog.trouble.text()


@pytest.mark.parametrize("text", ["~nobody_is_called_so/", "x" * 300])
def test_what_no_system_takes_for_a_file_is_refused_while_it_is_typed(dialog, text):
    assert not can_save(dialog, text)
    assert dialog.trouble.text()


def test_a_name_follows_the_format_whichever_of_its_endings_it_had(dialog, tmp_path):
    assert can_save(dialog, "liver.nii")
    dialog.format_box.setCurrentIndex(1)
    assert dialog.path == tmp_path / "liver.seg.nrrd"


def test_the_proposed_file_is_one_that_is_not_there(tmp_path, qtbot):
    (tmp_path / "scan_labels.nii.gz").write_bytes(b"of another patient")
    asked = ExportDialog(tmp_path / "scan_labels")
    qtbot.addWidget(asked)
    assert asked.path == tmp_path / "scan_labels 2.nii.gz"
    asked.format_box.setCurrentIndex(2)
    assert asked.path == tmp_path / "scan_labels.mha"


def test_labels_that_were_saved_are_proposed_the_same_file_again(drawn, tmp_path, monkeypatch):
    export(drawn, "NIfTI", tmp_path / "mine.nii")
    shown = []
    monkeypatch.setattr(ExportDialog, "exec", lambda dialog: shown.append(dialog) or 0)
    drawn.dock.objects_panel.files.save.click()
    assert (shown[0].path, shown[0].format.title) == (tmp_path / "mine.nii", "NIfTI")
    assert f"mine.nii in {tmp_path}" in drawn.dock.notice.text


def test_a_file_that_is_there_is_replaced_only_where_the_person_says_so(tmp_path, monkeypatch, qtbot):
    dialog = ExportDialog(tmp_path / "out")
    (tmp_path / "out.nii.gz").write_bytes(b"precious")
    qtbot.addWidget(dialog)
    dialog.show()
    monkeypatch.setattr(QMessageBox, "question", lambda *a: QMessageBox.StandardButton.No)
    QTest.keyClick(dialog.file, ENTER)
    assert dialog.result() == 0
    monkeypatch.setattr(QMessageBox, "question", lambda *a: QMessageBox.StandardButton.Yes)
    QTest.keyClick(dialog.file, ENTER)
    assert dialog.result() == 1


def test_a_class_without_a_code_is_named_and_nothing_is_written(drawn, tmp_path):
    drawn.session.labels.labels[1] = Label(1, "my own class")
    export(drawn, "DICOM segmentation", tmp_path / "seg.dcm")
    assert "my own class; give each one in a file of codes (--codes, or Codes in the window)" in drawn.dock.error.text
    assert "Saved" not in drawn.dock.notice.text
    assert not (tmp_path / "seg.dcm").exists()
    assert drawn.session.unsaved


def test_a_file_of_codes_is_taken(drawn, tmp_path):
    drawn.session.labels.labels[1] = Label(1, "my own class")
    code = {"value": "10200004", "meaning": "Liver", "scheme": "SCT"}
    category = {"value": "123037004", "meaning": "Anatomical Structure", "scheme": "SCT"}
    codes = tmp_path / "codes.json"
    codes.write_text(json.dumps({"my own class": {"category": category, "type": code}}))
    export(drawn, "DICOM segmentation", tmp_path / "seg.dcm", codes)
    assert "Saved 2" in drawn.dock.notice.text, drawn.dock.error.text
    segments = pydicom.dcmread(tmp_path / "seg.dcm").SegmentSequence
    assert [s.SegmentLabel for s in segments] == ["my own class", "spleen"]


def test_the_segmentation_of_a_dicom_series_refers_to_its_images(hand, shared_data, tmp_path):
    folder = shared_data / "dicom" / "ct_series_philips"
    hand.viewer.open(folder, plugin="napari-segsam")
    hand.open_dock()
    hand.session.labels.voxels[3:9, 4:9, 1] = 1
    hand.session.labels.labels[1] = Label(1, "liver")
    hand.dock.workbench.export_labels(tmp_path / "seg.dcm", format_of_title("DICOM segmentation"))
    hand.wait(lambda: hand.dock.error.text or hand.dock.notice.text.startswith("Saved"), 60)
    assert not hand.dock.error.text
    made = pydicom.dcmread(tmp_path / "seg.dcm")
    files = [pydicom.dcmread(p, stop_before_pixels=True) for p in folder.rglob("I*")]
    images = {file.SOPInstanceUID for file in files}
    named = {i.ReferencedSOPInstanceUID for s in made.ReferencedSeriesSequence for i in s.ReferencedInstanceSequence}
    assert named
    assert named <= images


def format_of_title(title):
    return next(f for f in FORMATS if f.title.startswith(title))


def test_the_formats_are_those_of_the_command_line():
    assert {f.kind for f in FORMATS} == set(SUFFIXES)
    assert all(any(s.endswith(own) for own in SUFFIXES[f.kind]) for f in FORMATS for s in f.suffixes)


def test_naparis_save_takes_the_same_path(drawn, tmp_path):
    layer = drawn.layer("labels")
    (saved,) = layer.save(str(tmp_path / "seg.dcm"), plugin="napari-segsam")
    assert pydicom.dcmread(saved).Modality == "SEG"
    assert np.array_equal(again(drawn, tmp_path / "seg.dcm").voxels, drawn.session.labels.voxels)
    with pytest.raises(WriteError, match=r"\.seg\.nrrd"):
        format_of(tmp_path / "a.docx")


def test_the_scan_is_not_saved_over(drawn, scan_file):
    before = scan_file.read_bytes()
    drawn.dock.workbench.export_labels(scan_file, format_of_title("NIfTI"))
    drawn.wait(lambda: drawn.dock.error.text, 60)
    assert "scan.nii.gz is a file of the scan and was not overwritten" in drawn.dock.error.text
    with pytest.raises(WriteError, match="is a file of the scan"):
        drawn.layer("labels").save(str(scan_file), plugin="napari-segsam")
    assert scan_file.read_bytes() == before
    assert drawn.session.unsaved


class Later:
    """An executor whose job is written when the test says so, and answered when it says that."""

    def submit(self, job, done, failed, *, key, priority):
        self.job, self.done = job, done


def test_what_changes_while_labels_are_written_is_unsaved_even_if_it_looks_the_same_in_the_history(tmp_path):
    grid = Grid((8, 8, 8), np.eye(4))
    session, later = Session(Volume(grid, np.zeros(grid.shape, np.int16))), Later()
    files = LabelFiles(SimpleNamespace(session=session), later, tell=print, refuse=pytest.fail)

    def stroke(index):
        before = session.labels.voxels.reshape(-1)[[index]]
        session.labels.voxels.reshape(-1)[index] = 1
        session.record_stroke(np.array([index]), before)

    def saved(meanwhile):
        files.export(tmp_path / "out.nii", FORMATS[0], None)
        answer = later.job()
        meanwhile()
        later.done(answer)
        return not session.unsaved

    stroke(5)
    assert not saved(lambda: (session.undo(), stroke(77)))
    assert not saved(lambda: (session.undo(), session.redo()))
    assert saved(lambda: session.next_object())  # no label changed
    assert not saved(lambda: session.undo() and session.undo())


# -- in


@pytest.fixture
def undrawn(hand, scan_file):
    """The scan open in the dock, and a label map of it: liver 3, spleen 7."""
    hand.viewer.open(scan_file, plugin="napari-segsam")
    hand.open_dock()
    labels = LabelMap(hand.session.volume.grid, labels={3: Label(3, "liver"), 7: Label(7, "spleen")})
    labels.voxels[2:8, 3:9, 2:5] = 3
    labels.voxels[15:20, 3:9, 2:5] = 7
    hand.given = labels
    return hand


def named(hand):
    return {v: label.name for v, label in hand.session.labels.labels.items()}


def write(hand, path, kind):
    export_labels(path, hand.given, kind, Scan(hand.session.volume, hand.dock.workbench.origin).source())


@pytest.mark.parametrize(
    ("kind", "name"), [("nifti", "a.nii.gz"), ("nrrd", "a.seg.nrrd"), ("dicom-seg", "seg.dcm"), ("rtstruct", "rt.dcm")]
)
def test_every_format_is_opened_onto_the_scan_and_undone_in_one_step(undrawn, tmp_path, kind, name, monkeypatch):
    path = tmp_path / name
    write(undrawn, path, kind)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *a: (str(path), ""))
    undrawn.dock.objects_panel.files.open.click()
    undrawn.wait(lambda: named(undrawn) or undrawn.dock.error.text, 60)
    assert not undrawn.dock.error.text
    assert set(named(undrawn).values()) == {"liver", "spleen"}
    if kind in ("nifti", "nrrd"):
        assert named(undrawn) == {3: "liver", 7: "spleen"}
    shown = undrawn.session.volume.grid.display.from_display(undrawn.layer("labels").data)
    assert np.array_equal(shown > 0, undrawn.given.voxels > 0)
    assert not undrawn.session.unsaved
    assert undrawn.session.undo_names == (f"open {name}",)
    undrawn.key(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not undrawn.session.labels.voxels.any()
    assert not named(undrawn)


@pytest.mark.parametrize(("kind", "name"), [("nrrd", "a.seg.nrrd"), ("dicom-seg", "seg.dcm"), ("rtstruct", "rt.dcm")])
def test_a_label_file_that_is_dropped_on_the_window_is_taken_for_one(undrawn, tmp_path, kind, name):
    write(undrawn, tmp_path / name, kind)
    before = len(undrawn.viewer.layers)
    drop(undrawn, tmp_path / name)
    undrawn.wait(lambda: named(undrawn) or undrawn.dock.error.text, 60)
    assert not undrawn.dock.error.text
    assert len(undrawn.viewer.layers) == before


def drop(hand, path):
    """A file from the desktop onto napari's canvas, by a person who told napari once which reader to take."""
    get_settings().plugins.extension2reader = {"*.nrrd": "napari-segsam", "*.dcm": "napari-segsam"}
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path))])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    event = QDropEvent(QPointF(200, 200), copy, mime, left, none)
    hand.viewer.window._qt_viewer.dropEvent(event)


def test_labels_beside_drawn_ones_keep_both(drawn, tmp_path):
    grid = drawn.session.volume.grid
    other = LabelMap(grid, labels={1: Label(1, "kidney_left")})
    other.voxels[2:4, 15:18, 2:4] = 1
    export_labels(tmp_path / "other.nii.gz", other, "nifti")
    drawn.dock.workbench.open_labels(tmp_path / "other.nii.gz")
    drawn.wait(lambda: len(named(drawn)) == 3, 60)
    assert set(named(drawn).values()) == {"liver", "spleen", "kidney_left"}
    assert named(drawn)[1] == "liver"
    assert "Another value than in the file, since that was taken: kidney left." in drawn.dock.notice.text
    assert drawn.session.unsaved


def test_labels_of_another_grid_are_refused_in_a_sentence(undrawn, tmp_path):
    affine = undrawn.session.volume.grid.affine.copy()
    affine[:3, 3] += 0.7
    other = LabelMap(Grid(SHAPE, affine), labels={1: Label(1, "liver")})
    other.voxels[2:4, 2:4, 2:4] = 1
    export_labels(tmp_path / "other.nii.gz", other, "nifti")
    undrawn.dock.workbench.open_labels(tmp_path / "other.nii.gz")
    undrawn.wait(lambda: undrawn.dock.error.text, 60)
    assert "does not fit the scan" in undrawn.dock.error.text
    assert not undrawn.session.undo_names


def test_labels_for_a_scan_that_was_left_meanwhile_are_not_put_on_another_one(undrawn, tmp_path):
    write(undrawn, tmp_path / "a.nii.gz", "nifti")
    bench = undrawn.dock.workbench
    bench.open_labels(tmp_path / "a.nii.gz")
    other = undrawn.open(undrawn.session.volume)
    bench.open_scan(other)
    undrawn.wait(lambda: undrawn.dock.error.text, 60)
    assert "open a.nii.gz again" in undrawn.dock.error.text
    assert not named(undrawn)
