"""A model may draw and say nothing else; then nothing else is said of it, and all goes on."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.prediction import Prediction
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.journal.audit import audit
from napari_segsam.engine.journal.journal import read
from napari_segsam.engine.journal.replay import Replay
from napari_segsam.engine.objects import Drawn, Quality, WorkedObject
from napari_segsam.engine.records import in_words, object_record
from napari_segsam.engine.said import Said
from napari_segsam.engine.through.propagate import Carried, Propagation
from napari_segsam.train.evaluation.asking import asking
from tests.engine.journal.journalled import Walk
from tests.fakes import LIVER, SPLEEN, SilentPredictor, block_volume


@pytest.fixture
def predictor():
    return SilentPredictor()


def drawn():
    mask = np.zeros((20, 24), bool)
    mask[2:8, 2:8] = True
    return Prediction(mask)


def test_an_object_is_drawn_numbered_committed_and_named_by_the_person(controller, session, heard):
    controller.show(2, 3)
    controller.click(*LIVER)
    assert session.prediction is not None and session.class_name is None
    assert heard.status_changed[-1] == "mask" and heard.failed == []
    controller.choose_candidate(1)
    assert session.prediction.iou_predicted is None and session.prediction.decoder_agreement is None
    controller.commit()
    assert session.labels.labels == {1: Label(1, "object 1")}
    assert session.quality(1) == Quality(None, None)
    controller.choose_class("liver")
    assert session.labels.labels == {1: Label(1, "liver")}
    controller.next_object()
    controller.click(*SPLEEN)
    controller.commit()
    assert session.labels.labels[2].name == "object 2"
    while session.undo_names:
        controller.undo()
    assert not session.labels.voxels.any()


def test_it_is_said_once_that_such_a_model_names_nothing(controller, session, heard, predictor, monkeypatch):
    monkeypatch.setattr(predictor, "suggest", lambda _: ())
    controller.show(2, 3)
    controller.suggest()
    assert heard.status_changed[-1] == "This model names nothing by itself." and session.suggestions == ()


def test_the_worst_of_what_is_known_of_an_objects_slices_is_told():
    view = SliceView(block_volume(), 2, 3)
    worked = WorkedObject(1)
    for index, quality in ((3, Quality(None, 0.8)), (4, Quality(None, None)), (5, Quality(0.7, 0.9)), (6, None)):
        on_slice = Drawn(replace(view, index=index), drawn().mask, quality)
        worked = worked.commit(LabelMap(view.volume.grid), on_slice, "commit", (), ())[1]
    assert worked.quality == Quality(0.7, 0.8)


def test_words_and_records_have_no_numbers_of_it():
    volume = block_volume()
    labels = LabelMap(volume.grid)
    labels.labels[1] = Label(1, "object 1")
    record = object_record(labels, 1, SliceView(volume, 2, 3), drawn())
    assert (record["iou_predicted"], record["decoder_agreement"], record["classes"]) == (None, None, [])
    assert in_words(drawn(), None) == "mask" and in_words(drawn(), "liver") == "liver"


def test_it_is_carried_on_by_what_its_masks_say():
    volume = block_volume()
    fake = SilentPredictor()

    def ask(view, prompts):
        return fake.predict(fake.embed(view, None), prompts)

    view = SliceView(volume, 2, 3)
    liver = np.array(view.of(volume.voxels) == 60)
    steps = list(Propagation.begin(ask, view, liver, 1).run())
    assert [s.view.index for s in steps if isinstance(s, Carried)] == [4, 5, 6]
    assert steps[-1].reason.startswith("Stopped at slice k=7: ") and "None" not in steps[-1].reason


def test_a_journal_gives_it_back_and_knows_that_a_model_drew_it(tmp_path):
    walk = Walk(Random(1), tmp_path)
    walk.controller.set_predictor(SilentPredictor())
    walk.controller.show(2, 2)
    walk.controller.click(2.0, 3.0)
    walk.controller.commit()
    walk.recorder.end(finished=True)
    kept = walk.recorder.path.with_suffix(".closed")
    assert [row.outcome for row in audit(kept)][-1] == "accepted"
    replay = Replay(read(kept))
    list(replay.deeds())
    objects = {replay.state.current.value: replay.state.current, **replay.state.others}
    assert objects[1].quality == Quality(None, None)


def test_the_study_joins_masks_where_there_are_no_semantic_ones():
    truth = np.zeros((20, 24), bool)
    truth[2:8, 2:8] = truth[12:15, 12:15] = True
    attempts = list(asking("study")(lambda _: drawn(), truth, np.random.default_rng(0)))
    assert len(attempts) == 5 and all(a.semantic is None for a in attempts)


def test_another_candidate_brings_no_agreement_with_a_mask_that_is_not_there():
    said = Said()
    answer = SilentPredictor().predict(SilentPredictor().embed(SliceView(block_volume(), 2, 3), None), PROMPTS)
    said.receive(answer, PROMPTS)
    said.choose(2)
    assert said.shown.decoder_agreement is None and np.array_equal(said.shown.mask, answer.candidates[2].mask)


PROMPTS = Prompts((Click(*LIVER),), Box(1, 1, 8, 10))
