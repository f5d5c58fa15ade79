"""Several series: a picker with what the files say, by mouse and by keyboard, from napari's Open and from the dock."""

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QFileDialog

from napari_segsam.core.errors import UnreadableInputError, WriteError
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.gui import opening, reader
from napari_segsam.gui.label_files import FORMATS, Scan, write_proven
from napari_segsam.gui.picker import SeriesPicker
from napari_segsam.io.series_info import Evened, SeriesInfo
from tests.fakes import block_volume
from tests.io.dicom.dicom_files import with_a_gap

CT = SeriesInfo("1.2", "ct", "portal venous", (48, 40, 12), (1.0, 1.0, 2.5), "LPS")
MR = SeriesInfo("1.3#2", "mr", "T2 echo 2", (24, 20, 8), (2.0, 2.0, 4.0), "PSR", warnings=("Tilted by 3°.",))
GAP = SeriesInfo("1.4", "ct", "arterial", (48, 40, 11), (1.0, 1.0, 0.0), "LPS", refused="A slice is missing at 12 mm.")
UNEVEN = replace(
    GAP, uid="1.5", evened=Evened((48, 40, 14), (1.0, 1.0, 2.5), "LPS", "Slices were resampled: 11 became 14.")
)
SAID = (
    "Slices were resampled: 7 at distances of 2.00 to 4.00 mm became 8 at 2.00 mm, "
    "1 of them interpolated between their neighbours."
)


@pytest.fixture
def picker(qtbot):
    made = SeriesPicker([GAP, MR, CT])
    qtbot.addWidget(made)
    made.show()
    return made


def cells(picker, row):
    return [picker.table.item(row, column).text() for column in range(picker.table.columnCount())]


def test_it_lists_what_the_files_say_of_the_pictures(picker):
    assert cells(picker, 0) == ["MR", "T2 echo 2 #2", "24 × 20", "8", "2 × 2 × 4", "sagittal, PSR", "Tilted by 3°."]
    assert cells(picker, 1)[:6] == ["CT", "portal venous", "48 × 40", "12", "1 × 1 × 2.5", "axial, LPS"]


def test_what_is_refused_is_last_and_grey_with_its_reason(picker):
    assert cells(picker, 2)[-1] == "A slice is missing at 12 mm."
    assert picker.table.item(2, 0).toolTip() == "A slice is missing at 12 mm."
    assert picker.table.item(2, 0).flags() == Qt.ItemFlag.NoItemFlags
    QTest.mouseClick(
        picker.table.viewport(),
        Qt.MouseButton.LeftButton,
        pos=picker.table.visualItemRect(picker.table.item(2, 1)).center(),
    )
    assert GAP not in picker.chosen


def test_what_no_header_says_is_a_question_mark(qtbot):
    nothing = SeriesInfo("", "unknown", "", (0, 0, 0), (0.0, 0.0, 0.0), "", refused="a.dcm: the header is damaged.")
    made = SeriesPicker([CT, nothing])
    qtbot.addWidget(made)
    assert cells(made, 1)[:5] == ["?", "", "? × ?", "?", "? × ? × ?"]


def test_the_largest_is_chosen_at_first_and_enter_opens_it(picker):
    assert picker.chosen == [CT]
    QTest.keyClick(picker.table, Qt.Key.Key_Return)
    assert picker.result() == 1


def test_arrows_and_shift_choose_several(picker):
    QTest.keyClick(picker.table, Qt.Key.Key_Up)
    assert picker.chosen == [MR]
    QTest.keyClick(picker.table, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert picker.chosen == [MR, CT]


def test_a_double_click_opens_that_one(picker):
    place = picker.table.visualItemRect(picker.table.item(0, 1)).center()
    QTest.mouseClick(picker.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(picker.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert picker.result() == 1
    assert picker.chosen == [MR]


def test_with_nothing_chosen_nothing_can_be_opened(picker):
    picker.table.clearSelection()
    button = picker.buttons.button(QDialogButtonBox.StandardButton.Open)
    assert not button.isEnabled()


# -- uneven slices


def tick(picker):
    QTest.mouseClick(picker.even, Qt.MouseButton.LeftButton, pos=QPoint(9, picker.even.height() // 2))


def press_open(picker):
    QTest.mouseClick(picker.buttons.button(QDialogButtonBox.StandardButton.Open), Qt.MouseButton.LeftButton)


@pytest.fixture
def uneven_picker(qtbot):
    made = SeriesPicker([UNEVEN, GAP, CT])
    qtbot.addWidget(made)
    made.show()
    return made


def test_where_resampling_helps_nothing_it_is_not_offered(picker):
    assert not picker.even.isVisible()


def test_an_uneven_series_is_grey_until_the_box_is_ticked_and_then_as_it_will_be_opened(uneven_picker):
    table = uneven_picker.table
    assert cells(uneven_picker, 1)[3:] == ["11", "1 × 1 × ?", "axial, LPS", "A slice is missing at 12 mm."]
    assert table.item(1, 0).flags() == Qt.ItemFlag.NoItemFlags
    tick(uneven_picker)
    assert cells(uneven_picker, 1)[3:] == ["14", "1 × 1 × 2.5", "axial, LPS", "Slices were resampled: 11 became 14."]
    assert table.item(1, 0).flags() & Qt.ItemFlag.ItemIsSelectable
    assert table.item(2, 0).flags() == Qt.ItemFlag.NoItemFlags
    assert uneven_picker.chosen == [CT]
    table.selectAll()
    assert uneven_picker.chosen == [CT, UNEVEN]
    tick(uneven_picker)
    assert uneven_picker.chosen == [CT]


def test_the_only_series_is_chosen_once_it_can_be_opened(qtbot):
    alone = SeriesPicker([UNEVEN])
    qtbot.addWidget(alone)
    alone.show()
    button = alone.buttons.button(QDialogButtonBox.StandardButton.Open)
    assert not alone.chosen and not button.isEnabled()
    QTest.keyClick(alone.focusWidget(), Qt.Key.Key_Space)
    assert alone.chosen == [UNEVEN] and button.isEnabled()
    tick(alone)
    assert not alone.chosen and not button.isEnabled()


# -- through napari and the dock


class Person:
    """Answers the picker as soon as it is there."""

    def __init__(self, answer):
        self.answer, self.seen = answer, []
        self.timer = QTimer()
        self.timer.timeout.connect(self.look)
        self.timer.start(20)

    def look(self):
        shown = [w for w in QApplication.topLevelWidgets() if isinstance(w, SeriesPicker) and w.isVisible()]
        if shown:
            self.timer.stop()
            self.seen.append([cells(shown[0], row)[1] for row in range(shown[0].table.rowCount())])
            self.answer(shown[0])


def press(key):
    return lambda picker: QTest.keyClick(picker.table, key)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder in which two series and a refused one are found."""
    volumes = {CT.uid: block_volume((48, 40, 12)), MR.uid: block_volume((24, 20, 8))}
    monkeypatch.setattr(opening, "list_series", lambda path: [GAP, MR, CT])
    monkeypatch.setattr(opening, "read_volume", lambda path, series, resample: volumes[series])
    return tmp_path


def test_naparis_open_asks_and_opens_what_was_chosen(hand, folder):
    person = Person(press(Qt.Key.Key_Return))
    hand.viewer.open(folder, plugin="napari-segsam")
    assert person.seen == [["T2 echo 2 #2", "portal venous", "arterial"]]
    (scan,) = hand.viewer.layers
    assert scan.data.shape == (12, 40, 48)
    assert (scan.metadata["segsam_origin"].path, scan.metadata["segsam_origin"].series) == (folder, "1.2")


def test_the_picker_has_naparis_colours_though_no_window_is_active(hand, folder, monkeypatch):
    monkeypatch.setattr(QApplication, "activeWindow", lambda: None)
    shades = []

    def look(picker):
        shades.append(picker.table.viewport().grab().toImage().pixelColor(5, picker.table.viewport().height() - 5))
        picker.reject()

    person = Person(look)
    hand.viewer.open(folder, plugin="napari-segsam")
    assert person.seen and shades[0].lightness() < 100


def test_naparis_open_opens_nothing_where_escape_was_pressed(hand, folder):
    person = Person(press(Qt.Key.Key_Escape))
    assert hand.viewer.open(folder, plugin="napari-segsam") == []
    assert person.seen
    assert not hand.viewer.layers


def test_the_docks_button_opens_several_and_works_on_the_last(hand, folder, monkeypatch):
    dock = hand.open_dock(ready=False)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(folder))
    person = Person(lambda picker: (picker.table.selectAll(), picker.accept()))
    dock.scan_panel.open.menu().actions()[1].trigger()
    hand.wait(lambda: dock.workbench.controller and dock.workbench.controller.predictor)
    hand.rest()
    scans = dock.workbench.scans
    assert {s.data.shape for s in scans} == {(12, 40, 48), (8, 20, 24)}
    assert dock.workbench.origin.series == CT.uid
    assert len(person.seen) == 1


def test_one_series_is_opened_without_a_question(hand, folder, monkeypatch):
    monkeypatch.setattr(opening, "list_series", lambda path: [CT])
    person = Person(press(Qt.Key.Key_Escape))
    hand.viewer.open(folder, plugin="napari-segsam")
    person.timer.stop()
    assert not person.seen
    assert len(hand.viewer.layers) == 1


def test_where_all_are_refused_the_dock_says_why(hand, folder, monkeypatch):
    monkeypatch.setattr(opening, "list_series", lambda path: [GAP, GAP])
    dock = hand.open_dock(ready=False)
    dock.workbench.open_path(folder)
    assert "A slice is missing at 12 mm." in dock.error.text
    with pytest.raises(UnreadableInputError):
        opening.layers_at(folder)


@pytest.fixture
def uneven(tmp_path):
    """A folder with one series of 8 slices, the sixth of which is missing."""
    return with_a_gap(tmp_path / "ct", block_volume().voxels, 5)


def test_an_uneven_series_is_opened_resampled_by_two_clicks_and_the_dock_says_so(hand, uneven, monkeypatch):
    dock = hand.open_dock(ready=False)
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *a: str(uneven))
    person = Person(lambda picker: (tick(picker), press_open(picker)))
    dock.scan_panel.open.menu().actions()[1].trigger()
    hand.wait(lambda: dock.workbench.controller and dock.workbench.controller.predictor)
    hand.rest()
    assert len(person.seen) == 1
    assert hand.session.volume.grid.shape == (24, 20, 8)
    assert hand.session.volume.resampled == SAID
    assert SAID in dock.notice.text


def test_labels_of_a_scan_opened_resampled_record_it(hand, uneven, tmp_path):
    person = Person(lambda picker: (tick(picker), press_open(picker)))
    hand.viewer.open(uneven, plugin="napari-segsam")
    assert person.seen
    scan = Scan(hand.viewer.layers[0].metadata["segsam_volume"], hand.viewer.layers[0].metadata["segsam_origin"])
    labels = LabelMap(scan.volume.grid, labels={1: Label(1, "liver")})
    labels.voxels[2:9, 2:8, 3:7] = 1
    for written in FORMATS:
        path = tmp_path / f"x{written.suffixes[0]}"
        if written.kind == "rtstruct":
            with pytest.raises(WriteError, match="slices of this scan were interpolated"):
                write_proven(path, labels, written, scan)
        else:
            assert SAID in write_proven(path, labels, written, scan)


def test_without_yes_an_uneven_series_is_not_opened(hand, uneven, monkeypatch):
    person = Person(press(Qt.Key.Key_Escape))
    assert hand.viewer.open(uneven, plugin="napari-segsam") == []
    assert person.seen
    monkeypatch.setattr(opening, "in_a_window", lambda: False)
    with pytest.raises(UnreadableInputError, match="a slice is probably missing: export the series again"):
        opening.layers_at(uneven)


def test_without_a_window_every_series_that_can_be_shown_is_read(folder, monkeypatch):
    monkeypatch.setattr(opening, "in_a_window", lambda: False)
    layers = reader.read_layers(str(folder))
    assert [np.shape(data) for data, _, _ in layers] == [(8, 20, 24), (12, 40, 48)]


def test_series_of_a_real_folder_are_listed_and_opened(hand, shared_data):
    folder = shared_data / "dicom" / "mr_series_btp"
    person = Person(press(Qt.Key.Key_Return))
    hand.viewer.open(folder, plugin="napari-segsam")
    person.timer.stop()
    assert hand.viewer.layers
