"""The group "Learning", by real clicks and keys: a model whose logits are weak, so that what was learnt soon counts."""

import csv
import io
from hashlib import sha256

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_segsam.engine.journal.audit import audit, write_csv
from napari_segsam.gui import plugin
from napari_segsam.train.learning import LearningPredictor
from napari_segsam.train.online import OnlineSettings
from tests.fakes import FakePredictor, block_volume

SLICES = range(2, 10)
LIVER = (10, 8)
ALONE = "Off: the model answers alone."


@pytest.fixture
def models(monkeypatch):
    """Each model that the dock loads, the newest last."""
    made = []

    def load(model, device):
        fake = FakePredictor(name=model, sha256=sha256(model.encode()).hexdigest(), sure=0.05)
        made.append(LearningPredictor(fake, OnlineSettings(base=4, side=32)))
        return made[-1]

    monkeypatch.setattr(plugin, "load_model", load)
    return made


@pytest.fixture
def learning(hand, models):
    """A scan, the dock on it, and the group unfolded."""
    hand.layers = [hand.open(block_volume((48, 40, 12)))]
    hand.open_dock()
    hand.panel = hand.dock.learning_panel
    fold = hand.panel.parentWidget().parentWidget()
    show(hand, fold.title)
    QTest.mouseClick(fold.title, Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    return hand


def show(hand, widget):
    """Scroll the dock so that a person can see it."""
    area = widget
    while not hasattr(area, "ensureWidgetVisible"):
        area = area.parentWidget()
    area.ensureWidgetVisible(widget)
    QApplication.processEvents()


def tick(hand):
    switch = hand.panel.switch
    show(hand, switch)
    assert switch.isVisible() and switch.isEnabled()
    QTest.mouseClick(switch, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, QPoint(8, switch.height() // 2))
    QApplication.processEvents()


def commit(hand, k):
    scan = hand.layers[0]
    hand.look_at(scan, (*LIVER, k))
    hand.click(hand.world(scan, (*LIVER, k)))
    hand.rest()
    hand.key(Qt.Key.Key_C)
    hand.rest()


def said(hand):
    return hand.panel.text.text()


def test_a_person_switches_it_on_commits_five_objects_sees_the_shares_and_begins_anew(learning, models):
    panel, model = learning.panel, models[0]
    assert said(learning) == ALONE and not panel.reset.isEnabled() and not model.learns
    tick(learning)
    assert said(learning) == "The model answers alone until 5 more of your objects are learnt from."
    for n, k in enumerate(list(SLICES)[:5], 1):
        commit(learning, k)
        learning.wait(lambda n=n: model.corrections == n)
    assert model.lacks == 0 and model.alpha < 1
    learning.wait(lambda: said(learning).startswith("Model "))
    assert said(learning) == f"Model {model.alpha:.2f}, learnt {1 - model.alpha:.2f}, from 5 corrections."
    show(learning, panel.reset)
    QTest.mouseClick(panel.reset, Qt.MouseButton.LeftButton)
    learning.wait(lambda: said(learning).startswith("The model answers alone until 5"))
    assert model.corrections == 0 and panel.switch.isChecked() and not panel.reset.isEnabled()


def test_the_next_answer_is_fused_and_the_audit_trail_says_so(learning, models, journals):
    tick(learning)
    model = models[0]
    for k in list(SLICES)[:6]:
        commit(learning, k)
        QApplication.processEvents()
    learning.wait(lambda: model.corrections == 6)
    learning.look_at(learning.layers[0], (*LIVER, 9))
    learning.click(learning.world(learning.layers[0], (*LIVER, 9)))
    learning.rest()
    shown, own = learning.session.prediction, learning.session.volume.voxels == 60
    assert not np.array_equal(shown.mask, learning.session.view.of(own)) and shown.iou_predicted is None
    learning.key(Qt.Key.Key_C)
    learning.wait(lambda: model.corrections == 7)
    learning.dock.recovery.close()
    (path,) = journals.glob("*.journal")
    text = io.StringIO()
    write_csv(audit(path), text)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert rows[0]["model"] == "nano" and " + learnt " in rows[-1]["model"]


def test_another_model_begins_anew_and_goes_on_learning(learning, models):
    tick(learning)
    commit(learning, 3)
    learning.wait(lambda: models[0].corrections == 1)
    learning.dock.workbench.use_model("other", "auto")
    learning.wait(lambda: len(models) == 2 and learning.dock.workbench.controller.predictor is models[1])
    learning.rest()
    assert models[1].learns and models[1].corrections == 0
    commit(learning, 4)
    learning.wait(lambda: models[1].corrections == 1)
    tick(learning)
    assert said(learning) == f"{ALONE} What was learnt from 1 correction is kept." and not models[1].learns


def test_the_same_model_loaded_anew_begins_anew_and_learns_on_slices_that_it_has_seen(learning, models):
    tick(learning)
    commit(learning, 3)
    learning.wait(lambda: models[0].corrections == 1)
    bench = learning.dock.workbench
    bench.use_model(models[0].name, "cpu")
    learning.wait(lambda: len(models) == 2 and bench.controller.predictor is models[1])
    learning.rest()
    assert models[1].sha256 == models[0].sha256 and models[1].corrections == 0
    bench.controller.next_object()
    scan = learning.layers[0]
    learning.click(learning.world(scan, (30, 8, 3)))  # on the slice that the first one embedded
    learning.rest()
    learning.key(Qt.Key.Key_C)
    learning.wait(lambda: models[1].corrections == 1)


def test_a_stroke_on_what_was_committed_is_learnt_too(learning, models):
    tick(learning)
    commit(learning, 3)
    learning.wait(lambda: models[0].corrections == 1)
    before = models[0]._learner._queue[0].mask
    labels = learning.layer("labels")
    learning.dock.workbench.arm(None)
    learning.viewer.layers.selection.active = labels
    labels.mode, labels.selected_label, labels.brush_size = "erase", 1, 9
    scan = learning.layers[0]
    learning.drag(learning.world(scan, (4, 6, 3)), learning.world(scan, (18, 6, 3)))
    learning.wait(lambda: not np.array_equal(models[0]._learner._queue[0].mask, before))
    assert models[0].corrections == 1 and int(models[0]._learner._queue[0].mask.sum()) < int(before.sum())


def test_a_model_that_cannot_learn_says_so(ready):
    assert not ready.dock.learning_panel.switch.isEnabled()
    assert ready.dock.learning_panel.text.text() == "This model cannot learn."
