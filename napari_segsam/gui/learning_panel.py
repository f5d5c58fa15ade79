"""LearningPanel: whether the model learns from what is committed here, and how much of an answer was learnt."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_segsam.engine.controller import Controller
from napari_segsam.gui.marks import plain_button
from napari_segsam.gui.workbench import Workbench
from napari_segsam.train.lessons import Lessons

_WHY = (
    "A small network learns in the background from each object that you commit, and is mixed with the model's next "
    "answers. It stays in memory, and is gone with the window."
)
_RESET = "Forget what was learnt; the model answers alone again"


class LearningPanel(QWidget):
    """A switch, what has come of it, and a button to begin anew."""

    def __init__(self, workbench: Workbench) -> None:
        super().__init__()
        self._lessons: Lessons | None = None
        self._executor = workbench.executor
        self.switch = QCheckBox("Learn from my corrections")
        self.switch.setToolTip(f"<p>{_WHY}</p>")
        self.switch.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.reset = plain_button("Reset", _RESET)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.switch, self.text, self.reset):
            layout.addWidget(widget)
        workbench.started.connect(self._follow)
        self._show()

    def _follow(self, controller: Controller) -> None:
        lessons = Lessons(controller, self._executor)
        self._lessons = lessons
        lessons.changed.connect(self._show)
        self.switch.toggled.connect(lessons.learn)
        self.reset.clicked.connect(lambda: lessons.forget())

    def _show(self) -> None:
        learner = None if self._lessons is None else self._lessons.learner
        self.switch.setEnabled(learner is not None)
        self.reset.setEnabled(learner is not None and learner.corrections > 0)
        self.text.setText("" if self._lessons is None else in_words(self._lessons))


def in_words(lessons: Lessons) -> str:
    """What a person reads below the switch, e.g. "Model 0.72, learnt 0.28, from 9 corrections."."""
    learner = lessons.learner
    if learner is None:
        return "This model cannot learn."
    if lessons.trouble and lessons.learns:
        return lessons.trouble
    n = learner.corrections
    learnt = f"from {n} correction{'s' * (n != 1)}"
    if not lessons.learns:
        return f"Off: the model answers alone.{f' What was learnt {learnt} is kept.' if n else ''}"
    if learner.lacks:
        return f"The model answers alone until {learner.lacks} more of your objects are learnt from."
    return f"Model {learner.alpha:.2f}, learnt {1 - learner.alpha:.2f}, {learnt}."
