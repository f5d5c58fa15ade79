"""The group "This object": tools, its class, how sure the model is, commit."""

from __future__ import annotations

from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)
from superqt import QSearchableComboBox

from napari_segsam.core.prediction import ClassScore, Prediction
from napari_segsam.core.prompts import Prompts
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.session import Session
from napari_segsam.gui.keys import BY_ACTION, printed
from napari_segsam.gui.marks import ScoreMark, plain_button, row_of, spoken
from napari_segsam.gui.workbench import Workbench

_HINT = {
    None: "No tool armed: the mouse is napari's.",
    "point": "Click an organ on the canvas; drag to move the picture.",
    "box": "Drag a box around an organ; Shift+drag moves the picture.",
}
_SIGN = {True: "+ Positive: this", False: "− Negative: not this"}
_NO_CLASS = "no class yet"


class ObjectPanel(QWidget):
    """Shows and forwards what happens to the object that is being prompted."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self.point = _tool("point", "Point")
        self.box = _tool("box", "Box")
        self.sign = _tool("sign", "")
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self._ranked: tuple[int, tuple[ClassScore, ...]] = (0, ())  # an object's value, its last answer
        self._names: list[str | None] = []  # of the rows of `class_box`
        self.class_box: QComboBox = QSearchableComboBox()
        self.class_box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.class_box.setToolTip("Ranked by the model; type to find any class")
        self.agreement = ScoreMark("Decoders agree", "Dice of the two decoders' masks: low means look twice")
        self.iou = ScoreMark("Predicted IoU", "How good the model thinks its outline is")
        self.candidate = _button("candidate", "Other outline")
        self.clear = plain_button("Clear prompts", "Take away the prompts on this slice; what is committed stays")
        self.commit = _button("commit", "Commit")
        self.next = _button("next", "Next object")
        self.undo = _button("undo", "Undo")
        self.redo = _button("redo", "Redo")
        self._lay_out()
        self._connect()
        self._show_tool()
        self._show_prediction(None)
        self._show_history(None)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row_of(self.point, self.box))
        layout.addWidget(self.sign)
        layout.addWidget(self.hint)
        layout.addWidget(self.class_box)
        layout.addWidget(self.agreement)
        layout.addWidget(self.iou)
        grid = QGridLayout()
        buttons = (self.candidate, self.clear, self.commit, self.next, self.undo, self.redo)
        for place, button in enumerate(buttons):
            grid.addWidget(button, place // 2, place % 2)
        layout.addLayout(grid)

    def _connect(self) -> None:
        bench = self._workbench
        self.point.clicked.connect(lambda on: bench.arm("point" if on else None))
        self.box.clicked.connect(lambda on: bench.arm("box" if on else None))
        self.sign.clicked.connect(lambda on: bench.set_positive(not on))
        self.class_box.activated.connect(self._class_chosen)
        self.candidate.clicked.connect(bench.show_next_candidate)
        self.clear.clicked.connect(lambda: bench.do(Controller.clear_prompts))
        self.commit.clicked.connect(lambda: bench.do(Controller.commit))
        self.next.clicked.connect(lambda: bench.do(Controller.next_object))
        self.undo.clicked.connect(lambda: bench.do(Controller.undo))
        self.redo.clicked.connect(lambda: bench.do(Controller.redo))
        bench.tool_changed.connect(self._show_tool)
        bench.started.connect(self._follow)

    def _follow(self, controller: Controller) -> None:
        controller.prediction_changed.connect(self._show_prediction)
        controller.prompts_changed.connect(self._show_prompts)
        controller.history_changed.connect(self._history_changed)

    # -- what the session says

    def _show_tool(self) -> None:
        tool, positive = self._workbench.tool, self._workbench.positive
        self.point.setChecked(tool == "point")
        self.box.setChecked(tool == "box")
        self.sign.setChecked(not positive)
        self.sign.setText(f"{_SIGN[positive]}  {printed('sign')}")
        self.hint.setText(_HINT[tool])

    def _show_prompts(self, prompts: Prompts) -> None:
        self.clear.setEnabled(bool(prompts.clicks) or prompts.box is not None)

    def _show_prediction(self, prediction: Prediction | None) -> None:
        self.commit.setEnabled(prediction is not None)
        self.candidate.setEnabled(prediction is not None and len(prediction.candidates) > 1)
        self.agreement.show_score(prediction.decoder_agreement if prediction else None)
        self.iou.show_score(prediction.iou_predicted if prediction else None)
        self._show_classes(prediction)

    def _rank(self, session: Session | None, prediction: Prediction | None) -> tuple[ClassScore, ...]:
        """The answer's classes; once the object is committed, those of its last answer."""
        if session is None:
            return ()
        if prediction is not None:
            self._ranked = (session.value, prediction.classes)
        elif session.value != self._ranked[0] or session.value not in session.labels.labels:
            self._ranked = (0, ())
        return self._ranked[1]

    def _show_classes(self, prediction: Prediction | None) -> None:
        """Ranked classes with their scores, then all others by name."""
        controller = self._workbench.controller
        session = None if controller is None else controller.session
        ranked = self._rank(session, prediction)
        chosen = session.class_name if session else None
        rows: list[tuple[str | None, str]] = [(r.name, f"{spoken(r.name)}   {r.score:.0%}") for r in ranked]
        known = {name for name, _ in rows}
        rows += [
            (name, spoken(name)) for name in sorted(session.vocabulary.names if session else ()) if name not in known
        ]
        if chosen not in [name for name, _ in rows]:
            rows.insert(0, (chosen, _NO_CLASS if chosen is None else spoken(chosen)))
        self._names = [name for name, _ in rows]
        self.class_box.clear()
        self.class_box.addItems([text for _, text in rows])
        self.class_box.setEnabled(len(rows) > 1)
        self.class_box.setCurrentIndex(self._names.index(chosen))

    def _history_changed(self) -> None:
        controller = self._workbench.controller
        self._show_history(controller)
        self._show_classes(controller.session.prediction if controller else None)
        if controller is not None and not controller.session.uncommitted_here and not self._workbench.positive:
            self._workbench.set_positive(True)  # with nothing to correct, a negative point would answer nothing

    def _show_history(self, controller: Controller | None) -> None:
        undo = controller.session.undo_names if controller else ()
        redo = controller.session.redo_names if controller else ()
        self.next.setEnabled(controller is not None and _begun(controller.session))
        for button, names, word in ((self.undo, undo, "Undo"), (self.redo, redo, "Redo")):
            button.setEnabled(bool(names))
            button.setToolTip(f"{word}: {names[0]}" if names else f"Nothing to {word.lower()}")

    def _class_chosen(self, index: int) -> None:
        name = self._names[index]
        self.class_box.clearFocus()  # letters are the canvas's keys again
        if name is not None:
            self._workbench.do(lambda controller: controller.choose_class(name))


def _begun(session: Session) -> bool:
    """Whether anything was done to the current object, so that a next one makes a difference."""
    return bool(session.all_prompts) or session.value in session.labels.labels


def _tool(action: str, text: str) -> QPushButton:
    """A button that stays down while its tool is armed."""
    button = _button(action, text)
    button.setCheckable(True)
    return button


def _button(action: str, text: str) -> QPushButton:
    """A button with its key printed on it."""
    return plain_button(f"{text}  {printed(action)}", f"{BY_ACTION[action].text} ({printed(action)})")
