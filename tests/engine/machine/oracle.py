"""The label map by brute force, beside which the session is held."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

SHAPE = (12, 10, 5)
fraction = st.sampled_from([0.0, 0.2, 0.3, 0.5, 0.7, 0.8, 1.0])


@dataclass
class Oracle:
    """The label map by brute force: whole arrays, and a copy of everything for each step of the history."""

    labels: np.ndarray = field(default_factory=lambda: np.zeros(SHAPE, np.uint16))
    masks: dict[int, dict[tuple[int, int], np.ndarray]] = field(default_factory=dict)  # by value, whole volumes
    under: dict[int, np.ndarray] = field(default_factory=dict)  # by value
    locked: set[int] = field(default_factory=set)
    value: int = 1

    def free_of_locked(self, view, mask):
        """The whole volume's mask, but for what locked objects have."""
        solid = np.zeros(SHAPE, bool)
        view.of(solid)[...] = mask
        return solid & ~np.isin(self.labels, list(self.locked))

    def free_of_others(self, view, mask, value):
        """The whole volume's mask, but for what others have that it does not lie inside of."""
        solid = self.free_of_locked(view, mask)
        here = np.zeros(SHAPE, bool)
        view.of(here)[...] = True
        for other in set(np.unique(self.labels)) - {0, value}:
            theirs = here & (self.labels == other)
            shared = np.zeros(SHAPE, bool)
            view.of(shared)[...] = mask
            shared &= theirs
            is_inside = shared.sum() > mask.sum() / 2 and shared.sum() <= theirs.sum() / 2
            solid &= ~theirs | is_inside
        return solid

    def draw(self, view, mask, value, named):
        """As a commit, but that rivals and neighbours keep what they have."""
        self.commit(view, view.of(self.free_of_others(view, mask, value)), value, named)

    def commit(self, view, mask, value, named):
        solid = self.free_of_locked(view, mask)
        masks, under = self.masks.setdefault(value, {}), self.under.setdefault(value, np.zeros(SHAPE, np.uint16))
        mine = np.any([*masks.values(), np.zeros(SHAPE, bool)], axis=0) & (self.labels == value)
        under[solid & ~mine] = self.labels[solid & ~mine]
        place = (view.axis, view.index)
        others = np.any([np.zeros(SHAPE, bool), *(m for p, m in masks.items() if p != place)], axis=0)
        leaves = masks.get(place, np.zeros(SHAPE, bool)) & ~solid & ~others & (self.labels == value)
        self.labels[leaves] = np.where(np.isin(under[leaves], list(named - self.locked)), under[leaves], 0)
        self.labels[solid] = value
        masks[place] = solid

    def brush(self, indices, value):
        """The part of a stroke that leaves locked objects alone."""
        flat = self.labels.reshape(-1)
        free = indices[~np.isin(flat[indices], list(self.locked))] if value not in self.locked else indices[:0]
        changes = bool((flat[free] != value).any())
        flat[free] = value
        return changes

    def reshape(self, value, made, named):
        """As a person would with brush and eraser; nothing is taken from others, and what lay under comes back."""
        before, mine = self.labels.copy(), self.labels == value
        once = np.any([np.zeros(SHAPE, bool), *self.masks.get(value, {}).values()], axis=0)
        beneath = np.where(once, self.under.get(value, 0), 0)
        beneath = np.where(np.isin(beneath, list(named - self.locked - {value})), beneath, 0)
        gone = mine & ~made
        self.labels[gone] = beneath[gone]
        self.labels[made & (before == 0)] = value
        return bool((self.labels != before).any())

    def delete(self, value, named):
        """What lay under it comes back, where that still has a name and is not locked."""
        whole = self.labels == value
        once = np.any([np.zeros(SHAPE, bool), *self.masks.pop(value, {}).values()], axis=0)
        beneath = np.where(once, self.under.pop(value, 0), 0)
        self.labels[whole] = np.where(np.isin(beneath, list(named - self.locked - {value})), beneath, 0)[whole]
