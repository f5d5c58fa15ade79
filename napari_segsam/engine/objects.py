"""An object that a person works on: its prompts on every slice, and what its commits put into the label map."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.labels import LabelMap, Patch
from napari_segsam.core.packed import PackedVoxels
from napari_segsam.core.prediction import Prediction
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import AXES, SliceView
from napari_segsam.engine.sharing import Map

Place = tuple[int, int]
"""(axis, index) of a slice."""


def place_of(view: SliceView) -> Place:
    """Where a slice lies in its volume."""
    return view.axis, view.index


def named(place: Place) -> str:
    """A slice as a person reads it, e.g. ``"slice k=57"``."""
    return f"slice {AXES[place[0]]}={place[1]}"


@dataclass(frozen=True, slots=True)
class Quality:
    """How sure the model was of one mask, where it says so.

    Attributes:
        agreement: Dice of both decoders' masks, 0..1.
        iou: predicted IoU, 0..1.
    """

    agreement: float | None
    iou: float | None

    @classmethod
    def of(cls, prediction: Prediction) -> Quality:
        """Of an answer."""
        return cls(prediction.decoder_agreement, prediction.iou_predicted)


def _worst(scores: Iterable[float | None]) -> float | None:
    """The lowest of those that are known."""
    return min((score for score in scores if score is not None), default=None)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What an object shall have on one slice.

    Attributes:
        view: the slice, of a volume on the labels' grid.
        mask: (rows, cols).
        quality: None where no model drew it.
    """

    view: SliceView
    mask: NDArray[np.bool_]
    quality: Quality | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Footprint:
    """The voxels that a commit on one slice gave to the object.

    Attributes:
        voxels: flat C-order indices, ascending, and the value of each that comes back when the object gives it up.
        number: of the commit, among those of the object the larger the later.
        prompts, candidate: what was shown when it was committed.
        quality: what the model thought of it, None where no model drew it.
    """

    voxels: PackedVoxels
    number: int
    prompts: Prompts
    candidate: int
    quality: Quality | None = None

    def find(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """Where in ``indices``, which ascend, this footprint's voxels are, and the values under those that are there.

        It is its voxels that are looked up, for an object has far more of them than one slice of it.
        """
        own, (under,) = self.voxels.unpack()
        at = np.searchsorted(indices, own)
        there = at < len(indices)
        there[there] = indices[at[there]] == own[there]
        return at[there], under[there]


@dataclass(frozen=True, eq=False, slots=True)
class WorkedObject:
    """One object, prompted on any number of slices of any axis.

    Attributes:
        value: its voxel value.
        prompts: by slice; slices without prompts are absent.
        candidates: which of SAM's masks is chosen, by slice; absent = the first.
        class_name: what the person chose, None = the model's best.
        footprints: what was committed, by slice.
    """

    value: int
    prompts: Map[Place, Prompts] = field(default_factory=Map)
    candidates: Map[Place, int] = field(default_factory=Map)
    class_name: str | None = None
    footprints: Map[Place, Footprint] = field(default_factory=Map)

    @property
    def pristine(self) -> bool:
        """Whether nothing was done to it yet."""
        return not (self.prompts or self.footprints or self.class_name)

    def uncommitted_at(self, place: Place) -> bool:
        """Whether this slice has prompts whose mask, as chosen now, was not committed."""
        prompts, committed = self.prompts.get(place), self.footprints.get(place)
        if not prompts:
            return False
        chosen = self.candidates.get(place, 0)
        return committed is None or committed.prompts is not prompts or committed.candidate != chosen

    def places_unlike(self, other: WorkedObject) -> set[Place]:
        """Slices on which two objects, or two states of one, have other prompts, candidates or footprints."""
        prompts, footprints = self.prompts.differing(other.prompts), self.footprints.differing(other.footprints)
        return prompts | footprints | self.candidates.differing(other.candidates)

    def with_prompts(self, place: Place, prompts: Prompts) -> WorkedObject:
        """Other prompts on one slice; its choice of candidate starts over."""
        is_any = prompts.clicks or prompts.box
        changed = self.prompts.put(place, prompts) if is_any else self.prompts.without(place)
        return replace(self, prompts=changed, candidates=self.candidates.without(place))

    @property
    def quality(self) -> Quality | None:
        """Of its worst slices; None where no model drew any."""
        known = [f.quality for f in self.footprints.values() if f.quality]
        return Quality(_worst(q.agreement for q in known), _worst(q.iou for q in known)) if known else None

    def commit(
        self, labels: LabelMap, drawn: Drawn, name: str, keep: Collection[int], locked: Collection[int]
    ) -> tuple[Patch, WorkedObject]:
        """Make a mask what the object has on its slice.

        It takes the mask's voxels from whoever has them, and gives up those that its last commit on this slice took
        and the mask leaves out: what lay under them comes back. Brush strokes outside the mask, and what commits on
        other slices put here, stay.

        Args:
            labels: not changed; apply the patch.
            drawn: the mask.
            name: of the patch.
            keep: values that may come back; others are gone or locked since.
            locked: values of objects that give nothing away.
        """
        voxels, place = labels.voxels.reshape(-1), place_of(drawn.view)
        taken = np.sort(drawn.view.flat_indices(drawn.mask))
        taken = taken[~np.isin(voxels[taken], list(locked))]
        given_up, beneath = self._given_up(place, taken, voxels)
        beneath[~np.isin(beneath, list(keep))] = 0
        patch = _patch(name, voxels, (taken, np.full(len(taken), self.value, np.uint16)), (given_up, beneath))
        under = self._under(taken, voxels, self._crossing(place))
        print_ = Footprint(
            voxels=PackedVoxels.of(taken, under),
            number=1 + max((f.number for f in self.footprints.values()), default=0),
            prompts=self.prompts.get(place, Prompts()),
            candidate=self.candidates.get(place, 0),
            quality=drawn.quality,
        )
        return patch, replace(self, footprints=self.footprints.put(place, print_))

    def erase(self, labels: LabelMap, name: str, keep: Collection[int]) -> Patch:
        """The change that takes the whole object off the label map: what lay under it comes back.

        Args:
            labels: not changed; apply the patch.
            name: of the patch.
            keep: values that may come back; others are gone since.
        """
        indices = np.flatnonzero(labels.voxels.reshape(-1) == self.value)
        return _patch(name, labels.voxels.reshape(-1), (indices, self.beneath(labels, indices, keep)))

    def beneath(self, labels: LabelMap, indices: NDArray[np.int64], keep: Collection[int]) -> NDArray[np.uint16]:
        """What comes back at voxels of the object that it gives up; see :meth:`erase`."""
        values = self._under(indices, labels.voxels.reshape(-1), self.footprints.values())
        values[(values == self.value) | ~np.isin(values, list(keep))] = 0
        return values

    def _crossing(self, place: Place) -> list[Footprint]:
        """Footprints that may have voxels of a slice: its own, and those of slices across other axes."""
        return [f for p, f in self.footprints.items() if p == place or p[0] != place[0]]

    def _under(
        self, indices: NDArray[np.int64], voxels: NDArray[np.uint16], footprints: Iterable[Footprint]
    ) -> NDArray[np.uint16]:
        """What lies under the object at these voxels: their own values where it does not have them yet."""
        under = voxels[indices].copy()
        ours = np.flatnonzero(under == self.value)
        ours = ours[np.argsort(indices[ours], kind="stable")]  # linear where they ascend already
        mine = indices[ours]
        # Where several commits took a voxel, something else had it in between: the newest knows what.
        for footprint in sorted(footprints, key=lambda f: f.number) if len(ours) else ():
            at, values = footprint.find(mine)
            under[ours[at]] = values
        return under

    def _given_up(
        self, place: Place, taken: NDArray[np.int64], voxels: NDArray[np.uint16]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
        """Indices that the last commit here took, that the object still has and now leaves, and what lies under."""
        last = self.footprints.get(place)
        if last is None:
            return np.empty(0, np.int64), np.empty(0, np.uint16)
        indices, (under,) = last.voxels.unpack()
        leaves = (voxels[indices] == self.value) & ~np.isin(indices, taken, assume_unique=True)
        indices, under = indices[leaves], under[leaves]
        kept = np.zeros(len(indices), bool)
        for footprint in (f for f in self._crossing(place) if f is not last) if len(indices) else ():
            kept[footprint.find(indices)[0]] = True
        return indices[~kept], under[~kept]


def _patch(name: str, voxels: NDArray[np.uint16], *parts: tuple[NDArray[np.int64], NDArray[np.uint16]]) -> Patch:
    """The change that writes each part's values at its flat indices; voxels that keep their value are left out."""
    indices = np.concatenate([p[0] for p in parts])
    after = np.concatenate([p[1] for p in parts])
    before = voxels[indices]
    changed = before != after
    return Patch(name, indices[changed], before[changed], after[changed])
