"""What the rows are tried on: a slice of a CT and a picture of an endoscope, and where a person would prompt them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

SHARED = Path(os.environ.get("SEGSAM_SHARED", Path(__file__).resolve().parents[3] / "shared"))
_POLYP = "cju0qkwl35piu0993l0dewei2.jpg"

Ijk = tuple[int, int, int]


@dataclass(frozen=True)
class Scene:
    """A scan, one slice of it along k, and an object on that slice.

    Attributes:
        box: two corners round the object, which belong to it.
        click: deepest inside another object, or inside the same one.
    """

    path: Path
    slice: int
    box: tuple[Ijk, Ijk]
    click: Ijk


def scenes() -> dict[str, Scene]:
    """The CT with a box round the liver and a click on the spleen, the picture with both on its polyp.

    Raises:
        SystemExit: they are not in the folder that SEGSAM_SHARED names.
    """
    ct, picture = SHARED / "data" / "ct" / "totalseg_example", SHARED / "data" / "rgb" / "kvasir"
    if not (ct.is_dir() and picture.is_dir()):
        raise SystemExit(f"No scans in {SHARED}: set SEGSAM_SHARED to the folder that holds data/.")
    liver, spleen = (_voxels(ct / "example_seg_v1_per_organ" / f"{organ}.nii.gz") for organ in ("liver", "spleen"))
    seen = np.sqrt(liver.sum((0, 1)) * spleen.sum((0, 1)))  # the slice that shows much of both
    k = int(seen.argmax())
    polyp = np.asarray(Image.open(picture / "masks" / _POLYP).convert("L")).T > 127  # (i, j) = (column, row)
    return {
        "CT": Scene(ct / "example_ct.nii.gz", k, _box(liver[:, :, k], k), _deepest(spleen[:, :, k], k)),
        "RGB": Scene(picture / "images" / _POLYP, 0, _box(polyp, 0), _deepest(polyp, 0)),
    }


def _voxels(path: Path) -> NDArray[np.bool_]:
    return np.asarray(nib.load(path).dataobj) > 0


def _box(mask: NDArray[np.bool_], k: int) -> tuple[Ijk, Ijk]:
    i, j = np.nonzero(mask)
    return (int(i.min()), int(j.min()), k), (int(i.max()), int(j.max()), k)


def _deepest(mask: NDArray[np.bool_], k: int) -> Ijk:
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    i, j = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(i), int(j), k
