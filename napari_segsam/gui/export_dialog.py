"""ExportDialog: in which format, into which file, and with whose codes labels are written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from itertools import count
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
_ENDING = re.compile(r"\.[^\W\d_]\w{0,4}$")
"""What says of which kind a file is, unlike the rest of "liver v1.2" and of "J. Doe's"."""
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))
_ABOUT_CODES = (
    "Not every class of a model has a code; saving says which lack one.\n"
    "A TOML or JSON file can give codes for these, and for other names."
)


class ExportDialog(QDialog):
    """Asks; writes nothing.

    Args:
        proposed: the file to propose, without a suffix; it gets a number where it is there already. A file without a
            folder goes to the folder of this one.
        last: the file and the format that the same labels were saved in before, which are proposed instead.
        parent: the dialog lies over it.
    """

    def __init__(self, proposed: Path, last: tuple[Path, Format] | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._proposed, self._written_as = proposed, FORMATS[0] if last is None else last[1]
        self.setWindowTitle("Save labels")
        self.setMinimumWidth(_WIDTH)
        self.format_box = QComboBox()
        self.format_box.addItems([f"{f.title} ({f.suffixes[0]})" for f in FORMATS])
        self.format_box.setCurrentIndex(FORMATS.index(self._written_as))
        self._offered = _free(proposed, self._written_as)
        self.file = QLineEdit(str(self._offered if last is None else last[0]))
        self.trouble = QLabel()
        self.trouble.setWordWrap(True)
        self.codes = QLineEdit()
        self.codes.setPlaceholderText("none")
        self.about_codes = QLabel(_ABOUT_CODES)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Save | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        self._lay_out()
        self.format_box.currentIndexChanged.connect(self._format_chosen)
        self.file.textChanged.connect(lambda _text: self._file_changed())
        self.buttons.accepted.connect(self._accept_new_file)
        self.buttons.rejected.connect(self.reject)
        self._format_chosen()

    @property
    def format(self) -> Format:
        """The chosen one."""
        return FORMATS[self.format_box.currentIndex()]

    @property
    def path(self) -> Path:
        """Where to; with the format's usual suffix, where it was given none."""
        written = self._written
        suffixed = written.name.lower().endswith(self.format.suffixes)
        return written if suffixed else written.with_name(f"{written.name}{self.format.suffixes[0]}")

    @property
    def _written(self) -> Path:
        """What the person wrote, in the proposed folder where it says no other."""
        written = Path(self.file.text().strip())
        with suppress(RuntimeError):  # there is no user of the name behind ~
            written = written.expanduser()
        return self._proposed.parent / written

    @property
    def codes_path(self) -> Path | None:
        """A file of codes for names that have none."""
        text = self.codes.text().strip()
        return Path(text).expanduser() if text and self.format.is_dicom else None

    def _lay_out(self) -> None:
        form = QFormLayout(self)
        form.addRow("Format", self.format_box)
        form.addRow("File", _with_button(self.file, self._choose_file))
        form.addRow(self.trouble)
        form.setRowVisible(self.trouble, False)
        self._codes_row = _with_button(self.codes, self._choose_codes)
        form.addRow("Codes", self._codes_row)
        form.addRow(self.about_codes)
        form.addRow(self.buttons)
        self._form = form

    def _format_chosen(self) -> None:
        before, self._written_as = self._written_as, self.format
        text = self.file.text()
        if text == str(self._offered):
            self._offered = _free(self._proposed, self.format)
            self.file.setText(str(self._offered))
        elif before is not self.format:
            suffix = next((s for s in before.suffixes if text.lower().endswith(s)), "")
            self.file.setText(text[: len(text) - len(suffix)] + self.format.suffixes[0])
        self._form.setRowVisible(self._codes_row, self.format.is_dicom)
        self._form.setRowVisible(self.about_codes, self.format.is_dicom)
        self._file_changed()
        self.adjustSize()

    def _file_changed(self) -> None:
        try:
            why = self._why_not()
        except OSError as error:  # among others that the name is too long
            why = f"No file can be called so ({(error.strerror or 'the system refused').lower()}); change its name."
        if (why or "") != self.trouble.text():
            self.trouble.setText(why or "")
            self._form.setRowVisible(self.trouble, bool(why))
            self.adjustSize()
        button = self.buttons.button(QDialogButtonBox.StandardButton.Save)
        if button is not None:
            button.setEnabled(why is None)

    def _why_not(self) -> str | None:
        """What is wrong with the file's name, empty where there is none yet; None where it can be written."""
        text, written = self.file.text().strip(), self._written
        if not text:
            return ""
        if written.is_dir() or text.endswith(_SEPARATORS):
            return f"{written.name} is a folder; write the name of a file in it."
        if not written.parent.is_dir():
            return f"There is no folder {written.parent}; make it first, or choose another one."
        if _ENDING.search(written.name) and self.path != written:
            known = " or ".join(self.format.suffixes)
            return f"{written.name}: a file of the format {self.format.title} ends in {known}; change its ending."
        return None

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


def _free(proposed: Path, written: Format) -> Path:
    """The first of ``NAME.nii.gz``, ``NAME 2.nii.gz``, ... that is not there."""
    names = (f"{proposed.name}{'' if n == 1 else f' {n}'}{written.suffixes[0]}" for n in count(1))
    return next(path for path in map(proposed.with_name, names) if not path.exists())
