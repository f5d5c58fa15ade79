"""The engine without command line or viewer: open a scan, prompt one slice with a box, save a label map.

Usage: python examples/segment_one_slice.py SCAN K I0,J0,I1,J1 OUT.nii.gz [MODEL]
"""

import sys
from pathlib import Path

from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.protocols import Predictor
from napari_segsam.io.formats import read_volume, write_labels


def segment(predictor: Predictor, scan: Path, k: int, corners: tuple[int, int, int, int], out: Path) -> str:
    """Write the object in the box (i0, j0, i1, j1) on slice ``k``; returns its class."""
    volume = read_volume(scan)
    view = SliceView(volume, axis=2, index=k)
    i0, j0, i1, j1 = corners
    first, second = view.ijk_to_rc([(i0, j0, k), (i1, j1, k)])
    prompts = Prompts(box=Box.between(tuple(first), tuple(second)))

    embedding = predictor.embed(view, predictor.window_for(view, prompts))  # the slow step, once per slice
    prediction = predictor.predict(embedding, prompts)

    name = prediction.classes[0].name
    labels = LabelMap(volume.grid, labels={1: Label(1, name)})
    labels.apply(labels.patch(view, prediction.mask, value=1, name=f"commit {name}"))
    write_labels(out, labels, {1: name})
    return name


if __name__ == "__main__":
    from napari_segsam.engine.predictor import load_predictor
    from napari_segsam.io.registry import locate

    scan, k, corners, out, *model = sys.argv[1:]
    predictor = load_predictor(locate(model[0] if model else "nano"), "auto")
    i0, j0, i1, j1 = (int(c) for c in corners.split(","))
    print(segment(predictor, Path(scan), int(k), (i0, j0, i1, j1), Path(out)))
