"""Memory over a day's work: 1,000 slices of a made-up scan, ten clicks on each, and the slope after the warm-up.

    python benchmarks/speed/memory.py [--slices 1000] [--clicks 10] [--cache-mb 64] [--commit] [--journal] [--json FILE]

Each slice is shown, clicked and answered as in the window, on one thread and without one. The cache of embeddings is
kept small, so that it is full early; what grows after that grows for ever. With ``--commit`` the answer on each slice
is put into the labels, as one object goes through the scan; with ``--journal`` each step is journalled, in a folder
that is gone afterwards. Linux only: memory is what /proc says is resident.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.recorder import Recorder, Surroundings
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.engine.session import Session
from napari_segsam.io.registry import locate

SIDE = 128
AIM_KIB = 16.0
_WARM_UP = 0.3
"""The part of the slices that does not count."""


def made_up_scan(slices: int) -> Volume:
    """Bright ellipses in noise, in Hounsfield units; no two slices alike."""
    rng = np.random.default_rng(0)
    voxels = rng.integers(-60, 60, (SIDE, SIDE, slices), dtype=np.int16)
    rows, cols = np.mgrid[:SIDE, :SIDE]
    for k in range(slices):
        row, col = 64 + 20 * np.sin(k / 40), 64 + 20 * np.cos(k / 25)
        voxels[(rows - row) ** 2 / 300 + (cols - col) ** 2 / 500 < 1, k] += 150
    return Volume(Grid(voxels.shape, np.diag([1.5, 1.5, 3.0, 1.0])), voxels, modality="ct", name="made up")


def resident_kib() -> int:
    """Memory that this process holds now (Linux)."""
    (line,) = [part for part in Path("/proc/self/status").read_text().splitlines() if part.startswith("VmRSS")]
    return int(line.split()[1])


def work(controller: Controller, clicks: int, commit: bool, rng: np.random.Generator) -> None:
    """One slice: so many clicks, and its answer into the labels where asked."""
    for _ in range(clicks):
        row, col = rng.uniform(20, SIDE - 20, 2)
        controller.click(float(row), float(col))
    if commit:
        controller.commit()


def measure(
    model: str, slices: int, clicks: int, cache_mb: int, commit: bool, journals: Path | None = None
) -> dict[str, object]:
    """Resident memory after each slice, in KiB, and its slope after the warm-up; journalled in a folder if there is."""
    session = Session(made_up_scan(slices))
    for untouched in (session.labels.voxels, session.semantic.voxels):
        untouched[...] = 0  # memory that the system had only promised
    cache = EmbeddingCache(cache_mb << 20)
    predictor = load_predictor(locate(model), "cpu", model)
    controller = Controller(session, predictor, ImmediateExecutor(), cache, ())
    failed: list[str] = []
    controller.failed.connect(failed.append)
    around = journals and Surroundings(journals, ImmediateExecutor(), lambda: predictor, failed.append)
    recorder = around and Recorder(session, Identity(session.volume), around)
    rng, held, began = np.random.default_rng(1), [], time.perf_counter()
    for k in range(slices):
        controller.show(2, k)
        work(controller, clicks, commit, rng)
        if k % 50 == 49:
            gc.collect()
        held.append(resident_kib())
    if failed:
        raise SegsamError(f"{len(failed)} of the clicks were not answered: {failed[0]}")
    after = held[round(_WARM_UP * slices) :]
    slope = float(np.polyfit(np.arange(len(after)), after, 1)[0])
    return {
        "slices": slices,
        "clicks on each": clicks,
        "committed": commit,
        "KiB per slice after the warm-up": slope,
        "MiB at the end of the warm-up": after[0] / 1024,
        "MiB at the end": held[-1] / 1024,
        "most MiB": max(held) / 1024,
        "MiB of embeddings": cache.nbytes / 2**20,
        "steps in the history": len(session.undo_names),
        "MiB of journal": recorder.path.stat().st_size / 2**20 if recorder and recorder.path else 0.0,
        "seconds": time.perf_counter() - began,
    }


def main() -> None:
    """Print a table; with ``--json`` write it as well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--slices", type=int, default=1000)
    parser.add_argument("--clicks", type=int, default=10)
    parser.add_argument("--cache-mb", type=int, default=64)
    parser.add_argument("--commit", action="store_true")
    parser.add_argument("--journal", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        journals = Path(folder) if asked.journal else None
        found = measure(asked.model, asked.slices, asked.clicks, asked.cache_mb, asked.commit, journals)
    for name, value in found.items():
        aim = f"   (aim {AIM_KIB:g} or less)" if name.startswith("KiB") else ""
        print(f"{name:34} {value:.1f}{aim}" if isinstance(value, float) else f"{name:34} {value}")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
