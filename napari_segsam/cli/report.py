"""``--report``: what a run found, for programs; and the same in a few lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from napari_segsam.cli.segmentation import Answer, Segmentation
from napari_segsam.engine.names import unnamed
from napari_segsam.engine.records import object_record, suggestion_record

_SCORES = {"iou_predicted": "IoU", "decoder_agreement": "decoders agree"}
"""What a report says of a mask where the model does, and how it is read out."""


def report(run: Segmentation) -> dict[str, Any]:
    """The answer for programs, once everything is painted and written; see ``docs/reference/cli.md``."""
    volume = run.volume
    return {
        "model": {"name": run.predictor.name, "sha256": run.predictor.sha256},
        "device": run.predictor.device,
        "detector": _detector(run),
        "source": {
            "shape": list(volume.grid.shape),
            "spacing_mm": list(volume.grid.spacing_mm),
            "modality": volume.modality,
            "resampled": volume.resampled or None,
        },
        "objects": [_object(run, a) for a in run.answers],
        "suggestions": [suggestion_record(s.view, s.suggestion, s.window) for s in run.seen],
        "warnings": list(run.warnings),
        "seconds": {stage: round(s, 4) for stage, s in run.seconds.items()},
    }


def summary(run: Segmentation) -> Iterator[str]:
    """What a person wants to know of the run, line by line."""
    for item in (_object(run, a) for a in run.answers):
        named = item["class"] if item["class"] == unnamed(item["id"]) else f"object {item['id']} {item['class']}"
        said = [f"{named}, {item['axis']} {item['slice']}: {item['voxels']} voxels"]
        said += [f"{word} {item[k]:.2f}" for k, word in _SCORES.items() if item[k] is not None]
        yield ", ".join(said)
    yield from (f"note: {w}" for w in run.warnings)


def _detector(run: Segmentation) -> dict[str, Any] | None:
    found = run.detector
    return None if found is None else {"name": found.name, "sha256": found.sha256, "threshold": run.at_least}


def _object(run: Segmentation, answer: Answer) -> dict[str, Any]:
    return object_record(run.labels, answer.object.value, answer.object.view, answer.prediction)
