"""The class of a voxel, and the legend of a slice."""

import numpy as np

from napari_segsam.engine.present import Present, class_at, classes_on_slice, values_in
from tests.fakes import LIVER, SPLEEN

IN_LIVER, IN_SPLEEN, IN_AIR = (5, 5, 4), (18, 5, 4), (2, 15, 4)


def legend(session):
    return classes_on_slice(session, values_in(session.view.of(session.labels.voxels)))


def test_a_voxel_has_the_class_of_what_is_committed_there_else_of_what_is_prompted_or_suggested(controller, session):
    controller.click(*LIVER)
    assert class_at(session, IN_LIVER) == "liver" and class_at(session, IN_SPLEEN) == "spleen"
    assert class_at(session, IN_AIR) is None
    controller.choose_class("renal_stent")
    controller.commit()
    assert class_at(session, IN_LIVER) == "renal_stent"


def test_an_object_without_a_class_is_called_by_its_value(controller, session):
    flat = np.array([np.ravel_multi_index(IN_AIR, session.labels.voxels.shape)])
    session.labels.voxels[IN_AIR] = 7
    controller.record_stroke(flat, np.zeros(1, np.uint16))
    assert class_at(session, IN_AIR) == "object 7"


def test_the_legend_lists_each_class_of_the_slice_once(controller, session):
    controller.click(*LIVER)
    controller.commit()
    controller.next_object()
    controller.click(*SPLEEN)
    assert legend(session) == [
        Present("kidney_left", "suggested"),
        Present("liver", "committed"),
        Present("spleen", "prompted"),
    ]
    controller.show(2, 5)
    assert legend(session) == []
