"""DICOM that we write, judged by validators: every series of a collection, exported as each kind of DICOM label map.

    python benchmarks/scans/validators.py DATA [--page docs/figures.md]

Needs ``dciodvfy`` (Debian package dicom3tools). An export is judged by the errors that it has and its images have
not: patient and study are copied from them as they are, faults included. ``dicom-validator`` runs where its tables of
the standard can be had; it fetches them from the network.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from real_files import folders, read_as_dicom

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io.dicom.read import series_at
from napari_segsam.io.dicom.source import Source, read_source
from napari_segsam.io.formats import list_series
from napari_segsam.io.labels.export import export_labels

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from pages import command, table, write_between

KINDS = {"DICOM-SEG (BINARY)": ("dicom-seg", False), "DICOM-SEG (LABELMAP)": ("dicom-seg", True),
         "RTSTRUCT": ("rtstruct", False)}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """One export: its kind and the distinct errors, or why there is none."""

    kind: str
    errors: frozenset[str] = frozenset()
    refused: str = ""


def errors_of(path: Path) -> frozenset[str]:
    """What dciodvfy calls an error in a file."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return frozenset(line for line in lines if line.startswith("Error"))


def labels_on(grid: Grid) -> LabelMap:
    """A liver with a ring round it, away from the border where there is room."""
    labels = LabelMap(grid)
    centre = [(n - 1) / 2 for n in grid.shape]
    apart = sum(((np.arange(n) - c) / max(n / 3, 1)).reshape([-1 if a == b else 1 for b in range(3)]) ** 2
                for a, (n, c) in enumerate(zip(grid.shape, centre, strict=True)))  # fmt: skip
    labels.voxels[apart < 1] = 2
    labels.voxels[apart < 0.4] = 1
    labels.labels.update({1: Label(1, "liver"), 2: Label(2, "spleen")})
    return labels


def judged(data: Path) -> Iterator[Judged]:
    """Every series that opens, in every kind."""
    seen = set()
    for folder, files in folders(data):
        if not any(map(read_as_dicom, files)):
            continue
        try:
            listed = [s.uid for s in list_series(folder) if not s.refused and s.uid not in seen]
        except SegsamError:
            continue
        for uid in listed:
            seen.add(uid)
            stack = series_at(folder, uid).stack
            if stack is not None:
                yield from _exports(read_source(folder, uid), stack.frames[0].path)


def _exports(source: Source, image: Path) -> Iterator[Judged]:
    inherited = errors_of(image)
    with tempfile.TemporaryDirectory() as place:
        for title, (kind, labelmap) in KINDS.items():
            out = Path(place) / "labels.dcm"
            try:
                export_labels(out, labels_on(source.grid), kind, source, labelmap=labelmap)
            except SegsamError as error:
                yield Judged(title, refused=str(error))
                continue
            yield Judged(title, errors_of(out) - inherited)


def report(found: Sequence[Judged]) -> str:
    """Files without an error by kind, and every error with how many files have it."""
    rows = []
    for kind in KINDS:
        of_kind = [j for j in found if j.kind == kind]
        written = [j for j in of_kind if not j.refused]
        rows.append((kind, len(written), sum(not j.errors for j in written), len(of_kind) - len(written)))
    text = table(("written", "files", "without an error of our making", "refused"), rows)
    for what, counts in (
        ("Errors", Counter((j.kind, e) for j in found for e in j.errors)),
        ("Refused", Counter((j.kind, j.refused) for j in found if j.refused)),
    ):
        text += f"\n{what}:\n\n" if counts else ""
        text += "".join(f"- {n} × {kind}: {why}\n" for (kind, why), n in counts.most_common(12))
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns 2 where there is no validator."""
    parser = command(__doc__, "validators")
    parser.add_argument("data", type=Path)
    asked = parser.parse_args(arguments)
    if shutil.which("dciodvfy") is None:
        print("dciodvfy is not there; install the Debian package dicom3tools.", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")
    text = report(list(judged(asked.data)))
    print(text)
    if asked.page:
        write_between(asked.page, "validators", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
