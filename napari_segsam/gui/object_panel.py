"""The group "This object": tools, how sure the model is, commit, its class."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_segsam.core.prediction import Prediction
from napari_segsam.core.prompts import Prompts
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.objects import Place
from napari_segsam.engine.session import Session
from napari_segsam.gui.class_panel import ClassPanel
from napari_segsam.gui.key_button import key_button, tool_button
from napari_segsam.gui.keys import printed
from napari_segsam.gui.marks import ScoreMark, plain_button, row_of
from napari_segsam.gui.mouse import Tool
from napari_segsam.gui.workbench import Workbench

_HINT = {
    None: "No tool armed: the mouse is napari's. Choose a tool above, or press its key.",
    "point": "Click an organ; drag a point to move it, else the picture.",
    "box": "Drag a box around an organ, or an edge of it. Shift+drag moves the picture.",
    "lasso": "Draw a line round an organ. Shift+drag moves the picture.",
    "scribble": "Draw a line over an organ. Shift+drag moves the picture.",
}
_MORE = (
    "A right click on a point or a box's edge removes it. With Ctrl held, prompts wait until you let go. "
    f"{printed('cancel')} drops what is being drawn."
)
_RIGHT = "A right click beside all prompts is a negative point; a right drag zooms as ever"
_SIGN = {True: "+ Positive: this", False: "− Negative: not this"}


class ObjectPanel(QWidget):
    """Shows and forwards what happens to the object that is being prompted."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self.point = tool_button("point", "Point")
        self.box = tool_button("box", "Box")
        self.lasso = tool_button("lasso", "Lasso")
        self.scribble = tool_button("scribble", "Scribble")
        self._tools: dict[Tool, QPushButton] = {
            "point": self.point,
            "box": self.box,
            "lasso": self.lasso,
            "scribble": self.scribble,
        }
        self.sign = tool_button("sign", "")
        self.hint = QLabel()
        self.hint.setWordWrap(True)
        self.hint.setToolTip(_MORE)
        self.right_negative = QCheckBox("Right click: negative point")
        self.right_negative.setToolTip(_RIGHT)
        self.right_negative.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.classes = ClassPanel(workbench)
        self.agreement = ScoreMark("Agreement", "Dice of the two decoders' masks: low means look twice")
        self.iou = ScoreMark("Pred. IoU", "Predicted IoU: how good the model thinks its outline is")
        self.candidate = key_button("candidate", "Other outline", back="candidate back")
        self.use_mask = key_button("mask", "Mask as prompt")
        self.remove = key_button("remove", "Remove last")
        self.clear = plain_button("Clear prompts", "Take away the prompts on this slice; what is committed stays")
        self.commit = key_button("commit", "Commit")
        self.next = key_button("next", "Next object")
        self.undo = key_button("undo", "Undo")
        self.redo = key_button("redo", "Redo")
        self._prompted: tuple[str, int, Place | None] = "", 0, None  # volume, object, where it waits to be committed
        self._lay_out()
        self._connect()
        self._show_tool()
        self._show_prediction(None)
        self._show_history(None)

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(_two_columns(*self._tools.values()))
        layout.addWidget(self.sign)
        layout.addWidget(self.hint)
        layout.addWidget(self.right_negative)
        layout.addLayout(row_of(self.agreement, self.iou))
        rows = (
            (self.candidate, self.use_mask),
            (self.remove, self.clear),
            (self.commit, self.next),
            (self.undo, self.redo),
        )
        layout.addLayout(_two_columns(*(button for row in rows for button in row)))
        layout.addWidget(self.classes)  # last, since its height changes with what it lists

    def _connect(self) -> None:
        bench = self._workbench
        for tool, button in self._tools.items():
            button.clicked.connect(partial(self._tool_clicked, tool))
        self.right_negative.toggled.connect(bench.set_right_is_negative)
        self.sign.clicked.connect(lambda on: bench.set_positive(not on))
        self.candidate.clicked.connect(lambda: bench.choice.step(1))
        self.use_mask.clicked.connect(lambda: bench.do(Controller.use_mask))
        self.remove.clicked.connect(lambda: bench.do(Controller.remove_last_prompt))
        self.clear.clicked.connect(lambda: bench.do(Controller.clear_prompts))
        self.commit.clicked.connect(lambda: bench.do(Controller.commit))
        self.next.clicked.connect(lambda: bench.do(Controller.next_object))
        self.undo.clicked.connect(lambda: bench.do(Controller.undo))
        self.redo.clicked.connect(lambda: bench.do(Controller.redo))
        bench.tool_changed.connect(self._show_tool)
        bench.started.connect(self._follow)

    def _follow(self, controller: Controller) -> None:
        controller.prediction_changed.connect(self._show_prediction)
        controller.suggestions_changed.connect(self._show_choices)
        controller.prompts_changed.connect(self._show_prompts)
        controller.history_changed.connect(self._history_changed)

    # -- what the session says

    def _show_tool(self) -> None:
        tool, positive = self._workbench.tool, self._workbench.positive
        for name, button in self._tools.items():
            button.setChecked(tool == name)
        self.sign.setChecked(not positive)
        self.sign.setText(f"{_SIGN[positive]}  {printed('sign')}")
        self.hint.setText(_HINT[tool])

    def _tool_clicked(self, tool: Tool, on: bool) -> None:
        self._workbench.arm(tool if on else None)

    def _show_prompts(self, prompts: Prompts) -> None:
        for button in (self.clear, self.remove):
            button.setEnabled(bool(prompts.clicks) or prompts.box is not None)

    def _show_prediction(self, prediction: Prediction | None) -> None:
        self.commit.setEnabled(prediction is not None)
        self._show_choices()
        self.agreement.show_score(prediction.decoder_agreement if prediction else None)
        self.iou.show_score(prediction.iou_predicted if prediction else None)

    def _show_choices(self, _suggestions: object = None) -> None:
        """Whether there is anything that Tab could go on to."""
        controller = self._workbench.controller
        session = None if controller is None else controller.session
        outlines = session.prediction.candidates if session and session.prediction else ()
        self.candidate.setEnabled(session is not None and (len(outlines) > 1 or bool(session.suggestions)))

    def _history_changed(self) -> None:
        controller = self._workbench.controller
        self._show_history(controller)
        if controller is None:
            return
        session, before = controller.session, self._prompted
        open_ = session.uncommitted_here
        self._prompted = session.volume.id, session.value, session.place if open_ else None
        is_done_here = before == (session.volume.id, session.value, session.place) and not open_
        is_another = before[:2] != self._prompted[:2]
        says_only_what_it_is_not = bool(session.prompts.clicks) and not session.prompts
        if (is_done_here or is_another or says_only_what_it_is_not) and not self._workbench.positive:
            self._workbench.set_positive(True)  # with nothing to correct, a negative point would answer nothing

    def _show_history(self, controller: Controller | None) -> None:
        undo = controller.session.next_undo if controller else None
        redo = controller.session.next_redo if controller else None
        self.next.setEnabled(controller is not None and _begun(controller.session))
        self.use_mask.setEnabled(
            controller is not None and controller.session.value in controller.session.labels.labels
        )
        for button, deed, word in ((self.undo, undo, "Undo"), (self.redo, redo, "Redo")):
            button.setEnabled(deed is not None)
            button.setToolTip(f"{word}: {deed}" if deed is not None else f"Nothing to {word.lower()}")


def _begun(session: Session) -> bool:
    """Whether anything was done to the current object, so that a next one makes a difference."""
    return bool(session.all_prompts) or session.value in session.labels.labels


def _two_columns(*buttons: QPushButton) -> QGridLayout:
    grid = QGridLayout()
    grid.setSpacing(4)
    for place, button in enumerate(buttons):
        grid.addWidget(button, place // 2, place % 2)
    for column in (0, 1):
        grid.setColumnStretch(column, 1)
    return grid
