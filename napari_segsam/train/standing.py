"""What stands on a slice beside the prompted object: the targets of the classification-oriented tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_segsam.model.config import SegSamConfig
from napari_segsam.train.augment import Bend
from napari_segsam.train.data.dataset import LoadedSample
from napari_segsam.train.losses import SetTargets

_KEPT = 256_000_000
"""Bytes of cells that are remembered, oldest forgotten first."""
_LEAST = 0.5
"""Cells of a class that count as its presence."""


@dataclass
class OnSlice:
    """One slice's annotated classes, and which part of their cells each chosen object is.

    Attributes:
        targets: all classes that are annotated on it.
        objects: (n, h, w) share of each cell that belongs to each chosen object, none to be prompted twice.
    """

    targets: SetTargets
    objects: Tensor

    def bent(self, how: Bend, within: tuple[int, int]) -> OnSlice:
        """The same on a bent picture, which covers the first rows and columns ``within`` of the cells.

        Classes and objects are bent together, so that what is left of a class without its only object is nothing.
        """
        n = len(self.targets.masks)
        cells = how(torch.cat([self.targets.masks, self.objects]), within)
        cells[:, within[0] :], cells[:, :, within[1] :] = 0, 0
        return OnSlice(replace(self.targets, masks=cells[:n]), cells[n:])

    def present(self) -> SetTargets:
        """What an unprompted look shall find."""
        return _seen(self.targets)

    def without(self, i: int, class_index: int) -> SetTargets:
        """What stands there besides object ``i``, whose class stays only if another instance is left."""
        masks = self.targets.masks.clone()
        own = self.targets.classes == class_index
        masks[own] = (masks[own] - self.objects[i]).clamp(min=0)
        return _seen(replace(self.targets, masks=masks))


def _seen(targets: SetTargets) -> SetTargets:
    left = targets.masks.sum((1, 2)) > _LEAST
    return replace(targets, classes=targets.classes[left], masks=targets.masks[left])


class Standing:
    """Looks up what stands on a sample's slice; cells are made once."""

    def __init__(self, samples: list[LoadedSample], told: dict[str, NDArray[np.bool_]], model: SegSamConfig) -> None:
        self.samples, self.model = samples, model
        self.told = {name: torch.from_numpy(t) for name, t in told.items()}
        self.cells = model.img_size // 4
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}
        self.held = 0

    def of(self, index: int, chosen: list[int], rng: np.random.Generator) -> OnSlice:
        """What stands on sample ``index``, of whose masks ``chosen`` will be prompted.

        Where there are more classes than t_co to find them, some are drawn; the others are neither there nor absent.
        """
        s = self.samples[index]
        classes, masks = self._known(index)
        told = self.told[s.sample.dataset]
        if self.model.co == "hungarian" and len(classes) > self.model.n_co:
            kept = torch.from_numpy(np.sort(rng.permutation(len(classes))[: self.model.n_co]))
            told = told.index_fill(0, classes, False)
            classes, masks = classes[kept], masks[kept]
        scale = self.model.img_size / max(s.picture.shape[:2])
        none = torch.zeros(0, self.cells, self.cells)
        objects = torch.stack([self._share(s.mask(i), scale) for i in chosen]) if chosen else none
        return OnSlice(SetTargets(classes, masks.float(), told), objects)

    def _known(self, index: int) -> tuple[Tensor, Tensor]:
        """(T,) class indices and their (T, h, w) cells, half precision."""
        if index not in self.kept:
            s = self.samples[index]
            scale = self.model.img_size / max(s.picture.shape[:2])
            known = sorted(s.known)
            cells = [self._share(s.class_mask(k), scale).half() for k in known]
            masks = torch.stack(cells) if cells else torch.zeros(0, self.cells, self.cells).half()
            self.kept[index] = torch.tensor([k - 1 for k in known], dtype=torch.long), masks
            self.held += masks.nbytes
            while self.held > _KEPT and len(self.kept) > 1:
                self.held -= self.kept.pop(next(iter(self.kept)))[1].nbytes
        return self.kept[index]

    def _share(self, mask: NDArray[np.bool_], scale: float) -> Tensor:
        """(H, W) mask -> (cells, cells) share of each cell of the padded slice."""
        h, w = (max(round(n * scale / 4), 1) for n in mask.shape)
        small = F.interpolate(torch.from_numpy(mask.astype(np.float32))[None, None], (h, w), mode="area")[0, 0]
        return F.pad(small, (0, self.cells - w, 0, self.cells - h))
