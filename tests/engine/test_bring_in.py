"""Labels that were made elsewhere become committed ones of the open scan."""

import numpy as np
import pytest

from napari_segsam.core.errors import GridMismatchError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.terminology import Code, Coding


@pytest.fixture
def found(session):
    """A liver (value 1) and a tumour (value 7) that lies in its corner."""
    labels = LabelMap(session.labels.grid)
    labels.voxels[1:4, 1:4, 1:4], labels.voxels[1, 1, 1] = 1, 7
    labels.labels.update({1: Label(1, "liver"), 7: Label(7, "liver_tumor")})
    return labels


def test_labels_keep_their_values_and_names_and_come_and_go_in_one_step(controller, session, found):
    controller.bring_in(found, "liver.nii.gz")
    assert np.array_equal(session.labels.voxels, found.voxels)
    assert session.labels.labels == found.labels
    assert session.undo_names == ("open liver.nii.gz",)
    controller.undo()
    assert not session.labels.voxels.any() and not session.labels.labels


def test_the_codes_of_a_label_come_along(controller, session, found):
    coding = Coding(Code("123037004", "Anatomical Structure"), Code("10200004", "Liver"))
    found.labels[1] = Label(1, "liver", coding)
    controller.bring_in(found, "seg.dcm")
    assert session.labels.labels[1].coding == coding


def test_the_next_object_does_not_get_a_value_that_came_along(controller, session, found):
    controller.bring_in(found, "liver.nii.gz")
    assert session.value not in found.labels


def test_committed_voxels_stay_and_a_taken_value_is_exchanged(controller, session, found):
    session.labels.voxels[1, 1, 1:3] = 1
    before = session.labels.voxels.copy()
    index = np.ravel_multi_index(([1, 1], [1, 1], [1, 2]), session.labels.grid.shape)
    controller.record_stroke(index, np.zeros(2, np.uint16))
    ours = session.labels.labels[1]
    controller.bring_in(found, "liver.nii.gz")
    assert np.array_equal(session.labels.voxels[before > 0], before[before > 0])
    liver = next(v for v, label in session.labels.labels.items() if label.name == "liver")
    assert session.labels.labels[1] == ours and liver not in (1, 7)
    assert (session.labels.voxels == liver).sum() == ((found.voxels == 1) & (before == 0)).sum()


def test_the_same_class_under_the_same_value_goes_on(controller, session, found):
    controller.bring_in(found, "a.nii.gz")
    more = LabelMap(found.grid)
    more.voxels[0, 0, 0] = 1
    more.labels[1] = Label(1, "liver")
    controller.bring_in(more, "b.nii.gz")
    assert session.labels.voxels[0, 0, 0] == 1
    assert [label.name for label in session.labels.labels.values()].count("liver") == 1


def test_labels_on_another_grid_are_refused_and_nothing_changes(controller, session):
    other = Grid(session.labels.grid.shape, session.labels.grid.affine + np.eye(4, k=3) * 0.5)
    with pytest.raises(GridMismatchError, match="open the scan that it belongs to"):
        controller.bring_in(LabelMap(other), "other.nii.gz")
    assert not session.undo_names
