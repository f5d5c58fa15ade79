"""ModelNote: below the model chooser, what the model cannot do, how to get one that is not here, or which one it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_segsam.core.errors import DownloadCancelledError, SegsamError, UndecidedModelError
from napari_segsam.core.model_choice import ModelChoice
from napari_segsam.engine.protocols import Predictor
from napari_segsam.gui.download_bar import DownloadBar
from napari_segsam.gui.executor import ThreadExecutor
from napari_segsam.gui.loading import take_model
from napari_segsam.gui.marks import plain_button
from napari_segsam.gui.model_rows import megabytes, missing, size
from napari_segsam.gui.workbench import Workbench
from napari_segsam.io.hub import Download
from napari_segsam.io.model_entry import SUFFIXES, ModelEntry
from napari_segsam.io.registry import locate

WEIGHTS = f"Weights ({' '.join('*' + suffix for suffix in SUFFIXES)})"

_LINK = "#4a9ade"
"""Readable on napari's dark and light themes, unlike Qt's own blue."""


class ModelNote(QWidget):
    """A few lines, and a button for each thing that can be done about them."""

    def __init__(self, workbench: Workbench, fetched: Callable[[], None], parent: QWidget | None = None) -> None:
        """``fetched`` is called when another model's file is here."""
        super().__init__(parent)
        self._workbench, self._fetched = workbench, fetched
        self._fetching: ThreadExecutor | None = None  # a download shall not keep clicks waiting
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.RichText)
        self.text.setOpenExternalLinks(True)
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.buttons: list[QPushButton] = []
        self._offered = ""  # the model for which a file is offered now
        self.progress = DownloadBar()
        self.setSizePolicy(
            QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum
        )  # no room for buttons that are gone
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.text)
        layout.addWidget(self.progress)
        workbench.ended.connect(self._stop)
        self.say("")

    def say(self, text: str, *buttons: QPushButton) -> None:
        """Rich text and what can be done about it; empty takes both away."""
        self._offered = ""
        for button in self.buttons:
            button.setParent(None)
            button.deleteLater()
        self.buttons = list(buttons)
        self.text.setText(text)
        for button in buttons:
            self.layout().addWidget(button)  # type: ignore[union-attr]  # it has one from its birth
        self.setVisible(bool(text) or self.progress.is_following)

    def describe(self, predictor: Predictor) -> None:
        """What the model in use cannot do, and a switch for each other way to use it."""
        choice = ModelChoice.of(self._workbench.model.name)
        self.say(escape(predictor.about), *(self._switch(choice, word) for word in predictor.options))

    def offer(self, entry: ModelEntry, wanted: str) -> None:
        """How to get a model that is not here.

        Args:
            entry: what is missing.
            wanted: the model to be used then: this one, or one that is a difference to it.
        """
        why = f", which {escape(wanted)} is a difference to," if wanted != entry.name else ""
        known = escape(", ".join(filter(None, (size(entry), entry.licence))))
        said = f"<b>{escape(entry.name)}</b>{why} is not here ({known})."
        if entry.downloadable:
            button = plain_button(f"Download {entry.name}", f"From {entry.source}; compared with its sha256")
            button.clicked.connect(lambda: self._download(entry, wanted))
        else:
            host = escape(urlsplit(entry.page).netloc)
            link = f'<a style="color: {_LINK}" href="{escape(entry.page)}">{host}</a>'
            said = f"{said} Take {escape(entry.file_name)} from {link}."
            button = plain_button("Choose that file …", f"It is copied to where {entry.name} is looked for")
            button.clicked.connect(lambda: self._take(entry, wanted))
        self.say(said, button)
        self._offered = wanted

    def ask(self, undecided: UndecidedModelError, model: str) -> None:
        """What a file does not say of itself."""
        choice = ModelChoice.of(model)
        name = escape(Path(choice.model).name)
        if undecided.base:
            button = plain_button(f"Choose the file of {undecided.base} …", "The one that it was made on")
            button.clicked.connect(lambda: self._choose_base(choice))
            self.say(f"{name} holds only what differs from {escape(undecided.base)}.", button)
            return
        buttons = [plain_button(title, f"As --model FILE@{word}") for word, title in undecided.families.items()]
        for button, word in zip(buttons, undecided.families, strict=True):
            button.clicked.connect(partial(self._use, replace(choice, words=(*choice.words, word))))
        self.say(f"{name} may be any of these, which see the picture differently. Which is it?", *buttons)

    def _switch(self, choice: ModelChoice, word: str) -> QPushButton:
        is_on = word in choice.words
        button = plain_button(word.replace("_", " ").capitalize(), f"As --model NAME@{word}; the model is loaded anew")
        button.setCheckable(True)
        button.setChecked(is_on)
        words = tuple(w for w in choice.words if w != word) if is_on else (*choice.words, word)
        button.clicked.connect(partial(self._use, replace(choice, words=words)))
        return button

    # -- what the person wants

    def _use(self, choice: ModelChoice, _clicked: bool = False) -> None:
        self._workbench.use_model(str(choice), self._workbench.model.device)

    def _choose_base(self, choice: ModelChoice) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "The file that it was made on", "", WEIGHTS)
        if path:
            self._use(replace(choice, base=path))

    def _take(self, entry: ModelEntry, wanted: str) -> None:
        path, _ = QFileDialog.getOpenFileName(self, f"The file of {entry.name}", entry.file_name, WEIGHTS)
        if path:
            self._fetch(entry, wanted, partial(take_model, entry, Path(path)), Download())

    def _download(self, entry: ModelEntry, wanted: str) -> None:
        download = Download()
        self.progress.follow(download, megabytes(entry), lambda: self.offer(entry, wanted))
        self._fetch(entry, wanted, partial(locate, entry.name, download=download), download)

    def _fetch(self, entry: ModelEntry, wanted: str, job: Callable[[], Path], download: Download) -> None:
        if self._fetching is None:
            self._fetching = ThreadExecutor("segsam-fetch")
        self.say(f"Fetching {escape(entry.name)} ({size(entry) or 'of unknown size'}) …")
        self._fetching.submit(
            job,
            lambda _: self._has_come(wanted, download),
            lambda error: self._did_not_come(entry, wanted, error, download),
            key=entry.name,
        )

    def _has_come(self, wanted: str, download: Download) -> None:
        self.progress.over(download)
        self._fetched()
        if download.cancelled and self._offered != wanted:  # with its last piece, and something else is chosen now
            return
        left = missing(wanted)
        if left is not None:
            self.offer(left, wanted)
            return
        self.say("")
        if not download.cancelled:
            self._workbench.use_model(wanted, self._workbench.model.device)

    def _did_not_come(self, entry: ModelEntry, wanted: str, error: BaseException, download: Download) -> None:
        self.progress.over(download)
        if isinstance(error, DownloadCancelledError):
            return
        why = str(error) if isinstance(error, SegsamError) else f"It was not fetched: {type(error).__name__}."
        self._workbench.refused.emit(why)
        self.offer(entry, wanted)

    def _stop(self) -> None:
        self.progress.stop()
        if self._fetching is not None:
            self._fetching.shutdown()
