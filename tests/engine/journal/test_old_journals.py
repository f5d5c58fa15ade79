"""A journal that version 0.1 wrote, before maps shared their entries, is still taken up as it was left.

``data/format_1.journal`` is that of ``Walk(Random(90))`` after ninety deeds, and ``data/format_1.json`` says what the
version that wrote it made of it.
"""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from napari_segsam.core.errors import SegsamError
from napari_segsam.engine.journal.audit import audit
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.recorder import Recorder, Surroundings
from napari_segsam.engine.journal.replay import restore
from tests.engine.journal.journalled import SHAPE
from tests.fakes import ManualExecutor, block_volume

DATA = Path(__file__).parent / "data"


@pytest.fixture
def old(tmp_path):
    path = Path(shutil.copy(DATA / "format_1.journal", tmp_path / "old.journal"))
    back = restore(path, Identity(block_volume(SHAPE)))
    yield back
    back.journal.close()


@pytest.fixture(scope="module")
def expected():
    return json.loads((DATA / "format_1.json").read_text())


def voxels(session):
    return zlib.crc32(session.labels.voxels.tobytes())


def spoken(titles):
    """Version 0.1 wrote the names of classes as files have them."""
    return [title.replace("kidney_left", "kidney left") for title in titles]


def worked_on(session):
    state = session._state
    return [state.current, *state.others.values()]


def test_its_history_is_undone_voxel_for_voxel_and_done_again(old, expected):
    session = old.session
    assert "accept kidney left" in session.undo_names
    assert [*session.undo_names] == spoken(expected["done"]) and [*session.redo_names] == spoken(expected["undone"])
    assert [*session.objects] == expected["objects"]
    found = [voxels(session)]
    while session.undo() is not None:
        found.append(voxels(session))
    assert found == expected["after each undo"]
    while session.redo() is not None:
        pass
    assert voxels(session) == found[0]


def test_its_prompts_are_there(old, expected):
    found = [
        [list(place), len(prompts.clicks), None if prompts.mask is None else int(prompts.mask.sum())]
        for one in worked_on(old.session)
        for place, prompts in one.prompts.items()
    ]
    assert sorted(found, key=str) == sorted(expected["prompts"], key=str)


def test_what_lay_under_its_objects_comes_back(old, expected):
    """Where several commits of an object took a voxel, it depends on their order."""
    found = {}
    for value in old.session.objects:
        try:
            old.session.delete(value)
        except SegsamError:
            found[str(value)] = None
        else:
            found[str(value)] = voxels(old.session)
            old.session.undo()
    assert found == expected["after deletions"]


def test_its_audit_trail_can_be_read(tmp_path, expected):
    rows = audit(DATA / "format_1.journal")
    assert [r.action for r in rows if r.action.startswith("propagate")][-1] == "propagate 6"
    actions = {row.action for row in rows}
    assert "accept kidney left" in actions and not [a for a in actions if "_" in a]
    assert {row.outcome for row in rows} == {"accepted", "edited", ""}


def test_work_goes_on_in_it(old, tmp_path):
    session = old.session
    around = Surroundings(tmp_path, ManualExecutor(), lambda: None, lambda sentence: None)
    recorder = Recorder(session, Identity(block_volume(SHAPE)), around, old.journal, old.known)
    session.delete(session.objects[0])
    session.change_prompts(session.prompts.with_click(session._state.current.prompts[(2, 1)].clicks[0]), "point")
    recorder.end(finished=False)
    again = restore(old.journal.path, Identity(block_volume(SHAPE)))
    again.journal.close()
    assert again.session.undo_names == session.undo_names
    while session.undo() is not None:
        assert again.session.undo() is not None
        assert np.array_equal(again.session.labels.voxels, session.labels.voxels)
        assert {p: q.clicks for p, q in again.session.all_prompts.items()} == {
            p: q.clicks for p, q in session.all_prompts.items()
        }
