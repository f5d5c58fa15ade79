"""ExportDialog: in which format, into which file, and with whose codes labels are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qtpy.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMessageBox,
    QToolButton,
    QWidget,
)

from napari_segsam.gui.label_files import FORMATS, Format

_WIDTH = 480
_ABOUT_CODES = (
    "Not every class of a model has a code; saving says which lack one.\n"
    "A TOML or JSON file can give codes for these, and for other names."
)


class ExportDialog(QDialog):
    """Asks; writes nothing.

    Args:
        proposed: the file to propose, without a suffix.
        parent: the dialog lies over it.
    """

    def __init__(self, proposed: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Save labels")
        self.setMinimumWidth(_WIDTH)
        self.format_box = QComboBox()
        self.format_box.addItems([f"{f.title} ({f.suffixes[0]})" for f in FORMATS])
        self.file = QLineEdit(f"{proposed}{FORMATS[0].suffixes[0]}")
        self.codes = QLineEdit()
        self.codes.setPlaceholderText("none")
        self.about_codes = QLabel(_ABOUT_CODES)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        self._suffix = FORMATS[0].suffixes[0]
        self._lay_out()
        self.format_box.currentIndexChanged.connect(self._format_chosen)
        self.file.textChanged.connect(self._file_changed)
        self.buttons.accepted.connect(self._accept_new_file)
        self.buttons.rejected.connect(self.reject)
        self._format_chosen()

    @property
    def format(self) -> Format:
        """The chosen one."""
        return FORMATS[self.format_box.currentIndex()]

    @property
    def path(self) -> Path:
        """Where to; with the format's usual suffix, where it was given none of the format's."""
        written = Path(self.file.text().strip()).expanduser()
        suffixed = written.name.lower().endswith(self.format.suffixes)
        return written if suffixed else written.with_name(f"{written.name}{self.format.suffixes[0]}")

    @property
    def codes_path(self) -> Path | None:
        """A file of codes for names that have none."""
        text = self.codes.text().strip()
        return Path(text).expanduser() if text and self.format.is_dicom else None

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.addRow("Format", self.format_box)
        form.addRow("File", _with_button(self.file, self._choose_file))
        self._codes_row = _with_button(self.codes, self._choose_codes)
        form.addRow("Codes", self._codes_row)
        form.addRow(self.about_codes)
        form.addRow(self.buttons)
        self._form = form

    def _format_chosen(self) -> None:
        chosen, text = self.format, self.file.text()
        self.file.setText(text.removesuffix(self._suffix) + chosen.suffixes[0])
        self._suffix = chosen.suffixes[0]
        self._form.setRowVisible(self._codes_row, chosen.is_dicom)
        self._form.setRowVisible(self.about_codes, chosen.is_dicom)
        self.adjustSize()

    def _file_changed(self, text: str) -> None:
        button = self.buttons.button(QDialogButtonBox.StandardButton.Save)
        if button is not None:
            button.setEnabled(bool(Path(text.strip()).name))

    def _accept_new_file(self) -> None:
        if self.path.exists():
            yes = QMessageBox.StandardButton.Yes
            if QMessageBox.question(self, "Save labels", f"{self.path.name} is there already. Replace it?") != yes:
                return
        self.accept()

    def _choose_file(self) -> None:
        suffixes = " ".join(f"*{s}" for s in self.format.suffixes)
        path, _ = QFileDialog.getSaveFileName(
            self,
            "Save labels",
            str(self.path),
            f"{self.format.title} ({suffixes})",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if path:
            self.file.setText(path)

    def _choose_codes(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Codes for names", str(self.path.parent), "Codes (*.toml *.json)")
        if path:
            self.codes.setText(path)


def _with_button(line: QLineEdit, choose: Callable[[], None]) -> QWidget:
    row = QWidget()
    button = QToolButton()
    button.setText("…")
    button.clicked.connect(lambda: choose())
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(line, 1)
    layout.addWidget(button)
    return row
