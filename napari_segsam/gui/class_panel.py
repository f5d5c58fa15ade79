"""ClassPanel: the class of the current object. The model's ranking, a search over all classes, and new ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape

from qtpy.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.prediction import ClassScore, Prediction
from napari_segsam.core.terminology import spoken
from napari_segsam.engine.class_index import ClassIndex
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.names import class_name
from napari_segsam.engine.session import Session
from napari_segsam.gui.class_book import ClassBook
from napari_segsam.gui.class_card import card_text, square
from napari_segsam.gui.class_dialog import ClassDialog
from napari_segsam.gui.class_rows import ClassRow, ClassRows
from napari_segsam.gui.class_search import ClassSearch, to_canvas
from napari_segsam.gui.workbench import Workbench

_NO_CLASS, _SAY_IT = "no class yet", "this model names none: find or add it here"
_MOST, _FOUND = 9, 8
_LEAST_SCORE, _AT_LEAST = 0.01, 3
"""What scores less is left out, but for so many."""


class ClassPanel(QWidget):
    """Shows what the current object is, and forwards what a person says that it is."""

    def __init__(self, workbench: Workbench, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._ranked: tuple[int, tuple[ClassScore, ...]] = (0, ())  # an object's value, its last answer
        self._takes: list[Callable[[], None]] = []  # what each row does
        self._marked = 0
        self.book = ClassBook(workbench, self)
        self.current = QLabel()
        self.current.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.search = ClassSearch()
        self.search.setPlaceholderText("Find or add a class …")
        self.search.setToolTip("By name, other spelling or SNOMED meaning. Enter takes the marked line, Escape leaves")
        self.rows = ClassRows()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.current, self.search, self.rows):
            layout.addWidget(widget)
        self._connect()
        self._show()

    def _connect(self) -> None:
        self.search.textChanged.connect(self._sought)
        self.search.moved.connect(self._move)
        self.search.taken.connect(lambda: self.take(self._marked))
        self.search.left.connect(lambda: to_canvas(self.search))
        self.rows.taken.connect(self.take)
        self.book.changed.connect(self._show)
        self._workbench.class_pressed.connect(lambda rank: self.take(rank - 1))
        self._workbench.started.connect(self._follow)

    def _follow(self, controller: Controller) -> None:
        controller.opened.connect(self._forget)
        controller.prediction_changed.connect(self._answered)
        controller.history_changed.connect(self._show)

    def take(self, row: int) -> None:
        """Do what the row says, where there is one; the first one is 0."""
        if row < len(self._takes):
            take = self._takes[row]
            self.search.clear()
            to_canvas(self.search)
            take()

    # -- what there is to choose from

    @property
    def _session(self) -> Session | None:
        controller = self._workbench.controller
        return None if controller is None else controller.session

    def _answered(self, prediction: Prediction | None) -> None:
        session = self._session
        if session is not None and prediction is not None:
            self._ranked = (session.value, prediction.classes)
        self._show()

    def _forget(self, _volume: object = None) -> None:
        """Values mean other objects in another scan, and once theirs was deleted."""
        self._ranked = (0, ())

    def _sought(self) -> None:
        self._marked = 0
        self._show()

    def _move(self, by: int) -> None:
        if self.search.text() and self._takes:
            self._marked = (self._marked + by) % len(self._takes)
            self.rows.show_rows(self.rows.shown, self._marked)

    def _show(self) -> None:
        session, text = self._session, self.search.text().strip()
        self.search.setEnabled(session is not None)
        if session is None:
            self._offer([])
            self.current.setText(_NO_CLASS)
            return
        if self._ranked[0] not in session.objects:
            self._forget()
        ranked = self._rank(session)
        self.current.setText(_said(session, {r.name: r.score for r in ranked}) or self._unsaid(session))
        if text:
            self._offer(self._found(session, text), self._marked)
        else:
            self._offer([(self._row(n, r.name, f"{r.score:.0%}"), self._choosing(r.name)) for n, r in _short(ranked)])

    def _unsaid(self, session: Session) -> str:
        """What stands where the class will; a model that is not loaded yet may name some."""
        controller = self._workbench.controller
        names_none = controller is not None and controller.predictor is not None and not session.vocabulary
        return _SAY_IT if names_none else _NO_CLASS

    def _rank(self, session: Session) -> tuple[ClassScore, ...]:
        """The last answer's classes, committed or not, until another object is worked on or the answer is undone."""
        value, ranked = self._ranked
        known = session.prediction is not None or session.value in session.labels.labels
        return ranked if value == session.value and known else ()

    def _offer(self, rows: list[tuple[ClassRow, Callable[[], None]]], marked: int | None = None) -> None:
        self._takes = [take for _, take in rows]
        self.rows.show_rows([row for row, _ in rows], marked if rows else None)

    def _row(self, rank: int, name: str, note: str) -> ClassRow:
        about = f"<b>{escape(spoken(name))}</b><br>{card_text(self.book.card(name))}"
        return ClassRow.of(rank, name, note, about)

    def _choosing(self, name: str) -> Callable[[], None]:
        return lambda: self._workbench.do(lambda controller: controller.choose_class(name))

    # -- searching and adding

    def _found(self, session: Session, text: str) -> list[tuple[ClassRow, Callable[[], None]]]:
        index = self.book.index(session)
        hits = index.find(text, session.volume.modality, [r.name for r in self._rank(session)])[:_FOUND]
        rows = [(self._row(n, h.name, spoken(h.by)), self._choosing(h.name)) for n, h in enumerate(hits, 1)]
        return rows + self._new(session, index, text)

    def _new(self, session: Session, index: ClassIndex, text: str) -> list[tuple[ClassRow, Callable[[], None]]]:
        """The offer of a class of this name, where there is none yet or where nobody described it."""
        known = index.named(text)
        if known is not None and self.book.is_described(session, known):
            return []
        try:
            name = known or class_name(text)
        except SegsamError as error:
            return [(ClassRow("", "Cannot be a name", about=escape(str(error))), self._refusing(str(error)))]
        title = f"Describe '{spoken(name)}' …" if known else f"Add class '{spoken(name)}' …"
        return [(ClassRow("", title, name=name), partial(self._ask, name))]

    def _refusing(self, why: str) -> Callable[[], None]:
        return lambda: self._workbench.refused.emit(why)

    def _ask(self, name: str) -> None:
        """What a new class looks like, if the person wants to say it."""
        session = self._session
        if session is None:
            return
        dialog = ClassDialog(name, session.volume.modality, partial(self.book.described, session), self)
        dialog.accepted.connect(lambda: self.book.add(dialog.name, dialog.card))
        dialog.finished.connect(lambda _: to_canvas(self.search))
        dialog.open()


def _short(ranked: tuple[ClassScore, ...]) -> list[tuple[int, ClassScore]]:
    """The ranks, from 1, and the classes that are worth a line."""
    numbered = list(enumerate(ranked[:_MOST], 1))
    return [(n, r) for n, r in numbered if n <= _AT_LEAST or r.score >= _LEAST_SCORE]


def _said(session: Session, scores: dict[str, float]) -> str:
    """The object's class in rich text, and who says so; empty where it has none."""
    name = session.class_name
    if name is None or session.value not in session.objects:  # all that was done to it may be undone
        return ""
    by = "chosen" if session.chosen_class else f"{scores[name]:.0%}" if name in scores else ""
    return f"{square(name)} <b>{escape(spoken(name))}</b> {by}"
