"""The audit trail: who made what of an object, how, and in how much time."""

import csv
import io
import json
from random import Random

import numpy as np
import pytest

from napari_segsam.core.prompts import Prompts
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.journal.audit import Row, audit, write_csv
from tests.engine.journal.journalled import Walk


@pytest.fixture
def walk(tmp_path):
    walk = Walk(Random(1), tmp_path)
    walk.controller.show(2, 2)
    return walk


def rows(walk):
    walk.recorder.end(finished=True)
    return audit(walk.recorder.path.with_suffix(".closed"))


def last_of(found, value):
    return [row for row in found if row.object == value][-1]


def at(walk, ijk):
    row, col = SliceView(walk.session.volume, 2, 2).ijk_to_rc(ijk)
    return float(row), float(col)


LIVER, SPLEEN = (3, 2, 2), (9, 2, 2)


def test_a_click_and_its_commit_are_two_rows_with_prompts_in_voxel_indices(walk):
    walk.controller.click(*at(walk, LIVER))
    walk.controller.commit()
    point, commit = rows(walk)
    assert (point.action, commit.action) == ("point", "commit liver")
    assert json.loads(commit.prompts) == {"points": [{"ijk": [3.0, 2.0, 2.0], "positive": True}]}
    assert (commit.object, commit.class_name, commit.slice) == (1, "liver", "k=2")
    assert (commit.positive, commit.negative, commit.boxes) == (1, 0, 0)
    assert (commit.model, commit.sha256) == ("fake", "f" * 64)
    assert commit.voxels == int((walk.session.labels.voxels == 1).sum())
    assert (point.outcome, commit.outcome) == ("", "accepted")
    assert commit.time.endswith("+00:00") and commit.seconds >= 0


def test_a_box_is_given_by_its_corners(walk):
    walk.controller.box(at(walk, (1, 1, 2)), at(walk, (4, 3, 2)))
    (row,) = rows(walk)
    assert json.loads(row.prompts) == {"box": {"min": [1.0, 1.0, 2.0], "max": [4.0, 3.0, 2.0]}} and row.boxes == 1


def test_an_answer_that_another_prompt_corrected_was_edited(walk):
    walk.controller.click(*at(walk, LIVER))
    walk.controller.click(*at(walk, SPLEEN), False)
    walk.controller.commit()
    assert rows(walk)[-1].outcome == "edited"


ROUND_LIVER = ((1, 1, 2), (1, 4, 2), (5, 4, 2), (5, 1, 2))
ROUND_SPLEEN = ((8, 1, 2), (8, 4, 2), (11, 4, 2), (11, 1, 2))


def test_the_first_answer_to_a_lasso_was_accepted_though_a_lasso_is_a_mask(walk):
    walk.controller.lasso([at(walk, ijk) for ijk in ROUND_LIVER])
    assert walk.session.prompts.mask is not None
    walk.controller.commit()
    assert rows(walk)[-1].outcome == "accepted"


def test_a_lasso_says_anew_where_the_object_is_as_a_box_does(walk):
    walk.controller.click(*at(walk, SPLEEN))
    walk.controller.lasso([at(walk, ijk) for ijk in ROUND_LIVER])
    walk.controller.commit()
    assert rows(walk)[-1].outcome == "accepted"


def test_the_first_answer_to_a_scribble_was_accepted(walk):
    walk.controller.scribble([at(walk, (2, 2, 2)), at(walk, (4, 2, 2))])
    walk.controller.commit()
    assert rows(walk)[-1].outcome == "accepted"


@pytest.mark.parametrize("correct", ["click", "negative lasso", "mask as prompt"])
def test_an_answer_to_a_lasso_that_was_corrected_was_edited(walk, correct):
    walk.controller.lasso([at(walk, ijk) for ijk in ROUND_LIVER])
    if correct == "click":
        walk.controller.click(*at(walk, SPLEEN), False)
    elif correct == "negative lasso":
        walk.controller.lasso([at(walk, ijk) for ijk in ROUND_SPLEEN], False)
    else:
        walk.controller.commit()
        walk.controller.use_mask()
    walk.controller.commit()
    assert rows(walk)[-1].outcome == "edited"


def test_a_brushed_object_was_edited_until_that_is_undone(walk):
    walk.controller.click(*at(walk, LIVER))
    walk.controller.commit()
    flat = walk.session.labels.voxels.reshape(-1)
    indices = (flat == 0).nonzero()[0][:3]
    flat[indices] = 1
    walk.controller.record_stroke(indices, flat[indices] * 0)
    walk.controller.undo()
    commit, brush, undone = rows(walk)[-3:]
    assert [r.outcome for r in (commit, brush, undone)] == ["accepted", "edited", "accepted"]
    assert [r.action for r in (brush, undone)] == ["brush", "undo: brush"]
    assert (brush.object, brush.voxels) == (1, 3)


def test_what_another_object_s_commit_takes_is_no_edit(walk):
    walk.controller.click(*at(walk, LIVER))
    walk.controller.commit()
    walk.controller.next_object()
    walk.controller.box(at(walk, (3, 2, 2)), at(walk, (3, 2, 2)))
    walk.controller.commit()
    found = rows(walk)
    assert last_of(found, 1).outcome == last_of(found, 2).outcome == "accepted"


def test_an_accepted_suggestion_is_a_row_of_its_own_object(walk):
    walk.controller.click(*at(walk, LIVER))
    walk.controller.suggest()
    spleen = next(s for s in walk.session.suggestions if s.name == "spleen")
    walk.controller.accept(spleen)
    row = rows(walk)[-1]
    assert (row.action, row.object, row.class_name, row.outcome) == ("accept spleen", 2, "spleen", "accepted")


def test_what_no_model_drew_has_no_outcome(walk):
    walk.session.labels.voxels[0, 0, 0] = 7
    walk.controller.record_stroke(np.array([0]), np.array([0], np.uint16))
    assert rows(walk)[-1].outcome == ""


def test_saving_is_a_row(walk):
    walk.controller.click(*at(walk, LIVER))
    walk.session.mark_saved()
    assert rows(walk)[-1].action == "save"


def test_a_deleted_object_is_named_in_the_row_that_deletes_it(walk):
    walk.controller.click(*at(walk, LIVER))
    walk.controller.commit()
    walk.controller.delete(1)
    row = rows(walk)[-1]
    assert (row.action, row.object, row.class_name) == ("delete liver", 1, "liver")


def test_any_work_has_an_audit_trail(tmp_path):
    walk = Walk(Random(5), tmp_path, with_labels=True)
    walk.session.change_prompts(Prompts(), "begin")
    walk.go(300)
    found = rows(walk)
    assert len(found) > 200
    assert {row.outcome for row in found} == {"accepted", "edited", ""}


def test_rows_become_a_table(walk):
    walk.controller.click(*at(walk, LIVER))
    file = io.StringIO(newline="")
    found = rows(walk)
    write_csv(found, file)
    header, row = csv.reader(file.getvalue().splitlines())
    assert header == list(Row.__dataclass_fields__)
    assert row[1:3] == ["point", "1"]
