"""A published model through the dock: chosen, fetched or found, asked which it is, and used with real clicks."""

import threading
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QFileDialog

from napari_segsam.core.errors import DownloadCancelledError, DownloadError
from napari_segsam.engine.protocols import bare
from napari_segsam.gui import loading, model_note, plugin
from napari_segsam.io import hub
from napari_segsam.io import registry as registry_module
from napari_segsam.model.zoo import table
from tests.fakes import block_volume
from tests.zoo import BOXES, FAMILY, written

ROWS = """
[model.nano]
family = "nano"
file = "nano.safetensors"
sha256 = "{sha256}"
size = {size}
licence = "CC0"
input = "points and boxes"
limits = "none"
[model.echo-hub]
family = "echo"
title = "Echo of the hub"
repo = "some/one"
revision = "{revision}"
file = "echo.safetensors"
sha256 = "{sha256}"
size = {size}
side = 64
licence = "MIT, its authors"
input = "points and boxes"
limits = "No classes."
[model.echo-page]
family = "echo"
page = "https://example.org/a/long/way/to/the/file?with=queries"
file = "echo-page.safetensors"
megabytes = 2560.0
licence = "CC0"
input = "points and boxes"
limits = "none"
[model.difference]
family = "difference"
base = "echo-page"
page = "https://example.org/difference"
file = "difference.safetensors"
licence = "CC0"
input = "points"
limits = "none"
"""
LIVER = (6, 6, 4)


@pytest.fixture
def zoo(hand, predictor, tmp_path, monkeypatch):
    """A dock with the fake model in use, and a registry in which only that one is here."""
    file = written(tmp_path)
    whole = {"sha256": sha256(file.read_bytes()).hexdigest(), "size": file.stat().st_size, "revision": "0" * 40}
    rows = tmp_path / "registry.toml"
    rows.write_text(ROWS.format(**whole))
    monkeypatch.setenv("SEGSAM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(table, "FAMILIES", (FAMILY,))
    monkeypatch.setattr(registry_module, "_package_file", lambda name: rows if name == rows.name else file)
    registry_module.registry.cache_clear()
    load = lambda model, device: predictor if model == "nano" else loading.load_model(model, device)  # noqa: E731
    monkeypatch.setattr(plugin, "load_model", load)
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock()
    hand.file, hand.panel = file, hand.dock.scan_panel
    hand.wait(lambda: hand.panel.model.native.findText("echo-hub (not here)") >= 0)
    yield hand
    registry_module.registry.cache_clear()


def choose(hand, name):
    """Open the list and click the row, as a person does."""
    rows = hand.panel.model.native
    rows.showPopup()
    at = next(n for n in range(rows.count()) if rows.itemText(n).split(" ")[0] == name.split(" ")[0])
    view = rows.view()
    view.scrollTo(rows.model().index(at, 0))
    QTest.mouseClick(
        view.viewport(), Qt.MouseButton.LeftButton, pos=view.visualRect(rows.model().index(at, 0)).center()
    )


def press(hand, text):
    """Click the button of the note that begins so."""
    button = next(b for b in hand.panel.note.buttons if b.text().startswith(text))
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def in_use(hand):
    return hand.dock.workbench.controller.predictor.name


def pick(monkeypatch, path):
    """What the person will choose in the next file dialog."""
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))


def test_every_row_says_what_it_is_and_those_that_are_not_here_are_marked(zoo):
    rows = zoo.panel.model.native
    labels = [rows.itemText(n) for n in range(rows.count())]
    assert labels[:4] == ["nano", "echo-hub (not here)", "echo-page (not here)", "difference (not here)"]
    about = rows.itemData(1, Qt.ItemDataRole.ToolTipRole)
    for said in ("Echo of the hub, 64 px", "not here", "No classes.", "MIT, its authors", "some/one@000000000000"):
        assert said in about
    assert "2560 MB" in rows.itemData(2, Qt.ItemDataRole.ToolTipRole)
    assert "Needs echo-page." in rows.itemData(3, Qt.ItemDataRole.ToolTipRole)
    assert not zoo.panel.note.isVisible()


def test_a_model_on_the_hub_is_downloaded_on_request_and_used(zoo, monkeypatch):
    fetched = []

    def fetch(*_):
        if not fetched:
            fetched.append(1)
            raise DownloadError("The hub cannot be reached.")
        monkeypatch.setattr(hub, "cached", lambda *_: zoo.file)
        return zoo.file

    monkeypatch.setattr(hub, "cached", lambda *_: None)
    monkeypatch.setattr(hub, "fetch", fetch)
    choose(zoo, "echo-hub")
    assert "echo-hub</b> is not here" in zoo.panel.note.text.text() and "MIT" in zoo.panel.note.text.text()
    assert zoo.panel.model.value == "nano" and in_use(zoo) == "fake"
    press(zoo, "Download echo-hub")
    zoo.wait(lambda: zoo.dock.error.text == "The hub cannot be reached.")
    press(zoo, "Download echo-hub")
    zoo.wait(lambda: in_use(zoo) == "echo-hub")
    assert zoo.panel.model.value == "echo-hub" and zoo.panel.model.native.findText("echo-hub") >= 0
    assert zoo.dock.minimumSizeHint().width() <= 320


@pytest.fixture
def slow(zoo, monkeypatch):
    """A hub that has given a third, and gives the rest when `come` is set; what it was told of each download."""

    @dataclass
    class Slow:
        come: threading.Event
        downloads: list[hub.Download]

    made = Slow(threading.Event(), [])

    def fetch(_repo, _revision, _file, download):
        made.downloads.append(download)
        download.done = 123_400_000
        while not made.come.wait(0.01):
            if download.cancelled:
                raise DownloadCancelledError("The download was cancelled.")
        monkeypatch.setattr(hub, "cached", lambda *_: zoo.file)
        return zoo.file

    monkeypatch.setattr(hub, "cached", lambda *_: None)
    monkeypatch.setattr(hub, "fetch", fetch)
    monkeypatch.setattr(model_note, "megabytes", lambda entry: 358.0)
    return made


def test_a_download_shows_how_much_has_come_and_can_be_cancelled_and_begun_again(zoo, slow):
    choose(zoo, "echo-hub")
    progress = zoo.panel.note.progress
    assert not progress.isVisible()
    press(zoo, "Download echo-hub")
    zoo.wait(lambda: progress.bar.text() == "123 of 358 MB")
    assert progress.isVisible() and 0.34 < progress.bar.value() / progress.bar.maximum() < 0.35
    assert zoo.dock.minimumSizeHint().width() <= 320
    QTest.mouseClick(progress.cancel, Qt.MouseButton.LeftButton)
    assert slow.downloads[0].cancelled and not progress.isVisible()
    assert "echo-hub</b> is not here" in zoo.panel.note.text.text() and in_use(zoo) == "fake"
    press(zoo, "Download echo-hub")
    zoo.wait(lambda: len(slow.downloads) == 2 and progress.isVisible())
    assert not zoo.dock.error.text  # it is what the person wanted
    slow.come.set()
    zoo.wait(lambda: in_use(zoo) == "echo-hub")
    assert not progress.isVisible()


@pytest.mark.parametrize("meanwhile", [None, "echo-page"])
def test_a_file_that_comes_although_its_download_was_cancelled_is_offered_no_longer(zoo, monkeypatch, meanwhile):
    """With its last piece, so that the hub does not hear of it any more; and what is chosen meanwhile stays."""
    come, begun = threading.Event(), []

    def fetch(_repo, _revision, _file, download):
        begun.append(download)
        come.wait(10)
        monkeypatch.setattr(hub, "cached", lambda *_: zoo.file)
        return zoo.file

    monkeypatch.setattr(hub, "cached", lambda *_: None)
    monkeypatch.setattr(hub, "fetch", fetch)
    note, rows = zoo.panel.note, zoo.panel.model.native
    choose(zoo, "echo-hub")
    press(zoo, "Download echo-hub")
    zoo.wait(lambda: begun and note.progress.isVisible())
    QTest.mouseClick(note.progress.cancel, Qt.MouseButton.LeftButton)
    assert "echo-hub</b> is not here" in note.text.text()
    if meanwhile is not None:
        choose(zoo, meanwhile)
    come.set()
    zoo.wait(lambda: rows.findText("echo-hub") >= 0)
    assert note.isVisible() == (meanwhile is not None) and "echo-hub" not in note.text.text()
    assert in_use(zoo) == "fake" and zoo.panel.model.value == "nano"
    choose(zoo, "echo-hub")
    zoo.wait(lambda: in_use(zoo) == "echo-hub")


def test_a_download_ends_with_the_dock(zoo, slow):
    choose(zoo, "echo-hub")
    press(zoo, "Download echo-hub")
    zoo.wait(lambda: slow.downloads)
    zoo.dock.workbench.leave()
    assert slow.downloads[0].cancelled


def test_what_a_person_fetches_is_taken_and_a_difference_asks_for_its_base_first(zoo, monkeypatch):
    pick(monkeypatch, zoo.file)
    choose(zoo, "difference")
    said = zoo.panel.note.text.text()
    assert "echo-page</b>, which difference is a difference to, is not here (2560 MB" in said
    assert 'href="https://example.org/a/long/way/to/the/file?with=queries">example.org</a>' in said
    choose(zoo, "echo-page")
    assert zoo.panel.note.width() <= zoo.dock.width() and zoo.dock.minimumSizeHint().width() <= 320
    press(zoo, "Choose that file")
    zoo.wait(lambda: in_use(zoo) == "echo-page")
    zoo.wait(lambda: zoo.panel.model.native.findText("echo-page") >= 0)
    choose(zoo, "difference")
    assert "difference</b> is not here" in zoo.panel.note.text.text()


def test_a_model_without_classes_draws_and_the_person_says_what_it_is(zoo, monkeypatch):
    pick(monkeypatch, zoo.file)
    choose(zoo, "Other file…")
    zoo.wait(lambda: in_use(zoo) == "echo")
    assert zoo.panel.note.text.text().startswith("Echo, 64 px. It draws what was prompted. Say what each object is.")
    assert zoo.panel.note.isVisible() and zoo.dock.minimumSizeHint().width() <= 320
    scan, panel = zoo.layers[0], zoo.dock.object_panel
    zoo.look_at(scan, LIVER)
    zoo.click(zoo.world(scan, LIVER))
    zoo.wait(lambda: zoo.session.prediction is not None)
    zoo.rest()
    assert (panel.iou.text, panel.agreement.text) == ("0.90", "–")
    assert "this model names none" in panel.classes.current.text() and not zoo.dock.error.text
    QTest.mouseClick(panel.commit, Qt.MouseButton.LeftButton)
    zoo.wait(lambda: 1 in zoo.session.labels.labels)
    assert zoo.session.labels.labels[1].name == "object 1" and (zoo.session.labels.voxels == 1).any()
    QTest.keyClicks(panel.classes.search, "liver")
    QTest.keyClick(panel.classes.search, Qt.Key.Key_Return)
    zoo.wait(lambda: zoo.session.labels.labels[1].name == "liver")
    assert [row.agreement for row in zoo.dock.objects_panel.objects._rows] == [None]


def test_where_files_are_alike_the_person_is_asked_which_it_is(zoo, monkeypatch):
    monkeypatch.setattr(table, "FAMILIES", (FAMILY, BOXES))
    pick(monkeypatch, zoo.file)
    choose(zoo, "Other file…")
    zoo.wait(lambda: zoo.panel.note.buttons)
    assert [b.text() for b in zoo.panel.note.buttons] == ["Echo", "Boxes"]
    assert "does not say all of what it is" in zoo.dock.error.text and in_use(zoo) == "fake"
    press(zoo, "Boxes")
    zoo.wait(lambda: in_use(zoo) == "echo")
    assert zoo.panel.model.value == f"{zoo.file}@boxes" and zoo.panel.note.text.text().startswith("Boxes, 64 px.")
    assert zoo.dock.workbench.tool == "box"  # what it takes is armed
    scan = zoo.layers[0]
    zoo.look_at(scan, LIVER)
    QTest.mouseClick(zoo.dock.object_panel.point, Qt.MouseButton.LeftButton)
    zoo.click(zoo.world(scan, LIVER))
    zoo.wait(lambda: zoo.dock.error.text.startswith("Boxes takes boxes only: remove the points"))


def test_another_way_to_use_a_model_is_a_switch(zoo, monkeypatch):
    def turn(model, family):
        model.turned = True
        return model, family

    turned = replace(FAMILY, options={"upside_down": turn})
    monkeypatch.setattr(table, "FAMILIES", (turned,))
    pick(monkeypatch, zoo.file)
    choose(zoo, "Other file…")
    zoo.wait(lambda: in_use(zoo) == "echo")
    predictor = lambda: zoo.dock.workbench.controller.predictor  # noqa: E731
    for is_on in (True, False):
        before = predictor()
        press(zoo, "Upside down")
        zoo.wait(lambda before=before: predictor() is not before)
        assert hasattr(bare(predictor()).model, "turned") is is_on
        assert zoo.panel.note.buttons[0].isChecked() is is_on
        assert zoo.panel.model.value == (f"{zoo.file}@upside_down" if is_on else str(zoo.file))


def test_a_difference_asks_for_the_file_that_it_was_made_on(zoo, monkeypatch):
    difference = replace(FAMILY, name="difference", title="Difference", base="boxes")
    base = replace(BOXES, recognises=lambda shapes: True)
    monkeypatch.setattr(table, "FAMILIES", (difference, replace(base, recognises=lambda shapes: "base" in shapes)))
    pick(monkeypatch, zoo.file)
    choose(zoo, "Other file…")
    zoo.wait(lambda: zoo.panel.note.buttons)
    assert "holds only what differs from Boxes" in zoo.panel.note.text.text()
    press(zoo, "Choose the file of Boxes")
    zoo.wait(lambda: "its base echo.safetensors is not right" in zoo.dock.error.text)
    assert Path(zoo.dock.workbench.model.name).name == "nano"


def test_a_file_that_is_called_as_a_published_difference_asks_for_its_base_where_that_is_not_here(zoo, monkeypatch):
    pick(monkeypatch, zoo.file.rename(zoo.file.with_name("difference.safetensors")))
    choose(zoo, "Other file…")
    zoo.wait(lambda: zoo.panel.note.buttons)
    assert zoo.panel.note.buttons[0].text() == "Choose the file of echo-page …"
    zoo.wait(lambda: "say it under 'Scan and model'" in zoo.dock.error.text)
    assert in_use(zoo) == "fake"


def test_a_difference_is_listed_by_its_own_file_and_not_by_its_base(zoo):
    zoo.dock.workbench.model.name = "/a/samed.pth@samed,base=/b/sam_vit_b.pth"
    zoo.panel._show_model()
    assert zoo.panel.model.native.currentText() == "samed.pth@samed"
