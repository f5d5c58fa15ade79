"""A label map from memory to .nii.gz: ours beside SimpleITK and nibabel.

    python benchmarks/speed/label_export.py [--shape 512,512,300] [--rounds 5] [--json FILE]

The built-in phantom's organs, enlarged, as the session holds them: (i, j, k) uint16. All three write them as uint8 with
their own usual compression, and each file must give the same voxels on the same affine, to the byte, before any is
timed. They then write in turn, there and back (A B C C B A) in every round; the ratio of a round is that of its sums,
and what is reported is the median ratio with a bootstrap interval over rounds. What only ours does afterwards, flushing
to the disk and reading back through SimpleITK and nibabel, is timed apart, and so is the whole export.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from dicom_read import interval, seconds
from numpy.typing import NDArray

from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.io.labels.export import export_labels
from napari_segsam.io.labels.nifti import write_nifti_labels
from napari_segsam.io.labels.proof import prove_image
from napari_segsam.io.labels.voxel_bytes import as_stored
from napari_segsam.io.phantom.sample import torso_phantom_labels

AIMS = {"times ours, the faster peer": 1.0}


def enlarged(shape: Sequence[int]) -> LabelMap:
    """The phantom's organs on another number of voxels of the same box."""
    small = torso_phantom_labels()
    at = [np.arange(n) * s // n for n, s in zip(shape, small.grid.shape, strict=True)]
    affine = small.grid.affine.copy()
    affine[:3, :3] *= np.array(small.grid.shape) / np.array(shape)
    return LabelMap(Grid((shape[0], shape[1], shape[2]), affine), small.voxels[np.ix_(*at)], small.labels)


def ours(path: Path, labels: LabelMap) -> None:
    """As the product writes them."""
    write_nifti_labels(path, as_stored(labels.voxels), labels.grid, "")


def itk(path: Path, labels: LabelMap) -> None:
    """By SimpleITK."""
    image: Any = sitk.GetImageFromArray(labels.voxels.T.astype(np.uint8))
    spacing = np.array(labels.grid.spacing_mm)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((labels.grid.affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(labels.grid.affine[:3, 3].tolist())
    sitk.WriteImage(image, str(path), useCompression=True)


def nibabel(path: Path, labels: LabelMap) -> None:
    """By nibabel."""
    nib.save(nib.Nifti1Image(labels.voxels.astype(np.uint8), LPS_RAS @ labels.grid.affine), path)  # type: ignore[no-untyped-call]


WRITERS: dict[str, Callable[[Path, LabelMap], None]] = {"ours": ours, "SimpleITK": itk, "nibabel": nibabel}


def check(path: Path, labels: LabelMap) -> bool:
    """Whether a file holds exactly these labels on this affine, but for float32."""
    image: Any = nib.load(path)
    same = np.array_equal(np.asanyarray(image.dataobj), labels.voxels)
    return same and bool(np.abs(LPS_RAS @ image.affine - labels.grid.affine).max() < 1e-4)


def measure(folder: Path, labels: LabelMap, rounds: int) -> dict[str, NDArray[Any]]:
    """(rounds, 2) seconds by wall and by processor of each writer."""
    taken: dict[str, list[NDArray[Any]]] = {name: [] for name in WRITERS}
    for _ in range(rounds):
        spent = {name: np.zeros(2) for name in WRITERS}
        for name in (*WRITERS, *reversed(WRITERS)):
            path = folder / f"{name}.nii.gz"
            spent[name] += seconds(lambda write=WRITERS[name], path=path: write(path, labels))  # type: ignore[misc]
        for name, both in spent.items():
            taken[name].append(both / 2)
    return {name: np.array(times) for name, times in taken.items()}


def afterwards(folder: Path, labels: LabelMap, rounds: int) -> dict[str, list[float]]:
    """Median wall and processor seconds of what follows the writing, and of the whole export."""
    path, stored = folder / "ours.nii.gz", as_stored(labels.voxels)

    def flush() -> None:
        ours(path, labels)
        handle = os.open(path, os.O_RDWR)
        began.append(seconds(lambda: os.fsync(handle)))
        os.close(handle)

    began: list[tuple[float, float]] = []
    for _ in range(rounds):
        flush()
    proof = [seconds(lambda: prove_image(path, path.name, stored, labels.grid)) for _ in range(rounds)]
    whole = [seconds(lambda: export_labels(folder / "whole.nii.gz", labels, "nifti")) for _ in range(rounds)]
    steps = {"flush": began, "read back": proof, "whole export": whole}
    return {step: np.median(np.array(times), axis=0).tolist() for step, times in steps.items()}


def report(shape: Sequence[int], rounds: int) -> dict[str, Any]:
    """All figures of one run, and print them."""
    labels = enlarged(shape)
    found: dict[str, Any] = {"shape": list(shape), "rounds": rounds, "writers": {}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, write in WRITERS.items():
            write(folder / f"{name}.nii.gz", labels)
            if not check(folder / f"{name}.nii.gz", labels):
                sys.exit(f"{name} writes other labels; nothing was timed.")
        times = measure(folder, labels, rounds)
        sizes = {name: (folder / f"{name}.nii.gz").stat().st_size for name in WRITERS}
        found["afterwards (s)"] = afterwards(folder, labels, rounds)
    print(f"{' x '.join(map(str, shape))} voxels, {len(labels.labels)} labels, {rounds} rounds, same file content: yes")
    for name, taken in times.items():
        ratios = {kind: interval(taken[:, n] / times["ours"][:, n]) for n, kind in enumerate(("wall", "processor"))}
        median = np.median(taken, axis=0).tolist()
        found["writers"][name] = {"wall, processor (s)": median, "bytes": sizes[name], "ratio": ratios}
        wall, processor = (f"{m:.2f} ({low:.2f}-{high:.2f})" for m, low, high in ratios.values())
        times_ours = f"{wall} times ours by wall, {processor} by processor"
        print(f"{name:10} {median[0]:6.2f} s wall {median[1]:6.2f} s processor  {sizes[name]:9} bytes  {times_ours}")
    for step, (wall_s, processor_s) in found["afterwards (s)"].items():
        print(f"ours, {step}: {wall_s:.2f} s wall, {processor_s:.2f} s processor")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=lambda text: [int(n) for n in text.split(",")], default=[512, 512, 300])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found = report(options.shape, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(found | {"aims": AIMS}, indent=2))


if __name__ == "__main__":
    main()
