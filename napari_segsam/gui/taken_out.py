"""TakenOut: work on scans that are no longer in the viewer, for when they are opened again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import numpy as np
from napari.components import LayerList
from napari.layers import Labels, Layer

from napari_segsam.core.volume import Volume
from napari_segsam.engine.session import Session

_UNSAVED = "The scan {name} was taken out with labels that are not saved. "
_STAY = (
    "They stay in the hidden layer '{layer}': save it by File > Save Selected Layers, or open the scan again to go on."
)
_BACK = "Open the scan again to go on with them."


class TakenOut:
    """Holds on to sessions that would otherwise go with their layers; their journals go on, too.

    Args:
        layers: of the viewer.
        let_go: told of a session that is finished and of which nothing is left in the viewer.
    """

    def __init__(self, layers: LayerList, let_go: Callable[[Session], None]) -> None:
        self._layers, self._let_go = layers, let_go
        self._left: dict[Session, Labels | None] = {}  # and the layer of its labels that stayed in the viewer

    @property
    def sessions(self) -> tuple[Session, ...]:
        """In the order in which their scans were taken out."""
        return tuple(self._left)

    def owns(self, layer: Layer) -> bool:
        """Whether it shows the labels of one of them, so that no other scan may take them."""
        return any(left is layer for left in self._left.values())

    def add(self, session: Session, labels: Labels | None) -> str:
        """Its scan was taken out.

        Args:
            session: kept, where it is not finished or its labels stay.
            labels: the layer of its labels, where that stays in the viewer.

        Returns:
            A notice; empty where its labels are saved.
        """
        if labels is None and _is_finished(session):
            self._let_go(session)
            return ""
        self._left[session] = labels
        return _notice(session, labels)

    def forget(self, labels: Layer) -> str:
        """A layer was taken out; a notice where it was one of labels that stayed and are not saved, else nothing."""
        session = next((s for s, left in self._left.items() if left is labels), None)
        if session is None:
            return ""
        del self._left[session]
        return self.add(session, None)

    def come_back(self, volume: Volume) -> Session | None:
        """The work on this scan, on ``volume`` from now on; its labels' layer goes. None where there is no such work.

        The kind of scan that the person said stays.
        """
        session = next((s for s in self._left if _is_same(s.volume, volume)), None)
        if session is None:
            return None
        labels = self._left.pop(session)
        if labels is not None and labels in self._layers:
            self._layers.remove(labels)
        session.take_for(replace(volume, modality=session.volume.modality, id=uuid4().hex))
        return session


def _is_finished(session: Session) -> bool:
    return not (session.unsaved or session.uncommitted)


def _notice(session: Session, labels: Labels | None) -> str:
    if not session.unsaved:
        return ""
    where = _BACK if labels is None else _STAY.format(layer=labels.name)
    return _UNSAVED.format(name=session.volume.name) + where


def _is_same(one: Volume, other: Volume) -> bool:
    """Whether a scan was read again; names and paths say nothing, since a file may be another one now."""
    return one.grid.matches(other.grid) and np.array_equal(one.voxels, other.voxels, equal_nan=True)
