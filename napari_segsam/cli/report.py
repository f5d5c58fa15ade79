"""``--report``: what a run found, for programs; and the same in a few lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_segsam.cli.segmentation import Answer, Seen, Segmentation
from napari_segsam.core.slices import AXES
from napari_segsam.core.volume import Window

_CLASSES_REPORTED = 5


def report(run: Segmentation) -> dict[str, Any]:
    """The answer for programs, once everything is painted and written; see ``docs/reference/cli.md``."""
    grid = run.volume.grid
    return {
        "model": {"name": run.predictor.name, "sha256": run.predictor.sha256},
        "device": run.predictor.device,
        "source": {"shape": list(grid.shape), "spacing_mm": list(grid.spacing_mm), "modality": run.volume.modality},
        "objects": [_object(run, a) for a in run.answers],
        "suggestions": [_suggestion(s) for s in run.seen],
        "warnings": list(run.warnings),
        "seconds": {stage: round(s, 4) for stage, s in run.seconds.items()},
    }


def summary(run: Segmentation) -> Iterator[str]:
    """What a person wants to know of the run, line by line."""
    for item in (_object(run, a) for a in run.answers):
        yield (
            f"object {item['id']} {item['class']}, {item['axis']} {item['slice']}: {item['voxels']} voxels, "
            f"IoU {item['iou_predicted']:.2f}, decoders agree {item['decoder_agreement']:.2f}"
        )
    yield from (f"note: {w}" for w in run.warnings)


def _object(run: Segmentation, answer: Answer) -> dict[str, Any]:
    entry, prediction = answer.object, answer.prediction
    # Counted in the label map, so that the report and the file never disagree.
    voxels = int((entry.view.of(run.labels.voxels) == entry.value).sum())
    ranked = prediction.classes[:_CLASSES_REPORTED]
    return {
        "id": entry.value,
        "class": run.labels.labels[entry.value].name,
        "axis": AXES[entry.view.axis],
        "slice": entry.view.index,
        "voxels": voxels,
        "volume_mm3": round(voxels * run.volume.grid.voxel_mm3, 3),
        "iou_predicted": round(float(prediction.iou_predicted), 4),
        "decoder_agreement": round(float(prediction.decoder_agreement), 4),
        "window": _window(prediction.window),
        "classes": [{"name": c.name, "score": round(float(c.score), 4)} for c in ranked],
    }


def _suggestion(seen: Seen) -> dict[str, Any]:
    suggestion, view = seen.suggestion, seen.view
    box = suggestion.box
    corners = view.rc_to_ijk([(box.row_min, box.col_min), (box.row_max, box.col_max)])
    return {
        "axis": AXES[view.axis],
        "slice": view.index,
        "class": suggestion.name,
        "score": round(float(suggestion.score), 4),
        "voxels": int(suggestion.mask.sum()),
        "box": {"min": _integers(corners.min(axis=0)), "max": _integers(corners.max(axis=0))},
        "window": _window(seen.window),
    }


def _integers(ijk: NDArray[np.float64]) -> list[int]:
    return [int(v) for v in np.rint(ijk)]


def _window(window: Window | None) -> dict[str, Any] | None:
    return None if window is None else {"centre": window.centre, "width": window.width, "name": window.name}
