"""What the journal costs: the thread that works, the thread that writes, the disk, and the way back.

    python benchmarks/speed/journal.py [--shape 512,512,300] [--json FILE]

Each deed is done to a session on a CT of this size: a click that corrects a mask, a commit of an organ's outline, a
brush stroke over 100,000 scattered voxels, an undo. "append" is what the thread that works waits, "on disk" what the
other one takes until fsync returns.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_segsam.core.grid import Grid
from napari_segsam.core.prompts import Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Volume
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.recorder import Recorder, Surroundings
from napari_segsam.engine.journal.replay import restore
from napari_segsam.engine.objects import Drawn, Quality
from napari_segsam.engine.session import Session

_COMMITS, _STROKES, _STROKE_VOXELS = 100, 20, 100_000


class _Nobody(ImmediateExecutor):
    """Leaves all that is submitted to who measures it."""

    def submit(self, *_: object, **__: object) -> None:
        """Do nothing."""


class Timed(Recorder):
    """Notes how long it held up the thread that works."""

    appended_s: list[float]

    def hear(self, deed: str, step: object) -> None:
        """See :meth:`Recorder.hear`."""
        began = time.perf_counter()
        super().hear(deed, step)  # type: ignore[arg-type]
        self.__dict__.setdefault("appended_s", []).append(time.perf_counter() - began)


class Bench:
    """A session with a journal in ``folder``."""

    def __init__(self, shape: tuple[int, int, int], folder: Path) -> None:
        rng = np.random.default_rng(0)
        voxels = rng.integers(-1000, 1000, shape, dtype=np.int16)
        self.volume = Volume(Grid(shape, np.diag([0.7, 0.7, 1.0, 1.0])), voxels, modality="ct")
        self.session, self.rng = Session(self.volume), rng
        around = Surroundings(folder, _Nobody(), lambda: None, print)
        self.recorder = Timed(self.session, Identity(self.volume), around)

    def outline(self, number: int) -> NDArray[np.bool_]:
        """(rows, cols) an organ with a wavy edge, a little different on each slice."""
        rows, cols = SliceView(self.volume, 2, 0).shape
        row, col = np.mgrid[:rows, :cols] - np.array([rows, cols]).reshape(2, 1, 1) / 2
        angle = np.arctan2(row, col)
        edge = 0.18 * rows + 20 * np.sin(3 * angle + number) + 8 * np.sin(11 * angle + 2 * number)
        return np.asarray(np.hypot(row, col) < edge + 3 * np.sin(40 * angle))

    def click(self, number: int) -> None:
        """A click that corrects a mask, on another slice each time."""
        self.session.look_at(SliceView(self.volume, 2, number % self.volume.grid.shape[2]))
        self.session.change_prompts(Prompts((Click(20.0, 30.0),), None, self.outline(number)), "point")

    def commit(self, number: int) -> None:
        """That slice's outline."""
        drawn = Drawn(self.session.view, self.outline(number), Quality(0.9, 0.9))
        self.session.draw(self.session.value, [drawn], "commit liver")

    def stroke(self, number: int) -> None:
        """Voxels here and there, as a three-dimensional brush has them."""
        flat = self.session.labels.voxels.reshape(-1)
        start = int(self.rng.integers(flat.size // 2))
        indices = start + np.sort(self.rng.choice(3 * _STROKE_VOXELS, _STROKE_VOXELS, replace=False)).astype(np.int64)
        before = flat[indices]
        flat[indices] = 1 + number % 5
        self.session.record_stroke(indices, before)

    def measure(self, *deeds: Callable[[int], object], count: int) -> dict[str, float]:
        """Do these in turn, ``count`` times; medians, the worst append, and the growth of the file."""
        self.recorder.appended_s, on_disk, began = [], [], self.size
        for number in range(count):
            for deed in deeds:
                deed(number)
                start = time.perf_counter()
                self.recorder.flush()
                on_disk.append(time.perf_counter() - start)
        return {
            "append, median (ms)": float(np.median(self.recorder.appended_s)) * 1e3,
            "append, worst (ms)": max(self.recorder.appended_s) * 1e3,
            "on disk, median (ms)": float(np.median(on_disk)) * 1e3,
            "on disk, worst (ms)": max(on_disk) * 1e3,
            "file (KiB)": (self.size - began) / 1024,
        }

    @property
    def size(self) -> int:
        """Bytes of the journal."""
        return 0 if self.recorder.path is None else self.recorder.path.stat().st_size


def measure(shape: tuple[int, int, int], folder: Path) -> dict[str, dict[str, float]]:
    """All figures of one run."""
    bench = Bench(shape, folder)
    began = time.perf_counter()
    _ = bench.recorder.identity.fingerprint
    hashed = time.perf_counter() - began
    found = {
        f"{_COMMITS} clicks and commits": bench.measure(bench.click, bench.commit, count=_COMMITS),
        f"{_STROKES} strokes of {_STROKE_VOXELS:,} voxels": bench.measure(bench.stroke, count=_STROKES),
        f"{_STROKES} undos": bench.measure(lambda _: bench.session.undo(), count=_STROKES),
    }
    bench.recorder.end(finished=False)
    path = bench.recorder.path
    assert path is not None, "the disk took nothing"
    began = time.perf_counter()
    back = restore(path, bench.recorder.identity)
    took = time.perf_counter() - began
    back.journal.close()
    assert np.array_equal(back.session.labels.voxels, bench.session.labels.voxels)
    return found | {"once": {"hash the scan (s)": hashed, "restore (s)": took}}


def main() -> None:
    """Print the figures; with ``--json`` write them as well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="512,512,300")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    i, j, k = (int(n) for n in asked.shape.split(","))
    with tempfile.TemporaryDirectory() as folder:
        found = measure((i, j, k), Path(folder))
    for name, figures in found.items():
        print(f"{name}: " + ", ".join(f"{what} {value:.3g}" for what, value in figures.items()))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
