"""Label files that are opened without the dock, before their scan or beside it."""

from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.gui import opening
from napari_segsam.gui.reader import read_layers
from napari_segsam.gui.scans import take_labels
from napari_segsam.io.dicom.source import source_of
from napari_segsam.io.labels.export import export_labels
from tests.fakes import block_volume

DRAWN = (10, 8, 5)


def nobody(_layer):
    return False


@pytest.fixture
def told(monkeypatch):
    said: list[str] = []
    monkeypatch.setattr(opening, "show_warning", said.append)
    return said


@pytest.fixture
def scan():
    return block_volume((24, 20, 12))


@pytest.fixture(params=["seg.dcm", "part.seg.nrrd"])
def part(request, tmp_path, scan):
    """A file that holds slices 5 and 6 of the scan alone."""
    labels = LabelMap(scan.grid, labels={1: Label(1, "liver")})
    labels.voxels[10, 8, 5:7] = 1
    path = tmp_path / request.param
    if path.suffix == ".dcm":
        export_labels(path, labels, "dicom-seg", source_of(scan))
    else:
        affine = scan.grid.affine.copy()
        affine[:3, 3] = scan.grid.to_mm((0, 0, 5))
        cut = LabelMap(replace(scan.grid, shape=(24, 20, 2), affine=affine), labels.voxels[:, :, 5:7], labels.labels)
        export_labels(path, cut, "nrrd")
    return path


def labels_in(hand):
    return [layer for layer in hand.viewer.layers if isinstance(layer, Labels)]


def test_a_part_of_a_scan_that_is_opened_alone_says_so_and_goes_to_its_place_with_its_scan(hand, part, scan, told):
    hand.viewer.open(part, plugin="napari-segsam")
    assert len(told) == 1 and part.name in told[0] and "only the part of its scan that is labelled" in told[0]
    hand.open(scan)
    hand.open_dock()
    assert hand.session.labels.labels[1].name == "liver"
    assert [tuple(v) for v in np.argwhere(hand.session.labels.voxels)] == [DRAWN, (10, 8, 6)]
    assert not hand.session.unsaved
    assert [layer.name for layer in labels_in(hand)].count(part.name) == 0


def test_a_part_of_a_scan_in_the_viewer_is_laid_onto_it(hand, part, scan, told):
    shown = hand.open(scan)
    hand.viewer.open(part, plugin="napari-segsam")
    (layer,) = labels_in(hand)
    assert told == [] and layer.data.shape == shown.data.shape
    place = scan.grid.display.display_index(np.array(DRAWN), scan.grid.shape)
    assert layer.data[tuple(place)] == 1
    assert layer.data_to_world(place) == pytest.approx(shown.data_to_world(place))


def test_labels_of_another_frame_of_reference_are_not_taken_up(hand, tmp_path, scan, told):
    own = replace(scan, grid=replace(scan.grid, frame_of_reference="1.2.3"))
    labels = LabelMap(own.grid, labels={1: Label(1, "liver")})
    labels.voxels[DRAWN] = 1
    export_labels(tmp_path / "seg.dcm", labels, "dicom-seg", source_of(own))
    hand.viewer.open(tmp_path / "seg.dcm", plugin="napari-segsam")
    other = replace(scan, grid=replace(scan.grid, frame_of_reference="1.2.4"))
    assert take_labels(hand.viewer.layers, other, nobody) is None
    found, saved = take_labels(hand.viewer.layers, own, nobody)
    assert saved and found.voxels[DRAWN] == 1 and not labels_in(hand)


def test_contours_that_are_opened_without_their_scan_ask_for_it(hand, tmp_path, scan):
    labels = LabelMap(scan.grid, labels={1: Label(1, "liver")})
    labels.voxels[10:13, 8:11, 5] = 1
    export_labels(tmp_path / "rt.dcm", labels, "rtstruct", source_of(scan))
    with pytest.raises(UnreadableInputError, match=r"rt\.dcm holds contours.* open that scan .* first"):
        read_layers(str(tmp_path / "rt.dcm"))
