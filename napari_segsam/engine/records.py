"""What is said of an answer: in a report, as plain values ready for JSON, and to the person, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segsam.core.labels import LabelMap
from napari_segsam.core.prediction import Prediction, Suggestion
from napari_segsam.core.slices import AXES, SliceView
from napari_segsam.core.terminology import spoken
from napari_segsam.core.volume import Window

_CLASSES_REPORTED = 5


def object_record(labels: LabelMap, value: int, view: SliceView, prediction: Prediction) -> dict[str, Any]:
    """One prompted object on one slice.

    Args:
        labels: its voxels are counted there, so that a report and its file never disagree.
        value: its voxel value.
        view: the slice.
        prediction: the answer.
    """
    voxels = int((view.of(labels.voxels) == value).sum())
    return {
        "id": value,
        "class": labels.labels[value].name,
        "axis": AXES[view.axis],
        "slice": view.index,
        "voxels": voxels,
        "volume_mm3": round(voxels * labels.grid.voxel_mm3, 3),
        "iou_predicted": _score(prediction.iou_predicted),
        "decoder_agreement": _score(prediction.decoder_agreement),
        "window": _window(prediction.window),
        "classes": [{"name": c.name, "score": _score(c.score)} for c in prediction.classes[:_CLASSES_REPORTED]],
    }


def suggestion_record(view: SliceView, suggestion: Suggestion, window: Window | None) -> dict[str, Any]:
    """One object that nobody prompted, seen through ``window``; its box is in voxel indices, both corners inside it.

    Of a detector's, the box is the detector's own, to the nearest voxel.
    """
    box = suggestion.box
    corners = np.rint(view.rc_to_ijk([(box.row_min, box.col_min), (box.row_max, box.col_max)])).astype(int)
    return {
        "axis": AXES[view.axis],
        "slice": view.index,
        "class": suggestion.name,
        "score": _score(suggestion.score),
        "voxels": int(suggestion.mask.sum()),
        "box": {"min": corners.min(axis=0).tolist(), "max": corners.max(axis=0).tolist()},
        "window": _window(window),
    }


def _score(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)


def _window(window: Window | None) -> dict[str, Any] | None:
    return None if window is None else {"centre": window.centre, "width": window.width, "name": window.name}


def in_words(prediction: Prediction, name: str | None) -> str:
    """What a person reads under the image, e.g. ``"liver 0.93"``."""
    scores = {c.name: c.score for c in prediction.classes}
    if name is None:
        return "mask" if prediction.iou_predicted is None else f"mask {prediction.iou_predicted:.2f}"
    return f"{spoken(name)} {scores[name]:.2f}" if name in scores else spoken(name)
