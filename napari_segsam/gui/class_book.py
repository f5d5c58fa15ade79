"""ClassBook: every class that an object may have, what its card says, and new ones."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from qtpy.QtCore import QObject, Signal  # type: ignore[attr-defined]  # qtpy's own gap

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.terminology import ClassCard, Vocabulary, spoken
from napari_segsam.engine.class_index import ClassIndex
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.names import unnamed
from napari_segsam.engine.protocols import Predictor
from napari_segsam.engine.session import Session
from napari_segsam.engine.through.run import Progress
from napari_segsam.gui.loading import learn_class
from napari_segsam.gui.workbench import Workbench
from napari_segsam.io.class_cards import own_cards, package_cards

_UNDESCRIBED = (
    "The object is called {name}. The model will not suggest it; to change that, find it again and describe it."
)
_LEARNING = "The model reads the description of {name} …"
_LATER = "{name} is described; the model is loaded with it as soon as the run through the slices has ended."
_LEARNT = "The model has {name} as one more class. How well it finds it is not known: try it."
_NOT_LEARNT = "{why} The object is called {name} all the same, but this model will not suggest it."


class ClassBook(QObject):
    """Cards are read once, off the GUI thread, when the first scan is opened.

    Signals:
        changed(): there are other cards.
    """

    changed = Signal()

    def __init__(self, workbench: Workbench, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._workbench = workbench
        self._cards: Mapping[str, ClassCard] = {}
        self._named: dict[str, None] = {}  # names that were made up in this window, in order
        self._index: tuple[object, ClassIndex] | None = None
        self._learnt: set[str] = set()  # the next model that is loaded has these
        self._has_learnt: list[str] = []  # that model is loaded, and nobody was told yet
        self._trouble = ""  # with the person's own cards; the model that comes then would take the sentence away
        self._waits = False  # to load that model until a run through the slices has ended
        workbench.started.connect(self._follow)

    def card(self, name: str) -> ClassCard | None:
        """What a class looks like, None where nobody described it, or while the cards are being read."""
        return self._cards.get(name)

    def index(self, session: Session) -> ClassIndex:
        """The classes of the model and of the cards, and names that objects have."""
        others = (*self._named, *(n for v in session.objects if (n := session.name_of(v)) != unnamed(v)))
        made_of = (session.vocabulary, self._cards, others)
        if self._index is None or self._index[0] != made_of:
            self._index = made_of, _index_of(*made_of)
        return self._index[1]

    def is_described(self, session: Session, name: str) -> bool:
        """Whether a model can know it: it does already, or there is a card."""
        return name in self._cards or session.vocabulary.canonical(name) is not None

    def described(self, session: Session, name: str) -> str | None:
        """The class that is called so and that a model can know; None where there is none, or nobody described it."""
        known = self.index(session).named(name)
        return known if known is not None and self.is_described(session, known) else None

    def add(self, name: str, card: ClassCard | None) -> None:
        """Call the current object so, and have the model learn the class where there is a card."""
        self._named[name] = None
        self._workbench.do(lambda controller: controller.choose_class(name))
        if card is None:
            self._workbench.told.emit(_UNDESCRIBED.format(name=spoken(name)))
            return
        self._workbench.told.emit(_LEARNING.format(name=spoken(name)))
        self._workbench.executor.submit(
            partial(learn_class, self._workbench.model.name, card),
            lambda _: self._load_with(card),
            lambda error: self._not_learnt(card, error),
            key=("class", name),
        )

    def _load_with(self, card: ClassCard) -> None:
        self._take({**self._cards, card.name: card})
        self._learnt.add(card.name)
        controller = self._workbench.controller
        if controller is not None and controller.through.progress is not None:
            self._waits = True
            self._workbench.told.emit(_LATER.format(name=spoken(card.name)))
        else:
            self._load()

    def _load(self) -> None:
        self._waits = False
        self._workbench.use_model(self._workbench.model.name, self._workbench.model.device)

    def _run_changed(self, progress: Progress) -> None:
        """Load what had to wait, since another model would have ended the run."""
        if progress.is_over and self._waits:
            self._load()

    def _not_learnt(self, card: ClassCard, error: BaseException) -> None:
        """Say so, and look whether the card was kept, as it is for when the encoder or another model is there."""
        self._workbench.told.emit("")
        self._workbench.refused.emit(_NOT_LEARNT.format(why=_sentence(error), name=spoken(card.name)))
        self._workbench.executor.submit(_all_cards, lambda read: self._take(read[0]), self._not_read, key="class cards")

    def _model_ready(self, predictor: Predictor) -> None:
        self._waits = False  # it was loaded for another reason
        self._has_learnt = sorted(self._learnt.intersection(predictor.vocabulary.names))
        self._learnt.clear()

    def _tell_trouble(self, busy: bool) -> None:
        controller = self._workbench.controller
        if self._trouble and not busy and controller is not None and controller.predictor is not None:
            said, self._trouble = self._trouble, ""
            self._workbench.refused.emit(said)

    def _tell_learnt(self, busy: bool) -> None:
        """Once it has answered what was asked before, since every answer takes the dock's last notice away."""
        if self._has_learnt and not busy:
            names = ", ".join(spoken(name) for name in self._has_learnt)
            self._has_learnt = []
            self._workbench.told.emit(_LEARNT.format(name=names))

    def _follow(self, controller: Controller) -> None:
        """Have the cards read before the model is loaded, which takes seconds: the executor gets this first."""
        controller.predictor_changed.connect(self._model_ready)
        controller.busy_changed.connect(self._tell_learnt)
        controller.busy_changed.connect(self._tell_trouble)
        controller.through.progress_changed.connect(self._run_changed)
        self._workbench.executor.submit(_all_cards, self._got, self._not_read, key="class cards")

    def _got(self, read: tuple[dict[str, ClassCard], str]) -> None:
        cards, self._trouble = read
        self._take(cards)
        if self._trouble:
            self._workbench.refused.emit(self._trouble)
        self._tell_trouble(False)

    def _not_read(self, error: BaseException) -> None:
        self._workbench.refused.emit(f"{_sentence(error)} Classes have no cards until the window is opened again.")

    def _take(self, cards: Mapping[str, ClassCard]) -> None:
        self._cards = cards
        self.changed.emit()


def _all_cards() -> tuple[dict[str, ClassCard], str]:
    """The package's and the person's own, and what is wrong with the file of these."""
    try:
        return {**package_cards(), **own_cards()}, ""
    except SegsamError as error:
        return package_cards(), str(error)


def _index_of(model: Vocabulary, cards: Mapping[str, ClassCard], others: tuple[str, ...]) -> ClassIndex:
    described = Vocabulary.of(cards.values())
    names = tuple(dict.fromkeys((*model.names, *described.names, *others)))
    aliases = {a: n for a, n in {**described.aliases, **model.aliases}.items() if a not in names}
    vocabulary = Vocabulary(names, aliases, {**described.modalities, **model.modalities})
    return ClassIndex(vocabulary, {name: card.snomed[1] for name, card in cards.items() if card.snomed})


def _sentence(error: BaseException) -> str:
    return str(error) if isinstance(error, SegsamError) else f"The description was not read: {type(error).__name__}."
