"""What an object may be called, and that such a name outlasts a crash."""

from random import Random

import pytest

from napari_segsam.core.errors import BadLabelsError
from napari_segsam.core.terminology import Vocabulary
from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.replay import restore
from napari_segsam.engine.names import class_name, own_name
from tests.engine.journal.journalled import SHAPE, Walk
from tests.fakes import block_volume


@pytest.mark.parametrize("typed", ["renal_stent", "Renal stent", " renal-stent ", "RENAL  _ STENT", "_renal_stent_"])
def test_blanks_hyphens_and_capitals_do_not_matter(typed):
    assert class_name(typed) == "renal_stent"


@pytest.mark.parametrize("typed", ["", "  ", "…", "hémangiome", "a/b", "<b>", "a\x00b", "union_of_all", "x" * 65])
def test_what_cannot_be_written_into_every_file_is_no_name(typed):
    with pytest.raises(BadLabelsError):
        class_name(typed)


def test_an_empty_name_is_said_to_be_missing_and_not_quoted():
    with pytest.raises(BadLabelsError, match="has no name yet"):
        class_name(" _ ")


def test_a_class_that_the_model_knows_keeps_its_own_name():
    vocabulary = Vocabulary(("liver",), {"hepar": "liver"})
    assert own_name("Hepar", vocabulary) == "liver" and own_name("Renal stent", vocabulary) == "renal_stent"


def test_an_own_name_comes_back_after_a_crash(tmp_path):
    walk = Walk(Random(1), tmp_path)
    walk.controller.click(2, 2)
    walk.controller.choose_class("renal stent")
    walk.controller.commit()
    walk.controller.next_object()
    walk.controller.choose_class("drain")
    walk.recorder.end(finished=False)
    back = restore(walk.recorder.path, Identity(block_volume(SHAPE)))
    try:
        names = [label.name for label in back.session.labels.labels.values()]
        assert names == ["renal_stent"] and back.session.chosen_class == "drain"
        back.session.undo()
        back.session.undo()
        assert back.session.chosen_class == "renal_stent"
    finally:
        back.journal.close()
