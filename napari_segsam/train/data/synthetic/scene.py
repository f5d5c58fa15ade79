"""A label map in the making: what is added later hides what is there."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_segsam.train.data.synthetic.fields import Mask

LEAST = 20
"""Pixels of the smallest object that is asked for."""


@dataclass(frozen=True)
class Part:
    """One label: the tissue that it shows and the label that it lies in."""

    kind: str
    host: int = 0


@dataclass
class Scene:
    """Labels of (side, side) pixels, what each of them shows, and which of them, alone or together, are objects.

    Attributes:
        labels: (side, side), 0 where nothing was added.
        parts: one for each label, the background's first.
        objects: labels that make one object; what is hidden of them is not part of it.
    """

    labels: NDArray[np.int16]
    parts: list[Part]
    objects: list[tuple[int, ...]] = field(default_factory=list)

    @classmethod
    def empty(cls, side: int, kind: str = "air") -> Scene:
        """Background of one kind."""
        return cls(np.zeros((side, side), dtype=np.int16), [Part(kind)])

    @property
    def side(self) -> int:
        """Pixels along each edge."""
        return int(self.labels.shape[0])

    def add(self, mask: Mask, kind: str, host: int = 0, is_object: bool = True, within: int | None = None) -> int:
        """Paint ``mask`` over what is there (over label ``within`` only, where given); the new label."""
        label = len(self.parts)
        self.parts.append(Part(kind, host))
        self.labels[mask if within is None else mask & (self.labels == within)] = label
        if is_object:
            self.objects.append((label,))
        return label

    def join(self, *labels: int) -> None:
        """Make these labels one object, besides what they are already."""
        self.objects.append(labels)

    def pieces(self, label: int, most: int = 6) -> None:
        """Make the largest ``most`` separate pieces of a label objects of their own."""
        pieces, n = ndimage.label(self.labels == label)
        if n < 2:
            return
        sizes = np.bincount(pieces.ravel())[1:]
        for piece in 1 + np.argsort(-sizes, kind="stable")[:most]:
            new = len(self.parts)
            self.parts.append(self.parts[label])
            self.labels[pieces == piece] = new
            self.objects = [(*o, new) if label in o else o for o in self.objects]
            self.objects.append((new,))

    def masks(self) -> list[Mask]:
        """What is seen of each object of at least ``LEAST`` pixels; no two the same."""
        seen: dict[bytes, Mask] = {}
        for labels in self.objects:
            mask = np.isin(self.labels, labels) if len(labels) > 1 else self.labels == labels[0]
            if mask.sum() >= LEAST and not mask.all():
                seen.setdefault(np.packbits(mask).tobytes(), mask)
        return list(seen.values())
