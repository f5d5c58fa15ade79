"""Structures with a true mask on every slice: the built-in phantom, and public scans with label maps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.io.formats import read_volume
from napari_segsam.io.phantom.sample import torso_phantom, torso_phantom_labels

Mask = NDArray[np.bool_]

_LEAST_VOXELS, _LEAST_SLICES, _LEAST_PIXELS = 150, 4, 8
_HIPPOCAMPUS = {1: "anterior_hippocampus", 2: "posterior_hippocampus"}


@dataclass(frozen=True, eq=False)
class Structure:
    """One object.

    Attributes:
        source: where it comes from.
        case: which patient of it, and what kind of scan.
        name: its class.
        volume: the scan.
        voxels: (ni, nj, nk) the object.
        axis: across which it is carried.
    """

    source: str
    case: str
    name: str
    volume: Volume
    voxels: Mask
    axis: int = 2

    def view(self, index: int) -> SliceView:
        """One of its slices."""
        return SliceView(self.volume, self.axis, index)

    def truth(self, index: int) -> Mask:
        """(rows, cols) the object there."""
        return np.array(self.view(index).of(self.voxels))

    @property
    def slices(self) -> list[int]:
        """Those on which there is something of it."""
        others = tuple(a for a in range(3) if a != self.axis)
        return [int(i) for i in np.flatnonzero(self.voxels.any(others))]

    @property
    def middle(self) -> int:
        """The one of them nearest to their middle."""
        slices = self.slices
        return min(slices, key=lambda i: abs(i - sum(slices) / len(slices)))

    @property
    def fit(self) -> bool:
        """Whether it is large enough to be carried."""
        large = self.voxels.sum() >= _LEAST_VOXELS and len(self.slices) >= _LEAST_SLICES
        return bool(large and self.truth(self.middle).sum() >= _LEAST_PIXELS)


def structures(data: Path) -> Iterator[Structure]:
    """All of them that are large enough, those of one scan after each other."""
    for found in (_phantom(), _organs(data), _sarcomas(data), _hippocampi(data), _mr(data), _cord(data)):
        yield from (s for s in found if s.fit)


def _phantom() -> Iterator[Structure]:
    volume, labels = torso_phantom(), torso_phantom_labels()
    for value, label in labels.labels.items():
        if not label.name.startswith("rib"):
            mask = labels.voxels == value
            if label.name == "lung":
                mask[: len(mask) // 2] = False  # the left one
            yield Structure("phantom", "torso", label.name, volume, mask)


def _organs(data: Path) -> Iterator[Structure]:
    """TotalSegmentator's example. ``nano`` was trained on slices of it, and the masks are another model's."""
    folder = data / "ct/totalseg_example"
    volume = _scan(folder / "example_ct.nii.gz", "ct")
    for path in sorted((folder / "example_seg_v1_per_organ").glob("*.nii.gz")):
        yield Structure("organs", "example_ct", path.name.removesuffix(".nii.gz"), volume, _mask(path, volume) > 0)


def _sarcomas(data: Path) -> Iterator[Structure]:
    """An expert's contours; of patients 002 and 041 ``nano`` has seen nothing, of the others a few slices."""
    for folder in sorted((data / "ibsi_sts/nifti").glob("STS_*")):
        for kind, modality in (("CT", "ct"), ("MR_T1", "mr"), ("PET", "pet")):
            volume = _scan(folder / f"{kind}_image.nii.gz", modality)
            mask = _mask(folder / f"{kind}_mask.nii.gz", volume) > 0
            yield Structure("sarcomas", f"{folder.name} {modality}", "soft_tissue_sarcoma_gtv", volume, mask)


def _hippocampi(data: Path) -> Iterator[Structure]:
    """Manual labels; of patient 001 ``nano`` has seen nothing, of the others single slices."""
    for path in sorted((data / "mr/msd_hippocampus/images").glob("*.nii.gz")):
        volume = _scan(path, "mr")
        labels = _mask(path.parents[1] / "labels" / path.name, volume)
        for value, name in _HIPPOCAMPUS.items():
            yield Structure("hippocampi", path.name.removesuffix(".nii.gz"), name, volume, labels == value)


def _mr(data: Path) -> Iterator[Structure]:
    folder = data / "mr/totalseg_mr_example"
    volume = _scan(folder / "example_mr_sm.nii.gz", "mr")
    labels = _mask(folder / "example_seg_mr.nii.gz", volume)
    names = json.loads(next(folder.glob("*.labels.json")).read_text())
    yield from (Structure("mr", "example_mr", name, volume, labels == int(value)) for value, name in names.items())


def _cord(data: Path) -> Iterator[Structure]:
    folder = data / "mr/sct/t2"
    volume = _scan(folder / "t2.nii.gz", "mr")
    axial = volume.grid.display.axes[0]
    yield Structure("mr", "t2", "spinal_cord", volume, _mask(folder / "t2_seg-manual.nii.gz", volume) > 0, axial)


def _scan(path: Path, modality: str) -> Volume:
    return replace(read_volume(path), modality=modality)


def _mask(path: Path, volume: Volume) -> NDArray:  # type: ignore[type-arg]
    labels = read_volume(path)
    if not labels.grid.matches(volume.grid, tolerance_mm=0.1):
        raise SystemExit(f"{path.name} does not lie on the grid of {volume.name}; fetch both again.")
    return labels.voxels
