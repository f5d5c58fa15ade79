"""The semantic layer: one class id a voxel, from the prompted object, the committed ones and the suggestions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import MAX_LABEL, Label, LabelMap
from napari_segsam.core.packed import PackedVoxels
from napari_segsam.core.prediction import Suggestion
from napari_segsam.core.slices import SliceView
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.objects import Place, place_of


class SemanticLayer:
    """Paints class ids. The object in work hides committed labels, and those hide suggestions.

    Attributes:
        map: a LabelMap of class ids; its names are the vocabulary's, and behind them what else a detector found.
        revision: another number whenever voxels of ``map`` may have got other values.
    """

    def __init__(self, labels: LabelMap, vocabulary: Vocabulary) -> None:
        self.map = LabelMap(labels.grid, _touched(labels.grid))
        self._labels = labels
        self._vocabulary = vocabulary
        self._suggested = _touched(labels.grid)
        self._class_of = np.zeros(MAX_LABEL + 1, np.uint16)
        self._known: frozenset[int] = frozenset()
        self._hidden: frozenset[int] = frozenset()
        self._masks: dict[Place, PackedVoxels] = {}
        self._object_class = 0
        self._painted = False
        self.revision = 0
        self.use(vocabulary)

    def use(self, vocabulary: Vocabulary) -> None:
        """Another model: forget what the last one saw, and paint committed labels by the new ids."""
        self._vocabulary = vocabulary
        self._suggested.fill(0)
        self._masks.clear()
        self._object_class = 0
        self.revision += 1
        self.map.labels.clear()
        self.map.labels.update({i: Label(i, n) for i, n in enumerate(vocabulary.names, 1)})
        self._class_of, self._known = self._classes_of_labels(), frozenset(self._labels.labels)
        if self._labels.labels or self._painted:
            for shown, labels in zip(self.map.voxels, self._labels.voxels, strict=True):
                shown[...] = self._class_of[labels]
        self._painted = False

    def suggest(self, view: SliceView, suggestions: tuple[Suggestion, ...]) -> None:
        """Replace what is suggested on this slice; the best ones lie on top."""
        self._painted = True
        self.revision += 1
        plane = view.of(self._suggested)
        plane[...] = 0
        for suggestion in reversed(suggestions):
            plane[suggestion.mask] = self._id_of(suggestion.name)
        committed = self._class_of[view.of(self._labels.voxels)]
        view.of(self.map.voxels)[...] = np.where(committed > 0, committed, plane)
        place = place_of(view)
        self._paint_object({p for p in self._masks if p == place or p[0] != view.axis})

    def _id_of(self, name: str) -> int:
        """The vocabulary's id, else the next free one: a detector finds what the model has no name for."""
        ids = {label.name: i for i, label in self.map.labels.items()}
        known = self._vocabulary.id_or_zero(name) or ids.get(name) or len(ids) + 1
        return self.map.labels.setdefault(known, Label(known, name)).value

    def show_object(self, masks: Mapping[Place, PackedVoxels], name: str | None) -> None:
        """The uncommitted masks of the object in work by slice, voxels without values, and the name of its class."""
        last, last_class = self._masks, self._object_class
        self._masks, self._object_class = dict(masks), self._vocabulary.id_or_zero(name)
        gone = [m for p, m in last.items() if masks.get(p) is not m]
        new = {p for p, m in masks.items() if last.get(p) is not m}
        touched = self._paint_below([m.indices for m in (gone if self._object_class else [*gone, *masks.values()])])
        self._paint_object(new | touched if self._object_class == last_class else self._masks.keys())

    def hide(self, hidden: frozenset[int]) -> None:
        """Of all labels, paint those with these values no longer."""
        self._hidden = hidden
        self.follow_labels(np.empty(0, np.int64))

    def follow_labels(self, changed: NDArray[np.int64]) -> None:
        """Labels changed at these flat indices, or were renamed."""
        renamed = self._renamed()
        self._class_of, self._known = self._classes_of_labels(), frozenset(self._labels.labels)
        voxels = self._labels.voxels.reshape(-1)
        self._paint_object(self._paint_below([changed, *(np.flatnonzero(voxels == value) for value in renamed)]))

    def _classes_of_labels(self) -> NDArray[np.uint16]:
        """(65536,) label value -> class id; 0 where the label has none, or is hidden."""
        classes = np.zeros(MAX_LABEL + 1, np.uint16)
        for value, label in ((v, named) for v, named in self._labels.labels.items() if v not in self._hidden):
            classes[value] = self._vocabulary.id_or_zero(label.name)
        return classes

    def _renamed(self) -> list[int]:
        """Label values that had one class and now have another; those of new and deleted labels come as voxels."""
        then, now = self._class_of, self._classes_of_labels()
        return [v for v in self._labels.labels if v in self._known and then[v] != now[v]]

    def _paint_below(self, places: Iterable[NDArray[np.int64]]) -> set[Place]:
        """Committed classes and suggestions at these flat indices; slices through them on which the object has a mask.

        The caller paints the object there again.
        """
        self._painted, touched = True, set[Place]()
        shown, labels, suggested = (a.reshape(-1) for a in (self.map.voxels, self._labels.voxels, self._suggested))
        for indices in places:
            self.revision += bool(len(indices))
            committed = self._class_of[labels[indices]]
            shown[indices] = np.where(committed > 0, committed, suggested[indices])
            touched |= self._masked_slices_through(indices)
        return touched

    def _masked_slices_through(self, indices: NDArray[np.int64]) -> set[Place]:
        if not (self._masks and self._object_class):
            return set()
        through = [np.bincount(at) > 0 for at in np.unravel_index(indices, self.map.grid.shape)]
        return {(axis, k) for axis, k in self._masks if k < len(through[axis]) and through[axis][k]}

    def _paint_object(self, places: Collection[Place]) -> None:
        """Of all that it has on other slices, the object still lies on top."""
        self._painted = self._painted or bool(self._masks)
        for place in places if self._object_class else ():
            self.revision += 1
            self.map.voxels.reshape(-1)[self._masks[place].indices] = self._object_class


def _touched(grid: Grid) -> NDArray[np.uint16]:
    """Zeros whose memory is there: a slice touches every page, and the first click shall not wait for them all."""
    return np.full(grid.shape, 0, np.uint16)
