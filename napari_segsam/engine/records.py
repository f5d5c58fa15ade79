"""What a report says of one object or suggestion: plain values, ready for JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.slices import AXES, SliceView


def object_record(value: int, view: SliceView, prediction: Prediction) -> dict[str, Any]:
    """One prompted object on one slice.

    Args:
        value: its voxel value in the label map.
        view: the slice.
        prediction: the answer whose mask was kept.
    """
    voxels = int(prediction.mask.sum())
    return {
        "id": value,
        "axis": AXES[view.axis],
        "slice": view.index,
        "voxels": voxels,
        "volume_mm3": voxels * view.volume.grid.voxel_mm3,
        "iou_predicted": float(prediction.iou_predicted),
        "decoder_agreement": float(prediction.decoder_agreement),
        "classes": [{"name": c.name, "score": float(c.score)} for c in prediction.classes],
    }


def suggestion_record(view: SliceView, suggestion: Suggestion) -> dict[str, Any]:
    """One object that nobody prompted; its box is in voxel indices, both corners inside it."""
    box = suggestion.box
    corners = np.rint(view.rc_to_ijk([(box.row_min, box.col_min), (box.row_max, box.col_max)])).astype(int)
    return {
        "axis": AXES[view.axis],
        "slice": view.index,
        "class": suggestion.name,
        "score": float(suggestion.score),
        "voxels": int(suggestion.mask.sum()),
        "box": {"min": corners.min(axis=0).tolist(), "max": corners.max(axis=0).tolist()},
    }
