"""Anything a person may do in any order, with answers that come late, against a dense oracle of the label map."""

from hypothesis import settings

from tests.engine.machine.deciding import Deciding
from tests.engine.machine.going import GoingOn
from tests.engine.machine.prompting import Prompting
from tests.engine.machine.suggesting import Suggesting


class Annotating(Prompting, Deciding, GoingOn, Suggesting):
    """A person at work."""


Annotating.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestAnnotating = Annotating.TestCase


def test_a_value_that_was_brushed_while_a_suggestion_was_refined_stays_apart_from_it():
    """Found by the machine above: the accepted object took the value that the brush had just given."""
    state = Annotating()
    state.box(a=(0.0, 0.0), b=(0.0, 0.0))
    state.catch_up()
    state.clear_prompts()
    state.accept(which=0.0)
    state.brush(value=1, where=[(0.0, 0.0, 0.0)])
    state.catch_up()
    state.labels_are_the_oracle_s()
    assert int((state.session.labels.voxels == 1).sum()) == 1
    assert sorted(state.session.labels.labels) == [1, 2]
