"""Wait for a file on another thread while the window stays alive: napari's readers must return an answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QEventLoop, Qt, QTimer
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QMainWindow,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from napari_segsam.gui.executor import ThreadExecutor

T = TypeVar("T")
_UNSEEN_MS = 400
"""What is over by then shows no dialog."""


class CancelledError(Exception):
    """The person would rather not wait, or chose nothing."""


def in_a_window() -> bool:
    """Whether this is the thread of a window: else nobody can be shown anything, nor would anything freeze."""
    on_main = threading.current_thread() is threading.main_thread()  # where Qt's application lives
    return on_main and isinstance(QApplication.instance(), QApplication)


def window_in_front() -> QWidget | None:
    """The window that a dialog lies over, and whose colours it takes: the active one, else any that is shown.

    None is active while a file dialog of the system closes, or where no window manager runs.
    """
    shown = (w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow) and w.isVisible())
    return QApplication.activeWindow() or next(shown, None)


def wait_for(job: Callable[[], T], doing: str, *, can_cancel: bool = True) -> T:
    """Run ``job`` on a thread of its own, and return what it returns or raise what it raises.

    Args:
        job: must not touch Qt.
        doing: said in a dialog where it takes long.
        can_cancel: whether that has a button to cancel.

    Raises:
        CancelledError: the person cancelled; the job goes on unheard until it ends.
    """
    return _Wait(job).until_done(doing, can_cancel) if in_a_window() else job()


class _Wait(Generic[T]):
    """One job, and the event loop that runs meanwhile."""

    def __init__(self, job: Callable[[], T]) -> None:
        self._answer: list[T] = []
        self._error: BaseException | None = None
        self._over: Callable[[], Any] = lambda: None
        self._executor = ThreadExecutor("segsam-files")
        self._executor.submit(job, self._done, self._failed, key="wait")

    def until_done(self, doing: str, can_cancel: bool) -> T:
        self._wait_unseen()
        if not self._is_over:
            self._wait_seen(WaitDialog(doing, can_cancel, window_in_front()))
        self._executor.shutdown()
        if self._error is not None:
            raise self._error
        if not self._answer:
            raise CancelledError
        return self._answer[0]

    @property
    def _is_over(self) -> bool:
        return bool(self._answer) or self._error is not None

    def _wait_unseen(self) -> None:
        """Clicks wait meanwhile, so that nothing else is opened before this is."""
        loop = QEventLoop()
        self._over = loop.quit
        QTimer.singleShot(_UNSEEN_MS, loop.quit)
        loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)

    def _wait_seen(self, dialog: QDialog) -> None:
        self._over = dialog.accept
        dialog.exec()
        dialog.deleteLater()

    def _done(self, answer: T) -> None:
        self._answer.append(answer)
        self._over()

    def _failed(self, error: BaseException) -> None:
        self._error = error
        self._over()


class WaitDialog(QDialog):
    """Says what takes its time; Escape and the button cancel, where that is possible."""

    def __init__(self, doing: str, can_cancel: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._can_cancel = can_cancel
        self.setWindowTitle("SEG-SAM")
        self.setWindowModality(Qt.WindowModality.ApplicationModal)
        busy = QProgressBar()
        busy.setRange(0, 0)
        busy.setTextVisible(False)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        buttons.rejected.connect(self.reject)
        buttons.setVisible(can_cancel)
        layout = QVBoxLayout(self)
        for widget in (QLabel(doing), busy, buttons):
            layout.addWidget(widget)

    def reject(self) -> None:
        """Escape, the button, or the window's x."""
        if self._can_cancel:
            super().reject()
