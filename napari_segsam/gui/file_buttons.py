"""Buttons that open scans, open labels and save labels, with the dialogs behind them."""

from __future__ import annotations

import re
from pathlib import Path
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMenu, QPushButton, QVBoxLayout, QWidget

from napari_segsam.core.labels import Patch
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.session import Session
from napari_segsam.gui.export_dialog import ExportDialog
from napari_segsam.gui.label_files import Format
from napari_segsam.gui.workbench import Workbench

SAVE, UNSAVED = "Save labels…", "unsaved"
_ANY = "All files (*)"
_SCANS = "Scans (*.nii *.nii.gz *.nrrd *.nhdr *.mha *.mhd *.dcm *.dicom *.png *.jpg *.jpeg *.tif *.tiff)"
_LABELS = "Labels (*.nii *.nii.gz *.nrrd *.mha *.mhd *.dcm)"


class OpenButton(QPushButton):
    """Opens a file or a folder, through the picker where it holds several series."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__("Open…", parent)
        self._workbench = workbench
        self.setToolTip("Open a scan, or a folder of DICOM files; so does dropping it on the window")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        menu = QMenu(self)
        menu.addAction("File…", self._choose_file)
        menu.addAction("Folder of DICOM files…", self._choose_folder)
        self.setMenu(menu)

    def _choose_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a scan", str(folder_of(self._workbench)), f"{_SCANS};;{_ANY}")
        if path:
            self._workbench.open_path(Path(path))

    def _choose_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Open a folder of DICOM files", str(folder_of(self._workbench)))
        if path:
            self._workbench.open_path(Path(path))


class LabelFileButtons(QWidget):
    """Labels in from a file, and out to one; the second button says what is unsaved."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._last: WeakKeyDictionary[Session, tuple[Path, Format]] = WeakKeyDictionary()  # where labels were saved to
        self.open = _button("Open labels…", "Make what a file holds committed objects of this scan")
        self.save = _button(SAVE, "Write the objects on the scan's own voxel grid, as NIfTI, for 3D Slicer or as DICOM")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.open)
        layout.addWidget(self.save)
        self.open.clicked.connect(self._choose_labels)
        self.save.clicked.connect(self.choose_where)
        workbench.started.connect(self._follow)
        workbench.scan_changed.connect(self._show)
        workbench.told.connect(self._show)  # among others: that the labels were saved
        self._show()

    def _follow(self, controller: Controller) -> None:
        controller.labels_changed.connect(self._labels_changed)

    def _labels_changed(self, _patch: Patch) -> None:
        self._show()

    def _show(self, _text: str = "") -> None:
        controller = self._workbench.controller
        session = None if controller is None else controller.session
        self.save.setEnabled(session is not None and bool(session.labels.labels))
        self.save.setText(f"{SAVE} ({UNSAVED})" if session is not None and session.unsaved else SAVE)

    def _choose_labels(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Open labels of this scan", str(folder_of(self._workbench)), f"{_LABELS};;{_ANY}"
        )
        if path:
            self._workbench.open_labels(Path(path))

    def choose_where(self) -> None:
        """Ask for a format and a file, and save the open scan's labels there."""
        controller = self._workbench.controller
        if controller is None:
            return
        session = controller.session
        proposed = folder_of(self._workbench) / f"{_as_file_name(session.volume.name)}_labels"
        dialog = ExportDialog(proposed, self._last.get(session), self.window())
        if dialog.exec():
            self._last[session] = dialog.path, dialog.format
            self._workbench.export_labels(dialog.path, dialog.format, dialog.codes_path)
        dialog.deleteLater()


def folder_of(workbench: Workbench) -> Path:
    """Where the open scan's file lies, else the home folder."""
    origin = workbench.origin
    folder = Path.home() if origin is None else origin.path.parent
    return folder if folder.is_dir() else Path.home()


def _as_file_name(name: str) -> str:
    """A name out of a file, which may be anything, as one that every system takes and that leads to no other folder."""
    return re.sub(r"[^\w -]+", "_", name).strip(" _") or "scan"


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
