"""A session that is replayed from its journal is the same session: voxels, names, history both ways, identities."""

import inspect
from dataclasses import fields, is_dataclass
from random import Random
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.prompts import Prompts
from napari_segsam.core.volume import Volume
from napari_segsam.engine.history import Step
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.packing import KINDS
from napari_segsam.engine.journal.recorder import Recorder, Surroundings
from napari_segsam.engine.journal.replay import CUT, OTHER_SCAN, OTHER_VERSION, restore
from napari_segsam.engine.session import Session
from tests.engine.journal.journalled import DEEDS, SHAPE, Walk, differs, facts
from tests.fakes import ManualExecutor, block_volume

PLAIN = {int, float, str, bytes, bool, type(None)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("journals")


def restored(walk, folder):
    walk.recorder.end(finished=False)
    assert walk.failures == []
    return restore(walk.recorder.path, Identity(block_volume(SHAPE)))


@settings(max_examples=40)
@given(random=st.randoms(use_true_random=False), length=st.integers(1, 30), with_labels=st.booleans())
def test_whatever_was_done_comes_back_exactly(folder, random, length, with_labels):
    walk = Walk(random, folder, with_labels=with_labels)
    walk.click()  # something to restore
    walk.go(length)
    walk.save()  # scrolling alone is not journalled
    expected = facts(walk.session)
    back = restored(walk, folder)
    try:
        assert differs(expected, facts(back.session)) == "" and back.remark == ""
        for retrace in (Session.undo, Session.redo):
            while retrace(walk.session) is not None:
                assert retrace(back.session) is not None
                assert np.array_equal(walk.session.labels.voxels, back.session.labels.voxels)
            assert differs(facts(walk.session), facts(back.session)) == ""
    finally:
        back.journal.close()


def test_work_that_goes_on_after_a_restart_is_in_the_same_journal(folder):
    first = Walk(Random(3), folder)
    first.go(30)
    back = restored(first, folder)
    path = back.journal.path
    first.session = back.session
    first.controller.resume(back.session)
    around = Surroundings(folder, ManualExecutor(), lambda: None, first.failures.append)
    first.recorder = Recorder(back.session, Identity(block_volume(SHAPE)), around, back.journal, back.known)
    first.go(30)
    first.save()
    expected = facts(first.session)
    again = restored(first, folder)
    again.journal.close()
    assert again.journal.path == path
    assert differs(expected, facts(again.session)) == ""


def test_every_step_of_a_session_is_among_those_that_are_tried():
    """A new command belongs into the Walk; it needs no more than that to be journalled."""
    made = {
        name
        for name, method in inspect.getmembers(Session, inspect.isfunction)
        if not name.startswith("_") and "Step" in str(inspect.signature(method).return_annotation)
    }
    assert made - set(DEEDS) == set()


def test_every_type_that_a_step_can_hold_can_be_journalled():
    """A new field of State, or a new kind of value in it, is found here and not by a person after a crash."""
    met: set[Any] = set()

    def look(kind: Any) -> None:
        origin = get_origin(kind)
        if kind in PLAIN or kind in met or kind is Ellipsis or origin is np.ndarray:
            return
        if origin is not None:
            if str(origin).endswith("Literal"):
                assert all(type(value) in PLAIN for value in get_args(kind))
                return
            for part in get_args(kind):
                look(part)
            return
        met.add(kind)
        assert is_dataclass(kind), f"{kind} is no dataclass"
        assert kind is Step or KINDS.get(kind.__name__) is kind, f"add {kind.__name__} to packing.KINDS"
        hints = get_type_hints(kind)
        for part in fields(kind):
            if (kind, part.name) != (Prompts, "mask"):  # which is held as its field `packed`
                look(hints[part.name])

    look(Step)
    assert met - {Step} == set(KINDS.values())


def test_looking_at_a_scan_leaves_no_trace(tmp_path):
    walk = Walk(Random(0), tmp_path / "journals")
    walk.scroll()
    walk.window()
    walk.session.mark_unsaved()
    walk.recorder.end(finished=False)
    assert not (tmp_path / "journals").exists()


def test_the_journal_of_another_scan_is_refused(tmp_path):
    walk = Walk(Random(0), tmp_path)
    walk.click()
    walk.recorder.end(finished=False)
    blocks = block_volume(SHAPE)
    other = Volume(blocks.grid, blocks.voxels[::-1].copy(), modality="ct")
    with pytest.raises(UnreadableInputError, match=OTHER_SCAN):
        restore(walk.recorder.path, Identity(other))
    restore(walk.recorder.path, Identity(blocks)).journal.close()  # a refusal locks nothing


def test_a_journal_of_another_version_is_refused(tmp_path, monkeypatch):
    walk = Walk(Random(0), tmp_path)
    walk.click()
    walk.recorder.end(finished=False)
    monkeypatch.setattr("napari_segsam.engine.journal.replay.FORMAT", 2)
    with pytest.raises(UnreadableInputError, match=OTHER_VERSION):
        restore(walk.recorder.path, Identity(block_volume(SHAPE)))


def test_a_brush_stroke_that_never_ended_brings_no_object_without_a_name(tmp_path):
    """What a session began with is read while the person goes on, so half a stroke may be in it."""
    walk = Walk(Random(0), tmp_path, with_labels=True)
    walk.click()
    expected = walk.session.labels.voxels.copy()
    walk.session.labels.voxels[0, 0, 0] = 99
    back = restored(walk, tmp_path)
    back.journal.close()
    assert np.array_equal(back.session.labels.voxels, expected)


def test_what_was_cut_off_is_said(tmp_path):
    walk = Walk(Random(0), tmp_path)
    walk.click()
    walk.click()
    walk.recorder.end(finished=False)
    whole = walk.recorder.path.read_bytes()
    walk.recorder.path.write_bytes(whole[:-3])
    back = restore(walk.recorder.path, Identity(block_volume(SHAPE)))
    back.journal.close()
    assert back.remark == CUT and len(back.session.undo_names) == len(walk.session.undo_names) - 1
    assert len(walk.recorder.path.read_bytes()) < len(whole) - 3, "the torn record is off"


def test_opening_another_volume_in_the_same_session_ends_its_journal(tmp_path):
    walk = Walk(Random(0), tmp_path)
    walk.click()
    walk.session.reset(block_volume((6, 6, 6)))
    walk.session.change_prompts(walk.session.prompts, "point")
    back = restore(walk.recorder.path, Identity(block_volume(SHAPE)))
    back.journal.close()
    assert back.session.undo_names == ("point",)
