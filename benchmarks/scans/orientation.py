"""The orientation matrix: does a label map lie where the scan lies, in every orientation, for every other program?

    python benchmarks/scans/orientation.py [--page docs/figures.md] [--only CODES,...]

An asymmetric phantom with a marked left side is written as a DICOM series, NIfTI and NRRD in all 48 ways to order and
turn its axes, straight, oblique, tilted (slices shifted, as by a gantry) and sheared (skewed in the slice as well).
Each is opened as the product opens it; what is opened is exported as every kind of label map; and each file is read
by libraries that are not ours, which must find every labelled voxel where the phantom has it. What a format cannot
hold has to be refused with a sentence, and is counted apart.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from orientation_inputs import GEOMETRIES, LEFT, NAMES, RIGHT, SOURCES, Phantom, phantoms, write
from orientation_readers import READERS

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io.dicom.source import read_source
from napari_segsam.io.formats import read_volume
from napari_segsam.io.labels.export import export_labels

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from pages import command, table, write_between

KINDS = {"labels.nii": "nifti", "labels.nii.gz": "nifti", "labels.seg.nrrd": "nrrd", "seg.dcm": "dicom-seg",
         "rtstruct.dcm": "rtstruct"}  # fmt: skip
TOLERANCE_MM = 1e-3


@dataclass(frozen=True)
class Outcome:
    """One combination: ``passed``, ``refused``, or what was wrong; the largest error in mm; left/right swaps."""

    source: str
    file: str
    geometry: str
    verdict: str
    error_mm: float = 0.0
    swaps: int = 0
    readers: int = 0


def combinations(only: Sequence[str]) -> Iterator[Outcome]:
    """Every phantom, as every source, out as every file."""
    for phantom in phantoms():
        for source in SOURCES if not only or phantom.codes in only else ():
            with tempfile.TemporaryDirectory() as folder:
                path = write(phantom, source, Path(folder))
                if path is not None:
                    yield from _out(phantom, source, path)


def _out(phantom: Phantom, source: str, path: Path) -> Iterator[Outcome]:
    volume = read_volume(path)
    labels = LabelMap(volume.grid, volume.voxels.astype(np.uint16), {v: Label(v, n) for v, n in NAMES.items()})
    behind = read_source(path)
    for file, kind in KINDS.items():
        out = path.parent / file
        try:
            export_labels(out, labels, kind, behind)
        except SegsamError as error:
            yield Outcome(source, file, phantom.geometry, f"refused: {error}")
            continue
        yield _judge(phantom, source, out)


def _judge(phantom: Phantom, source: str, out: Path) -> Outcome:
    found = [points for reader in READERS[out.name] if (points := reader(out, phantom)) is not None]
    compared = [_compare(phantom, *points) for points in found]
    faults = [fault for fault, _, _ in compared if fault]
    error, swaps = max(e for _, e, _ in compared), sum(s for _, _, s in compared)
    return Outcome(source, out.name, phantom.geometry, faults[0] if faults else "passed", error, swaps, len(found))


def _compare(phantom: Phantom, places: NDArray[np.float64], values: NDArray[np.int64]) -> tuple[str, float, int]:
    """What is wrong ("" for nothing), the largest distance in mm to the nearest voxel of the phantom, and swaps."""
    inverse = np.linalg.inv(phantom.affine)
    index = np.rint(places @ inverse[:3, :3].T + inverse[:3, 3]).astype(int)
    error = float(np.abs(index @ phantom.affine[:3, :3].T + phantom.affine[:3, 3] - places).max(initial=0))
    if (index < 0).any() or (index >= phantom.values.shape).any():
        return "outside the scan", error, 0
    truth = phantom.values[tuple(index.T)]
    swaps = int(((truth == LEFT) & (values == RIGHT) | (truth == RIGHT) & (values == LEFT)).sum())
    fault = "" if len(values) == np.count_nonzero(phantom.values) and (truth == values).all() else "other voxels"
    return fault or ("moved" if error > TOLERANCE_MM else ""), error, swaps


def report(outcomes: Sequence[Outcome]) -> str:
    """The table by source and file, and the sentence above it."""
    refused = Counter(o.verdict.removeprefix("refused: ") for o in outcomes if o.verdict.startswith("refused"))
    held = [o for o in outcomes if not o.verdict.startswith("refused")]
    passed = sum(o.verdict == "passed" for o in held)
    text = (
        f"**{passed:,} of {len(held):,} combinations passed**, {sum(refused.values())} refused; the largest error is "
        f"{max(o.error_mm for o in held):.1e} mm; swaps of left and right: {sum(o.swaps for o in held)}. Files were "
        f"read {sum(o.readers for o in held):,} times.\n\n"
    )
    rows = [
        (source, file, *(_cell([o for o in outcomes if (o.source, o.file, o.geometry) == (source, file, g)])
                         for g in GEOMETRIES))
        for source in SOURCES for file in KINDS
    ]  # fmt: skip
    text += table(("scan", "label map", *GEOMETRIES), rows)
    return text + "".join(f"\nRefused {n} times: {why}\n" for why, n in refused.items())


def _cell(outcomes: Sequence[Outcome]) -> str:
    if not outcomes:
        return "–"
    refused = sum(o.verdict.startswith("refused") for o in outcomes)
    passed = sum(o.verdict == "passed" for o in outcomes)
    return f"refused {refused}" if refused == len(outcomes) else f"{passed} of {len(outcomes) - refused}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 1 where a combination failed."""
    parser = command(__doc__, "orientation")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="axis codes, e.g. LPS,RAS")
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    outcomes = list(combinations(asked.only))
    text = report(outcomes)
    print(text)
    if asked.page:
        write_between(asked.page, "orientation", text)
    return int(any(o.verdict != "passed" and not o.verdict.startswith("refused") for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
