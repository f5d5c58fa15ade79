"""ClassDialog: the name of a new class, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QDialog, QDialogButtonBox, QFormLayout, QGridLayout, QLabel, QLineEdit, QWidget

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.terminology import ASPECTS, KINDS, ClassCard, spoken
from napari_segsam.engine.laterality import side_of
from napari_segsam.engine.names import class_name

_ABOUT = (
    "Say what it looks like, and a model whose list of classes is open can suggest it from now on. "
    "Leave the five lines empty, and only the object is called so."
)
_NAME_ONLY, _ADD = "Name the object only", "Add class"
_PARTLY = "Fill in all five lines, or none."
_THERE = "{typed} is the class '{known}', which there is already: cancel, and choose it in the search."
_NOWHERE = "Tick the kinds of picture in which it is seen."
_EXAMPLES = {
    "location": ("Location", "In the renal pelvis or a calyx, in the middle of either kidney"),
    "shape": ("Shape", "Round or staghorn-shaped, 2 mm to several centimetres"),
    "appearance": ("Appearance", "Very bright on CT, often above 400 HU, within the grey kidney"),
    "texture": ("Texture", "Dense and even, with a sharp edge"),
    "lookalike": ("Look-alike", "A vessel calcification lies outside the collecting system"),
}
_NEVER_IN_COLOUR = ("ct", "mr", "pet")
_SPOKEN = {"ct": "CT", "mr": "MR", "pet": "PET", "us": "ultrasound", "xray": "X-ray", "octa": "OCT-A"}
_COLUMNS = 4


class ClassDialog(QDialog):
    """Nothing is done before it is accepted; then :attr:`name` and :attr:`card` say what was filled in.

    Args:
        name: what it shall be called.
        modality: of the scan, one of ``volume.MODALITIES``; chooses the kinds of picture that are ticked.
        described: the class that is called so and needs no description, or None; such a name is not accepted.
        parent: whose window waits for it.
    """

    def __init__(
        self, name: str, modality: str, described: Callable[[str], str | None], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._described = described
        self.setWindowTitle("Add a class")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumWidth(460)
        self.name_line = QLineEdit(spoken(name))
        self.lines = {aspect: QLineEdit() for aspect in ASPECTS}
        self.kinds = {kind: QCheckBox(_SPOKEN.get(kind, kind)) for kind in KINDS}
        for kind, box in self.kinds.items():
            box.setChecked(_is_seen(kind, modality))
        self.wrong = QLabel()
        self.wrong.setWordWrap(True)
        self.buttons = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel, parent=self
        )
        self._lay_out()
        for line in (self.name_line, *self.lines.values()):
            line.textChanged.connect(self._check)
        for box in self.kinds.values():
            box.toggled.connect(self._check)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        self._check()

    @property
    def name(self) -> str:
        """The class's name.

        Raises:
            BadLabelsError: it is none.
        """
        return class_name(self.name_line.text())

    @property
    def card(self) -> ClassCard | None:
        """Its card, None where nothing was said of it."""
        sentences = tuple(" ".join(line.text().split()) for line in self.lines.values())
        if not all(sentences):
            return None
        seen = tuple(kind for kind, box in self.kinds.items() if box.isChecked())
        return ClassCard(self.name, seen, (), side_of(self.name) or "", (), sentences)

    def _lay_out(self) -> None:
        about = QLabel(_ABOUT)
        about.setWordWrap(True)
        form = QFormLayout(self)
        form.addRow("Name", self.name_line)
        form.addRow(about)
        for aspect, (title, example) in _EXAMPLES.items():
            self.lines[aspect].setPlaceholderText(example)
            self.lines[aspect].setToolTip(f"For example: {example}.")
            form.addRow(title, self.lines[aspect])
        kinds = QWidget()
        grid = QGridLayout(kinds)
        grid.setContentsMargins(0, 0, 0, 0)
        for place, box in enumerate(self.kinds.values()):
            grid.addWidget(box, place // _COLUMNS, place % _COLUMNS)
        form.addRow("Seen in", kinds)
        form.addRow(self.wrong)
        form.addRow(self.buttons)

    def _check(self) -> None:
        """Say what is missing, and what the button will do."""
        filled = [bool(line.text().strip()) for line in self.lines.values()]
        wrong = self._name_fault() or self._card_fault(filled)
        self.wrong.setText(wrong)
        button = self.buttons.button(QDialogButtonBox.StandardButton.Ok)
        if button is not None:
            button.setEnabled(not wrong)
            button.setText(_ADD if any(filled) else _NAME_ONLY)

    def _name_fault(self) -> str:
        try:
            typed = self.name
        except SegsamError as error:
            return str(error)
        known = self._described(typed)
        return "" if known is None else _THERE.format(typed=spoken(typed).capitalize(), known=spoken(known))

    def _card_fault(self, filled: list[bool]) -> str:
        if any(filled) and not all(filled):
            return _PARTLY
        return _NOWHERE if all(filled) and not any(box.isChecked() for box in self.kinds.values()) else ""


def _is_seen(kind: str, modality: str) -> bool:
    """Whether a scan of this modality says that the class is seen in pictures of this kind."""
    if modality == "rgb":
        return kind not in (*_NEVER_IN_COLOUR, "us", "xray")
    return modality in (kind, "unknown")
