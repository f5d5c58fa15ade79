"""Several series: a picker with what the files say, by mouse and by keyboard, from napari's Open and from the dock."""

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialogButtonBox, QFileDialog

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.gui import opening, reader
from napari_segsam.gui.picker import SeriesPicker
from napari_segsam.io.series_info import SeriesInfo
from tests.fakes import block_volume

CT = SeriesInfo("1.2", "ct", "portal venous", (48, 40, 12), (1.0, 1.0, 2.5), "LPS")
MR = SeriesInfo("1.3#2", "mr", "T2 echo 2", (24, 20, 8), (2.0, 2.0, 4.0), "PSR", warnings=("Tilted by 3°.",))
GAP = SeriesInfo("1.4", "ct", "arterial", (48, 40, 11), (1.0, 1.0, 0.0), "LPS", refused="A slice is missing at 12 mm.")


@pytest.fixture
def picker(qtbot):
    made = SeriesPicker([GAP, MR, CT])
    qtbot.addWidget(made)
    made.show()
    return made


def cells(picker, row):
    return [picker.table.item(row, column).text() for column in range(picker.table.columnCount())]


def test_it_lists_what_the_files_say_of_the_pictures(picker):
    assert cells(picker, 0) == ["MR", "T2 echo 2", "24 × 20", "8", "2 × 2 × 4", "sagittal, PSR", "Tilted by 3°."]
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
    monkeypatch.setattr(opening, "read_volume", lambda path, series: volumes[series])
    return tmp_path


def test_naparis_open_asks_and_opens_what_was_chosen(hand, folder):
    person = Person(press(Qt.Key.Key_Return))
    hand.viewer.open(folder, plugin="napari-segsam")
    assert person.seen == [["T2 echo 2", "portal venous", "arterial"]]
    (scan,) = hand.viewer.layers
    assert scan.data.shape == (12, 40, 48)
    assert (scan.metadata["segsam_origin"].path, scan.metadata["segsam_origin"].series) == (folder, "1.2")


def test_naparis_open_opens_nothing_where_escape_was_pressed(hand, folder):
    person = Person(press(Qt.Key.Key_Escape))
    assert hand.viewer.open(folder, plugin="napari-segsam") == []
    assert person.seen
    assert not hand.viewer.layers
    hand.qtbot.wait(10)  # Qt deletes the dialog as soon as there is an event loop again


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
