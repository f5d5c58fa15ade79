"""What a report says."""

import json

import numpy as np

from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.prediction import ClassScore, Prediction, Suggestion
from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.records import object_record, suggestion_record
from tests.fakes import block_volume


def test_an_object_s_record_has_the_keys_of_the_contract_and_its_volume_in_cubic_millimetres():
    view = SliceView(block_volume(spacing=3.0), 2, 4)
    mask = np.zeros(view.shape, bool)
    mask[2:5, 3:7] = True
    labels = LabelMap(view.volume.grid, labels={5: Label(5, "liver")})
    labels.apply(labels.patch(view, mask, 5, "add"))
    classes = tuple(ClassScore(name, 0.93) for name in "abcdef")
    said = Prediction(np.ones(view.shape, bool), mask, classes, 0.91, 0.94, window=Window(40.0, 400.0, "soft tissue"))
    record = object_record(labels, 5, view, said)
    assert json.loads(json.dumps(record)) == {
        "id": 5,
        "class": "liver",
        "axis": "k",
        "slice": 4,
        "voxels": 12,
        "volume_mm3": 12 * 27.0,
        "iou_predicted": 0.91,
        "decoder_agreement": 0.94,
        "window": {"centre": 40.0, "width": 400.0, "name": "soft tissue"},
        "classes": [{"name": name, "score": 0.93} for name in "abcde"],
    }


def test_a_suggestion_s_box_is_in_voxels_of_the_file_and_not_in_rows_of_the_screen():
    volume = block_volume()
    for axis, index in ((0, 15), (1, 4), (2, 3)):
        view = SliceView(volume, axis, index)
        spleen = np.asarray(view.pixels == 120)
        record = suggestion_record(view, Suggestion("spleen", np.float32(0.71), spleen), None)
        ijk = np.argwhere(volume.voxels == 120)
        ijk = ijk[ijk[:, axis] == index]
        assert record["box"] == {"min": ijk.min(0).tolist(), "max": ijk.max(0).tolist()}
        assert (record["axis"], record["slice"], record["voxels"]) == ("ijk"[axis], index, len(ijk))
        assert (record["score"], record["window"]) == (0.71, None)
        json.dumps(record)
