"""What is said of an answer: in a report, as plain values ready for JSON, and to the person, in words."""

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


def in_words(prediction: Prediction, name: str | None) -> str:
    """What a person reads under the image, e.g. ``"liver 0.93"``."""
    scores = {c.name: c.score for c in prediction.classes}
    if name is None:
        return f"mask {prediction.iou_predicted:.2f}"
    return f"{name} {scores[name]:.2f}" if name in scores else name
