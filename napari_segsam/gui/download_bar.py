"""DownloadBar: how much of a file has come, and a button to stop that."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QSizePolicy, QWidget

from napari_segsam.gui.marks import plain_button
from napari_segsam.io.hub import Download

_EVERY_MS = 200
_KB = 1000
"""Bytes: Qt's bars count to two thousand millions only, and some models are larger."""


class DownloadBar(QWidget):
    """Hidden while nothing is fetched. It asks the download how far it is, which knows nothing of windows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._download: Download | None = None
        self._megabytes: float | None = None
        self._cancelled: Callable[[], None] = lambda: None
        self.bar = QProgressBar()
        self.bar.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.cancel = plain_button("Cancel", "Stop; what has come is kept, and the next download goes on from there")
        self.cancel.clicked.connect(lambda: self._cancel())
        self._asking = QTimer(self)
        self._asking.setInterval(_EVERY_MS)
        self._asking.timeout.connect(self._ask)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.bar, 1)
        line.addWidget(self.cancel)
        self.hide()

    @property
    def is_following(self) -> bool:
        """Whether anything is fetched."""
        return self._download is not None

    def follow(self, download: Download, megabytes: float | None, cancelled: Callable[[], None]) -> None:
        """Show this one until it is over.

        Args:
            download: how far it is.
            megabytes: the whole, None where nobody says it.
            cancelled: called where the person wants it no longer.
        """
        self._download, self._megabytes, self._cancelled = download, megabytes, cancelled
        self._asking.start()
        self._ask()
        self.show()

    def over(self, download: Download) -> None:
        """This one has come, or never will."""
        if download is self._download:
            self._download = None
            self._asking.stop()
            self.hide()

    def stop(self) -> None:
        """Where one goes on, its next piece is its last."""
        if self._download is not None:
            self._download.cancelled = True
            self.over(self._download)

    def _cancel(self) -> None:
        self.stop()
        self._cancelled()

    def _ask(self) -> None:
        if self._download is None:
            return
        done, whole = self._download.done, self._megabytes
        self.bar.setRange(0, 0 if whole is None else round(whole * 1e6 / _KB))  # 0, 0 is Qt's "who knows"
        self.bar.setValue(done // _KB)
        came = f"{done / 1e6:.0f}" if whole is None else f"{done / 1e6:.0f} of {whole:.0f}"
        self.bar.setFormat("Checking …" if whole is not None and done >= whole * 1e6 else f"{came} MB")
