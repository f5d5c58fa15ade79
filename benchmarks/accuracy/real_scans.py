"""Dice of `segsam predict` on real scans, with boxes drawn round the reference on its largest slice.

    SEGSAM_SHARED=../shared python benchmarks/accuracy/real_scans.py [--model nano] [--out DIR]

The CT's patient (TotalSegmentator's example) is in the training set of ``nano``, and its references are
TotalSegmentator's own output. The sarcomas (STS) and the spines (SPIDER) are patients of the validation split.
Each label map's grid is compared with its scan's by nibabel and by SimpleITK.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image

SHARED = Path(os.environ.get("SEGSAM_SHARED", "../shared"))
AXIAL, CORONAL = 2, 1
"""Voxel axis across the slice."""
ORGANS = {
    "liver": ["liver"],
    "spleen": ["spleen"],
    "kidney_left": ["kidney_left"],
    "kidney_right": ["kidney_right"],
    "vertebra L1": ["vertebrae_L1"],
    "lung (left)": ["lung_lower_lobe_left", "lung_upper_lobe_left"],
    "lung (right)": ["lung_lower_lobe_right", "lung_middle_lobe_right", "lung_upper_lobe_right"],
}
# Only the bases of the lungs are in this scan: rims round the liver on axial slices.
ACROSS = {"lung (left)": CORONAL, "lung (right)": CORONAL}
SARCOMAS = [("STS_002", "CT", "ct"), ("STS_002", "MR_T1", "mr"), ("STS_041", "CT", "ct"), ("STS_041", "PET", "pet")]
SPINES = ["1053_8", "1056_16", "1129_6", "1200_9"]


@dataclass
class Case:
    """A scan and, by name, its (ni, nj, nk) reference masks."""

    name: str
    path: Path
    modality: str
    masks: dict[str, NDArray[np.bool_]]


def voxels(path: Path) -> NDArray[np.bool_]:
    """A NIfTI mask, (ni, nj, nk)."""
    return np.asarray(nib.load(path).dataobj) > 0


def cases() -> Iterator[Case]:
    """All scans of the table."""
    ct = SHARED / "data/ct/totalseg_example"
    organs = {
        name: np.any([voxels(ct / f"example_seg_v1_per_organ/{part}.nii.gz") for part in parts], axis=0)
        for name, parts in ORGANS.items()
    }
    yield Case("example_ct (trained on)", ct / "example_ct.nii.gz", "ct", {k: m for k, m in organs.items() if m.any()})
    for patient, kind, modality in SARCOMAS:
        folder = SHARED / "data/ibsi_sts/nifti" / patient
        mask = voxels(folder / f"{kind}_mask.nii.gz")
        yield Case(f"{patient} {kind}", folder / f"{kind}_image.nii.gz", modality, {"sarcoma": mask})
    train = SHARED / "train"
    names = json.loads((train / "SAMed2D_v1_class_mapping_id.json").read_text())["SPIDER"]
    by_id = {v: k for k, v in names.items()}
    listed = json.loads((train / "SAMed2D_v1.json").read_text())
    for case in SPINES:
        image = f"images/mr_t2--SPIDER--{case}--z_0000.png"
        masks = {}
        for file in listed[image]:
            number, instance = Path(file).stem.split("--")[-1].split("_")
            picture = np.asarray(Image.open(train / file).convert("L")) > 127
            masks[f"{by_id[int(number)]} {instance}"] = picture.T[:, :, None]
        yield Case(f"SPIDER {case}", train / image, "mr", masks)


def widest(name: str, mask: NDArray[np.bool_]) -> tuple[int, int, NDArray[np.bool_]]:
    """Axis and index of the slice that shows most of an object, and its mask there."""
    axis = ACROSS.get(name, AXIAL)
    index = int(mask.sum(tuple(a for a in range(3) if a != axis)).argmax())
    return axis, index, np.take(mask, index, axis)


def prompt_of(number: int, name: str, mask: NDArray[np.bool_]) -> dict[str, object]:
    """A box round the mask on its widest slice."""
    axis, index, seen = widest(name, mask)
    low, high = (np.insert(f(np.argwhere(seen), axis=0), axis, index).tolist() for f in (np.min, np.max))
    return {"id": number, "axis": "ijk"[axis], "slice": index, "box": {"min": low, "max": high}}


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Dice overlap."""
    return float(2 * (a & b).sum() / max(a.sum() + b.sum(), 1))


def same_grid(labels: Path, scan: Path) -> bool:
    """Whether both independent readers place every voxel of the label map where the scan's is, within 1e-3 mm."""
    a, b = nib.load(labels), nib.load(scan)
    c, d = sitk.ReadImage(str(labels)), sitk.ReadImage(str(scan))
    corner = [n - 1 for n in d.GetSize()]
    placed = np.subtract(c.TransformIndexToPhysicalPoint(corner), d.TransformIndexToPhysicalPoint(corner))
    origin = np.subtract(c.GetOrigin(), d.GetOrigin())
    affine = np.abs(a.affine - b.affine).max()
    return a.shape == b.shape and c.GetSize() == d.GetSize() and max(affine, *np.abs(placed), *np.abs(origin)) < 1e-3


def run(case: Case, model: str, out: Path) -> None:
    """Predict one case and print a line for each object."""
    stem = out / case.name.replace(" ", "_").replace("(", "").replace(")", "")
    prompts, labels, report = (stem.with_name(stem.name + s) for s in (".prompts.json", ".nii.gz", ".report.json"))
    order = list(case.masks)
    prompts.write_text(json.dumps({"objects": [prompt_of(n + 1, k, case.masks[k]) for n, k in enumerate(order)]}))
    command = [sys.executable, "-m", "napari_segsam.cli", "predict", str(case.path), "--prompts", str(prompts)]
    command += ["--out", str(labels), "--report", str(report), "--model", model, "--modality", case.modality]
    subprocess.run(command, check=True, capture_output=True)
    found, said = np.asarray(nib.load(labels).dataobj), json.loads(report.read_text())
    found = found.reshape(*found.shape, *[1] * (3 - found.ndim))
    grid = same_grid(labels, case.path) if case.path.name.endswith(".nii.gz") else None
    for n, name in enumerate(order):
        axis, index, wanted = widest(name, case.masks[name])
        told = said["objects"][n]
        score = dice(np.take(found, index, axis) == n + 1, wanted)
        best = told["classes"][0]
        print(
            f"{case.name:24} {name:28} Dice {score:.3f}  predicted IoU {told['iou_predicted']:.2f}  "
            f"says {best['name']} {best['score']:.2f}  grid equal: {'(picture)' if grid is None else grid}",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = asked.out or Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        for case in cases():
            run(case, asked.model, out)


if __name__ == "__main__":
    main()
