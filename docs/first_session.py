"""A first-time user's session, by mouse and keyboard, as the guide tells it; takes the guide's pictures.

    xvfb-run -a -s "-screen 0 1400x900x24" python docs/first_session.py [--out docs/images] [--model nano]
        [--scan CT --labels ITS_ORGANS]

The sample, or another CT, is written as a DICOM series first, and opened as a folder. Two organs are clicked, three
suggestions accepted, one organ carried through ten slices, one mistake made and undone, and the labels saved for 3D
Slicer. Prints the clicks and keys that each part took, and what the file holds. The organs' labels stand for the
person's eyes: they say where to click, and which suggestions look right.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ["NAPARI_CONFIG"] = ""
os.environ["SEGSAM_STATE"] = tempfile.mkdtemp()  # no journal of this is offered to anybody later

import napari
import numpy as np
from numpy.typing import NDArray
from person import Person
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialogButtonBox
from scipy import ndimage

from napari_segsam.core.labels import LabelMap
from napari_segsam.core.prediction import dice
from napari_segsam.core.volume import Volume
from napari_segsam.gui.dock import Dock
from napari_segsam.gui.export_dialog import ExportDialog
from napari_segsam.gui.label_files import FORMATS
from napari_segsam.io.labels.importing import read_any
from napari_segsam.io.phantom.sample import torso_phantom, torso_phantom_labels
from napari_segsam.io.sandbox import read_volume

SIZE = (1280, 840)
CLICKED = ("liver", "spleen")
_CTRL = Qt.KeyboardModifier.ControlModifier


def write_series(scan: Volume, folder: Path) -> None:
    """A CT as a DICOM series."""
    series, study, frame = generate_uid(), generate_uid(), generate_uid()
    directions = scan.grid.affine[:3, :3] / scan.grid.spacing_mm
    for k in range(scan.grid.shape[2]):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.Modality, ds.SeriesDescription, ds.SeriesNumber, ds.InstanceNumber = "CT", "Torso phantom", 2, k + 1
        ds.PatientName, ds.PatientID, ds.StudyDate, ds.StudyTime = "Phantom", "1", "20260101", "120000"
        ds.Rows, ds.Columns = scan.grid.shape[1], scan.grid.shape[0]
        ds.PixelSpacing, ds.SliceThickness = [float(scan.grid.spacing_mm[1]), float(scan.grid.spacing_mm[0])], 1.0
        ds.ImagePositionPatient = [round(float(x), 6) for x in scan.grid.to_mm(np.array([0, 0, k]))]
        ds.ImageOrientationPatient = [round(float(x), 9) for x in directions[:, :2].T.reshape(-1)]
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 1
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
        ds.WindowCenter, ds.WindowWidth, ds.RescaleIntercept, ds.RescaleSlope = 40, 400, 0, 1
        ds.PixelData = np.ascontiguousarray(scan.voxels[:, :, k].T.astype(np.int16)).tobytes()
        ds.save_as(folder / f"{k:03d}.dcm", enforce_file_format=True)


class FirstSession:
    """The parts of the path, in order.

    Args:
        scan: a CT.
        truth: its organs.
        out: folder for pictures, None where none are wanted.
        folder: to work in.
    """

    def __init__(self, scan: Volume, truth: LabelMap, out: Path | None, folder: Path) -> None:
        self.scan, self.truth, self.out, self.folder = scan, truth, out, folder
        self.viewer = napari.Viewer(title="napari", show_welcome_screen=False)
        self.viewer.window.resize(*SIZE)
        self.dock: Dock = self.viewer.window.add_plugin_dock_widget("napari-segsam", "SEG-SAM")[1]
        self.person = Person(self.viewer)

    def run(self) -> Path:
        """Everything; the file that was saved."""
        parts = (
            ("open a DICOM folder", "1-open", self.open_folder),
            ("two organs by click", "2-two-organs", self.two_organs),
            ("three suggestions accepted", "3-suggestions", self.three_suggestions),
            ("one carried through ten slices", "4-propagated", self.carry_on),
            ("a mistake", "5-mistake", self.mistake),
            ("undone", "6-undone", self.undo),
            ("saved for 3D Slicer", "7-saved", self.save),
        )
        for what, name, part in parts:
            clicks, keys = self.person.clicks, self.person.keys
            part()
            print(f"{what:32s} {self.person.clicks - clicks:3d} clicks {self.person.keys - keys:3d} keys")
            self._picture(name)
        print(f"{'in all':32s} {self.person.clicks:3d} clicks {self.person.keys:3d} keys")
        return self._file

    def open_folder(self) -> None:
        """Open… > Folder of DICOM files…, and wait for the model."""
        scans = self.folder / "scans"
        scans.mkdir()
        write_series(self.scan, scans)
        self.person.choose_path(scans)
        self.person.choose_in_menu(self.dock.scan_panel.open, 1)
        bench = self.dock.workbench
        self._until(lambda: bench.scan is not None, "the folder is open")
        self._until(lambda: bench.controller is not None and bench.controller.predictor is not None, "a model is ready")
        self._rest()

    def two_organs(self) -> None:
        """Click, C, M: liver and spleen."""
        for organ in CLICKED:
            self.person.click_at(self.dock.workbench.scan, self._inside(organ))
            self._rest()
            self.person.key(Qt.Key.Key_C)
            self.person.key(Qt.Key.Key_M)
            self._rest()

    def three_suggestions(self) -> None:
        """The three that look most like an organ, of what the model names by itself: Enter on each."""
        panel = self.dock.suggestions_panel
        self.person.press(panel.suggest)
        self._rest()
        self._until(lambda: panel.suggestions.count() >= 3, "there are three suggestions")
        for _ in range(3):
            before, shown = len(self._session.labels.labels), self._session.suggestions
            self.person.press_row(panel.suggestions, int(np.argmax([self._likeness(s.mask) for s in shown])))
            self.person.key_in(panel.suggestions, Qt.Key.Key_Return)
            self._until(lambda count=before: len(self._session.labels.labels) > count, "a suggestion was accepted")
            self._rest()

    def _likeness(self, mask: NDArray[np.bool_]) -> float:
        """The best Dice with an organ that is not labelled yet."""
        view = self._session.view
        free = view.of(self._session.labels.voxels) == 0
        organs = view.of(self.truth.voxels)
        return max(dice(mask & free, (organs == value) & free) for value in self.truth.labels)

    def carry_on(self) -> None:
        """Back to the liver, and ten slices on from there."""
        objects, through = self.dock.objects_panel.objects, self.dock.through_panel
        names = [objects.item(row, 0).text() for row in range(objects.rowCount())]
        self.person.press_row(objects, names.index(CLICKED[0]), twice=True)
        self._rest()
        self.person.type_in(through.at_most, "10")
        self.person.press(through.forward)
        self._until(lambda: self.dock.workbench.controller.through.progress is None, "ten slices were drawn")
        self._rest()

    def mistake(self) -> None:
        """Click the air beside the patient, and commit it."""
        self.person.key(Qt.Key.Key_M)
        self.person.click_at(self.dock.workbench.scan, (4, 4, self._session.view.index))
        self._rest()
        self.person.key(Qt.Key.Key_C)
        self._rest(warned=True)

    def undo(self) -> None:
        """Ctrl+Z takes back the commit and the click."""
        self.person.key(Qt.Key.Key_Z, _CTRL)
        self.person.key(Qt.Key.Key_Z, _CTRL)
        self._rest()

    def save(self) -> None:
        """Save labels… as .seg.nrrd."""
        self._file = self.folder / "torso.seg.nrrd"

        def answer(dialog: ExportDialog) -> None:
            slicer = [f.suffixes[0] for f in FORMATS].index(".seg.nrrd")
            dialog.format_box.setFocus()
            self.person.keys += slicer  # arrow keys in the list of formats
            for _ in range(slicer):
                QTest.keyClick(dialog.format_box, Qt.Key.Key_Down)
            dialog.file.selectAll()
            dialog.file.insert(str(self._file))
            self.person.keys += 2  # selected, and pasted
            self.person.press(dialog.buttons.button(QDialogButtonBox.StandardButton.Save))

        self.person.in_dialog(ExportDialog, answer)
        self.person.press(self.dock.objects_panel.files.save)
        self._until(lambda: not self._session.unsaved, "the labels were saved")
        self._rest()

    @property
    def _session(self) -> Any:
        controller = self.dock.workbench.controller
        assert controller is not None
        return controller.session

    def _inside(self, organ: str) -> tuple[int, int, int]:
        """The voxel deepest inside an organ on the visible slice, where a person would click."""
        value = next(v for v, label in self.truth.labels.items() if label.name == organ)
        view = self._session.view
        depth = ndimage.distance_transform_edt(self.truth.voxels[:, :, view.index] == value)
        i, j = np.unravel_index(int(depth.argmax()), depth.shape)
        return int(i), int(j), view.index

    def _rest(self, *, warned: bool = False) -> None:
        """Until nobody computes; an error in the dock ends the session, unless it is a warning that may come."""
        controller = self.dock.workbench.controller
        self._until(lambda: controller is None or not controller.busy, "the model answered")
        QTest.qWait(100)
        if self.dock.error.text and not warned:
            raise SystemExit(f"The dock says: {self.dock.error.text}")

    def _until(self, ready: Any, what: str) -> None:
        self.person.wait(lambda: ready() or self.dock.error.text, what)

    def _picture(self, name: str) -> None:
        QTest.qWait(400)
        if self.out is not None:
            path = self.out / f"first-session-{name}.png"
            self.viewer.screenshot(str(path), canvas_only=False, flash=False)


def main() -> None:
    """Take the path, and read what was saved."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a folder for the pictures; none are taken without it")
    parser.add_argument("--model", help="registry name or file; the default model without it")
    parser.add_argument("--scan", type=Path, help="a CT; the sample without it")
    parser.add_argument("--labels", type=Path, help="its organs, with the JSON of names beside them")
    given = parser.parse_args()
    if given.model:
        os.environ["SEGSAM_MODEL"] = given.model
    scan = torso_phantom() if given.scan is None else read_volume(given.scan)
    truth = torso_phantom_labels() if given.labels is None else read_any(given.labels, scan.grid)
    with tempfile.TemporaryDirectory() as folder:
        session = FirstSession(scan, truth, given.out, Path(folder))
        saved = session.run()
        session.viewer.close()
        QApplication.processEvents()
        labels = read_any(saved, scan.grid)
        for value, label in sorted(labels.labels.items()):
            slices = np.flatnonzero((labels.voxels == value).any((0, 1)))
            print(f"{saved.name}: {value} {label.name}, slices {slices[0]}-{slices[-1]}")


if __name__ == "__main__":
    main()
