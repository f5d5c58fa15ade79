"""Each row of the zoo through the command line on real images, beside the public segment_anything, in one run.

    python benchmarks/zoo/rows.py [ROW ...] [--rounds 2] [--threads 2] [--page docs/speed-zoo.md]

For each row a stand-in for its published file is written (``rows_files.py``), used by `segsam predict` (where it takes
no prompt, `segsam suggest`) on a slice of a CT and on an RGB picture, and deleted. The label map is read back: it must
lie on the scan's grid and hold, on that slice and nowhere else, as many voxels of each object as the report says. After
it SAM's public predictor does the same with the RGB picture, at the same input size (``rows_public.py``). Both are
processes of their own; the peak is their resident memory, "load" is all that they do beside the picture and the
answers, and "CPU" what the whole process took of the processor, which a busy machine changes least. Needs the folder
that SEGSAM_SHARED names, ../shared by default.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from rows_files import AS_BASE, Row, choice, made, named
from rows_scans import Scene, scenes

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from pages import command, table, write_between

from napari_segsam.core.prediction import dice
from napari_segsam.io.labels.importing import read_any
from napari_segsam.io.sandbox import read_volume

_MARK = "rows"
_HEADER = (
    "row", "file (MB)", "px", "load (s)", "picture (s)", "answer (s)", "CPU (s)", "peak (GB)", "SAM: load (s)",
    "picture (s)", "answer (s)", "CPU (s)", "peak (GB)", "its weights", "picture, SAM / ours", "CPU, SAM / ours",
    "peak, SAM / ours", "Dice", "voxels CT, RGB",
)  # fmt: skip


_STAGES = ("load", "embed", "answer", "cpu", "peak")


@dataclass(frozen=True)
class Process:
    """What a process took: seconds on the clock and of the processor, resident memory in GB; and what it printed."""

    seconds: float
    cpu: float
    peak: float
    printed: str


@dataclass(frozen=True)
class Run:
    """A row, or SAM, on one picture.

    Attributes:
        figures: seconds ``embed`` for the picture, ``answer`` for each prompt, ``load`` for all else that the process
            did; ``cpu`` seconds and ``peak`` GB of the whole process.
        said: the JSON that it printed or wrote.
        labels: (ni, nj) values on the slice.
    """

    figures: dict[str, float]
    said: dict[str, Any]
    labels: np.ndarray[Any, Any]


def measured(words: list[str], threads: int) -> Process:
    """Run a command.

    Raises:
        SystemExit: it failed; says why.
    """
    env = os.environ | {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(words, stdout=out, stderr=err, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode, took = os.waitstatus_to_exitcode(status), time.perf_counter() - began
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)}\nended with {process.returncode}: {err.read()[-2000:]}")
        return Process(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9, out.read())


def ours(row: Row, model: str, scene: Scene, folder: Path, threads: int) -> Run:
    """`segsam predict`, or `suggest`, and what it wrote."""
    out, report, prompts = folder / "labels.nii.gz", folder / "report.json", folder / "prompts.json"
    prompts.write_text(json.dumps({"objects": list(_objects(row, scene))}))
    asked = ["--prompts", str(prompts)] if row.points or row.boxes else ["--slices", str(scene.slice)]
    verb = "predict" if row.points or row.boxes else "suggest"
    words = [verb, str(scene.path), *asked, "--out", str(out), "--report", str(report)]
    program = [sys.executable, "-m", "napari_segsam.cli", *words, "--model", model, "--device", "cpu"]
    process = measured(program, threads)
    said = json.loads(report.read_text())
    embed, decode = (said["seconds"][stage] for stage in ("embed", "decode"))
    return Run(_figures(process, embed, decode, len(said["objects"])), said, read_back(scene, out, said))


def _figures(process: Process, embed: float, decode: float, answers: int) -> dict[str, float]:
    stages = {"load": process.seconds - embed - decode, "embed": embed, "answer": decode / max(answers, 1)}
    return stages | {"cpu": process.cpu, "peak": process.peak}


def _objects(row: Row, scene: Scene) -> Iterator[dict[str, Any]]:
    """An object for each kind of prompt that the row takes."""
    if row.boxes:
        corners = dict(zip(("min", "max"), scene.box, strict=True))
        yield {"id": 1, "axis": "k", "slice": scene.slice, "box": corners}
    if row.points:
        yield {"id": 2, "axis": "k", "slice": scene.slice, "points": [{"ijk": scene.click}]}


def read_back(scene: Scene, out: Path, said: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The slice of a label map that was written.

    Raises:
        SystemExit: it lies elsewhere than the scan, or holds anything else than the report says.
    """
    volume = read_volume(scene.path)
    voxels = read_any(out, volume.grid).voxels
    affine = nib.load(out).affine
    if scene.path.name.endswith(".nii.gz") and not np.allclose(affine, nib.load(scene.path).affine):
        raise SystemExit(f"{out}: its affine is not the scan's.")
    there: np.ndarray[Any, Any] = np.asarray(voxels[:, :, scene.slice])
    if np.count_nonzero(voxels) != np.count_nonzero(there):
        raise SystemExit(f"{out}: it holds labels beside slice {scene.slice}.")
    for found in said["objects"]:
        if int((there == found["id"]).sum()) != found["voxels"]:
            raise SystemExit(f"{out}: object {found['id']} has not the {found['voxels']} voxels of the report.")
    return there


def theirs(row: Row, file: Path, name: str, folder: Path, threads: int) -> Run:
    """The public predictor's answer to the same prompts; to one click where the row takes none."""
    masks = folder / "masks.npz"
    script = [sys.executable, str(Path(__file__).with_name("rows_public.py")), str(file), row.peer, str(row.side), name]
    less = ["--no-box"] if not row.boxes else ["--no-click"] if not row.points else []
    process = measured([*script, *less, "--masks", str(masks)], threads)
    said = json.loads(process.printed.splitlines()[-1])
    drawn = np.load(masks)
    on_slice = [(value, drawn[kind]) for value, kind in ((1, "box"), (2, "click")) if kind in drawn]
    labels = np.zeros(on_slice[0][1].shape, np.int32)
    for value, mask in sorted(on_slice, key=lambda pair: -int(pair[1].sum())):  # the smaller one keeps a voxel, as ours
        labels[mask] = value
    return Run(_figures(process, said["embed"], said["decode"], len(on_slice)), said, labels)


def line(row: Row, rounds: int, threads: int) -> list[object]:
    """Measure a row.

    Raises:
        SystemExit: what was written is not where or what it should be.
    """
    with tempfile.TemporaryDirectory(prefix="segsam-zoo-") as name:
        folder = Path(name)
        file, base = made(row, folder), made(AS_BASE, folder) if row.is_difference else None
        here: dict[str, list[Run]] = {}
        public: list[Run] = []
        for _ in range(rounds):
            for kind, scene in scenes().items():
                here.setdefault(kind, []).append(ours(row, choice(row, file, base), scene, folder, threads))
            public.append(theirs(row, base or file, "RGB", folder, threads))
        megabytes = file.stat().st_size / 1e6
    mine, sams = _medians([run for runs in here.values() for run in runs]), _medians(public)
    found = ", ".join(f"{np.count_nonzero(runs[-1].labels):,}" for runs in here.values())
    weights = f"{public[0].said['tensors']} of {public[0].said['of']}"
    alike = f"{_alike(here['RGB'][-1], public[-1]):.3f}" if row.family == "sam" else "–"
    ratios = [f"{sams[k] / mine[k]:.2f}" for k in ("embed", "cpu", "peak")]
    figures = [f"{each[k]:.2f}" for each in (mine, sams) for k in _STAGES]
    return [row.name, f"{megabytes:.0f}", row.side, *figures, weights, *ratios, alike, found]


def _medians(runs: list[Run]) -> dict[str, float]:
    found = {k: float(np.median([run.figures[k] for run in runs])) for k in _STAGES}
    return found | {"peak": max(run.figures["peak"] for run in runs)}


def _alike(mine: Run, public: Run) -> float:
    """The smallest Dice of an object's masks; a picture's (rows, columns) are its (j, i)."""
    return min(dice((mine.labels == value).T, public.labels == value) for value in (1, 2))


def kept(page: Path) -> dict[str, str]:
    """The lines of a page's table by their rows."""
    lines = page.read_text(encoding="utf-8").split(f"<!-- {_MARK}: begin -->")[1].split("<!--")[0].splitlines()
    return {text.split("|")[1].strip(): text for text in lines if text.startswith("| ")}


def main() -> None:
    """Measure, a row at a time, and keep each in the page as soon as it is there."""
    parser = command(__doc__, _MARK)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    for row in named(asked.rows):
        text = table(_HEADER, [line(row, asked.rounds, asked.threads)])
        print(text if row is named(asked.rows)[0] else text.splitlines()[-1], flush=True)
        if asked.page:
            before = kept(asked.page) | {row.name: text.splitlines()[-1]}
            ordered = [before[each.name] for each in named([]) if each.name in before]
            write_between(asked.page, _MARK, "\n".join([*text.splitlines()[:2], *ordered]))


if __name__ == "__main__":
    main()
