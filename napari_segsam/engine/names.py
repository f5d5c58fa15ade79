"""Which values labels have, what they are called before anybody says what they are, and what they may be called."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

from napari_segsam.core.errors import BadLabelsError, GridMismatchError
from napari_segsam.core.labels import MAX_LABEL, Label, LabelMap, Patch
from napari_segsam.core.terminology import UNION, Vocabulary
from napari_segsam.core.volume import Volume

_LONGEST = 64
"""Characters of a name: what DICOM's segment labels hold (PS3.5 6.2, LO)."""
_WORDS = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")


def unnamed(value: int) -> str:
    """The name of a label whose class nobody said."""
    return f"object {value}"


def class_name(text: str) -> str:
    """What a person typed as the name of a class: lower case, words joined by ``_``; blanks and hyphens join, too.

    Raises:
        BadLabelsError: it cannot be a name; says why.
    """
    name = "_".join(re.split(r"[\s_-]+", text.strip().lower())).strip("_")
    if not name:
        raise BadLabelsError("The class has no name yet; write one in words of a-z and 0-9, as in kidney_left.")
    if not _WORDS.fullmatch(name):
        raise BadLabelsError(f"'{text.strip()}' cannot be a class: a name has words of a-z and 0-9, as in kidney_left.")
    if len(name) > _LONGEST:
        raise BadLabelsError(f"A class's name has at most {_LONGEST} characters, this one {len(name)}; shorten it.")
    if name.startswith(UNION):
        raise BadLabelsError(f"'{name}' cannot be a class: {UNION} marks masks of several; leave it out.")
    return name


def own_name(text: str, vocabulary: Vocabulary) -> str:
    """The model's own name for what a person typed, else the name as :func:`class_name` has it.

    Raises:
        BadLabelsError: it cannot be a name.
    """
    return vocabulary.canonical(text) or class_name(text)


def free_value(taken: Collection[int]) -> int:
    """The smallest value above 0 that is not taken."""
    return next(v for v in range(1, len(taken) + 2) if v not in taken)


def new_labels(volume: Volume) -> LabelMap:
    """No label on a volume yet; the memory is there before the first commit needs it."""
    labels = LabelMap(volume.grid)
    labels.voxels.fill(0)
    return labels


def taken_over(labels: LabelMap, volume: Volume) -> LabelMap:
    """Labels that were made earlier; every value that has voxels gets a Label, so that none is handed out twice.

    Raises:
        GridMismatchError: they lie on another grid than the volume; nothing was changed.
    """
    if not labels.grid.matches(volume.grid):
        raise GridMismatchError(f"The labels do not lie on the grid of {volume.name}; open the image they belong to.")
    seen = np.zeros(MAX_LABEL + 1, bool)
    for slab in labels.voxels:  # one at a time: numpy turns an index array into eight bytes a voxel
        seen[slab] = True
    for value in (int(v) for v in np.flatnonzero(seen) if v and int(v) not in labels.labels):
        labels.labels[value] = Label(value, unnamed(value))
    return labels


def emptied_by(patch: Patch, labels: LabelMap) -> list[Label]:
    """The objects that lost their last voxel to others by this change."""
    taken = {int(v) for v in np.unique(patch.before[patch.after != 0])}
    return [label for v, label in labels.labels.items() if v in taken and not (labels.voxels == v).any()]


def taken_from(patch: Patch, labels: LabelMap, values: frozenset[int]) -> list[Label]:
    """Those of these objects that only lost voxels to others by this change; see :func:`emptied_by`."""
    before, after = (np.unique(side[patch.after != 0]).tolist() for side in (patch.before, patch.after))
    taken = values.intersection(before).difference(after)
    return [labels.labels[value] for value in sorted(taken & labels.labels.keys())]
