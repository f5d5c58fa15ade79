"""What a person commits becomes lessons in the background: on three blocks, with a model that notes what it is told."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prompts import Box, Click
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.session import Session
from napari_segsam.train.lessons import AT_MOST, Learns, Lessons
from tests.engine.by_hand import brush, commit_on, on_slices, paint, truth
from tests.fakes import LIVER, SPLEEN, FakePredictor, ManualExecutor, block_volume


@dataclass(eq=False)
class Pupil(FakePredictor):
    """Takes lessons of two pieces."""

    learns: bool = False
    told: list = field(default_factory=list)
    begun: list = field(default_factory=list)
    wrong: BaseException | None = None
    corrections: int = 0
    lacks: int = 5
    alpha: float = 1.0

    def lesson(self, view, prompts, corrected, of=None):
        if self.wrong is not None:
            raise self.wrong
        self.begun.append(view.index)
        yield
        self.told.append((view.index, prompts, corrected, of))
        self.corrections += 1

    def forget(self):
        self.corrections = 0


@pytest.fixture
def pupil():
    return Pupil()


@pytest.fixture
def controller(pupil):
    return Controller(Session(block_volume()), pupil, ImmediateExecutor(), neighbours=())


@pytest.fixture
def lessons(controller):
    made = Lessons(controller, ImmediateExecutor())
    made.learn(True)
    return made


def test_nothing_is_learnt_before_a_person_wants_it(controller, pupil):
    lessons = Lessons(controller, ImmediateExecutor())
    commit_on(controller, 2)
    assert not lessons.learns and not pupil.learns and pupil.told == []
    lessons.learn(True)
    assert pupil.learns
    commit_on(controller, 3)
    lessons.learn(False)
    commit_on(controller, 4)
    assert [k for k, *_ in pupil.told] == [3] and not pupil.learns


def test_a_commit_is_a_lesson_with_its_prompts_and_what_the_object_has_on_the_slice(controller, pupil, lessons):
    controller.show(2, 3)
    controller.box((1, 1), (9, 9))
    controller.click(*LIVER)
    controller.commit()
    ((k, prompts, corrected, of),) = pupil.told
    assert k == 3 and prompts.box == Box(1, 1, 9, 9) and prompts.clicks == (Click(5.0, 5.0),)
    view = controller.session.view
    assert np.array_equal(corrected, view.of(truth(controller.session)))
    assert of == (view.volume.id, 1, 2, 3)


def test_a_stroke_on_what_was_committed_is_a_lesson_again_about_the_same_object(controller, pupil, lessons):
    commit_on(controller, 3)
    paint(controller, (20, 15, 3), 1)
    first, second = pupil.told
    assert second[2].sum() == first[2].sum() + 1
    assert second[1] is first[1] and second[3] == first[3]


def test_an_object_by_brush_alone_is_no_lesson(controller, pupil, lessons):
    controller.show(2, 3)
    paint(controller, (20, 15, 3), 7)
    paint(controller, (20, 16, 3), 7)
    assert on_slices(controller.session, 7) == [3] and pupil.told == []


def test_what_was_carried_is_no_lesson_and_neither_is_a_stroke_on_it(controller, pupil, lessons):
    commit_on(controller, 3)
    controller.through.propagate(1, at_most=1)
    assert on_slices(controller.session) == [3, 4]
    controller.show(2, 4)
    paint(controller, (20, 15, 4), 1)
    assert [k for k, *_ in pupil.told] == [3]


def test_an_accepted_suggestion_is_no_lesson_and_neither_is_what_it_takes_of_an_object_round_it(
    controller, pupil, lessons
):
    commit_on(controller, 3)
    shape = controller.session.labels.voxels.shape
    rest = np.argwhere(controller.session.labels.voxels[:, :, 3] == 0)
    brush(controller, np.ravel_multi_index((*rest.T, np.full(len(rest), 3)), shape), 1)
    had, told = (controller.session.labels.voxels == 1).sum(), len(pupil.told)
    controller.suggest()
    spleen = next(s for s in controller.session.suggestions if s.name == "spleen")
    controller.accept(spleen)
    assert had - (controller.session.labels.voxels == 1).sum() == spleen.mask.sum() > 0
    assert len(pupil.told) == told == 2


def test_undo_and_redo_are_no_lessons(controller, pupil, lessons):
    commit_on(controller, 3)
    paint(controller, (20, 15, 3), 1)
    for act in (controller.undo, controller.undo, controller.redo, controller.redo):
        act()
    assert controller.session.undo_names[:2] == ("brush", "commit liver")
    assert len(pupil.told) == 2


def test_another_object_is_another_correction(controller, pupil, lessons):
    commit_on(controller, 3)
    controller.next_object()
    controller.click(*SPLEEN)
    controller.commit()
    assert [of[1:] for *_, of in pupil.told] == [(1, 2, 3), (2, 2, 3)]


def test_it_goes_on_with_another_scan_and_another_model_begins_anew(controller, pupil, lessons):
    commit_on(controller, 3)
    controller.open(block_volume(), discard=True)
    commit_on(controller, 3)
    assert len(pupil.told) == 2 and len({of for *_, of in pupil.told}) == 2
    controller.resume(Session(block_volume()))
    commit_on(controller, 3)
    assert len(pupil.told) == 3
    other = Pupil(sha256="0" * 64)
    controller.set_predictor(other)
    assert other.learns and lessons.learner is other
    commit_on(controller, 4)
    assert len(pupil.told) == 3 and len(other.told) == 1


def test_a_model_that_cannot_learn_is_left_alone(controller, lessons):
    controller.set_predictor(FakePredictor())
    assert lessons.learner is None
    commit_on(controller, 3)
    lessons.forget()


def test_a_fake_that_learns_is_what_the_protocol_wants(pupil):
    assert isinstance(pupil, Learns) and not isinstance(FakePredictor(), Learns)


def test_why_it_cannot_learn_is_said_until_it_can(controller, pupil, lessons):
    pupil.wrong = BadPromptsError("It takes no points.")
    commit_on(controller, 3)
    assert lessons.trouble == "It takes no points."
    pupil.wrong = ZeroDivisionError()
    commit_on(controller, 4)
    assert "ZeroDivisionError" in lessons.trouble
    pupil.wrong = None
    commit_on(controller, 5)
    assert lessons.trouble == "" and pupil.corrections == 1


# --- in the background


@pytest.fixture
def later(controller):
    return ManualExecutor()


@pytest.fixture
def waiting(controller, later):
    """Lessons that take place when the test says so."""
    made = Lessons(controller, later)
    made.learn(True)
    return made


def test_a_lesson_is_one_job_a_piece_after_all_that_anybody_waits_for(controller, pupil, later, waiting):
    commit_on(controller, 3)
    priorities = []
    while later.waiting:
        priorities += [j.priority for j in later.waiting]
        later.run_next()
        later.deliver()
    assert priorities == [100, 100] and pupil.corrections == 1


def test_only_so_many_corrections_wait(controller, pupil, later, waiting):
    controller.open(block_volume((24, 20, 16)), discard=True)
    commit_on(controller, *range(2, 14))
    later.run_all()
    assert [k for k, *_ in pupil.told] == [2, *range(14 - AT_MOST, 14)]


def test_of_corrections_of_the_same_object_that_wait_the_last_one_counts(controller, pupil, later, waiting):
    commit_on(controller, 2, 3)
    for j in (12, 13, 14):
        paint(controller, (20, j, 3), 1)
    later.run_all()
    assert [k for k, *_ in pupil.told] == [2, 3]
    assert pupil.told[1][2].sum() == pupil.told[0][2].sum() + 3


def test_a_correction_that_is_corrected_again_while_it_waits_goes_to_the_end(controller, pupil, later, waiting):
    commit_on(controller, 2, 3, 4)
    controller.show(2, 3)
    paint(controller, (20, 15, 3), 1)
    later.run_all()
    assert [k for k, *_ in pupil.told] == [2, 4, 3]


@pytest.mark.parametrize("act", ["forget", "switch off", "another model"])
def test_what_waits_is_dropped(controller, pupil, later, waiting, act):
    commit_on(controller, 2, 3)
    later.run_next()  # the first piece of the first lesson
    {
        "forget": waiting.forget,
        "switch off": lambda: waiting.learn(False),
        "another model": lambda: controller.set_predictor(Pupil(sha256="0" * 64)),
    }[act]()
    later.run_all()
    assert pupil.told == []


@pytest.mark.parametrize("pieces", [0, 1])
def test_nothing_of_a_lesson_that_was_dropped_is_done_any_more(controller, pupil, later, waiting, pieces):
    commit_on(controller, 2)
    for _ in range(pieces):
        later.run_next()
        later.deliver()
    waiting.forget()
    later.run_all()
    assert pupil.begun == [2] * pieces and pupil.told == []


@pytest.mark.parametrize("pieces", [0, 1, 2])
def test_what_is_committed_after_a_reset_is_learnt_however_long_that_takes(controller, pupil, later, waiting, pieces):
    commit_on(controller, 2, 3)
    for _ in range(pieces):
        later.run_next()
        later.deliver()
    waiting.forget()
    commit_on(controller, 4, 5)
    pupil.told.clear()
    later.run_all()
    assert [k for k, *_ in pupil.told] == [4, 5] and pupil.corrections == 2


def test_what_is_committed_between_two_resets_is_forgotten(controller, pupil, later, waiting):
    waiting.forget()
    commit_on(controller, 2)
    waiting.forget()
    commit_on(controller, 3)
    later.run_all()
    assert [k for k, *_ in pupil.told] == [3]


def test_a_reset_that_fails_says_why_and_what_comes_after_it_is_learnt(controller, pupil, later, waiting, monkeypatch):
    def fails():
        raise ZeroDivisionError

    said = []
    monkeypatch.setattr(pupil, "forget", fails)
    waiting.changed.connect(lambda: said.append(waiting.trouble))
    waiting.forget()
    commit_on(controller, 3)
    later.run_all()
    assert "ZeroDivisionError" in said[0] and said[-1] == ""
    assert [k for k, *_ in pupil.told] == [3]


def test_forgetting_is_a_job_of_the_models_thread_and_said_when_it_is_done(controller, pupil, later, waiting):
    commit_on(controller, 2)
    later.run_all()
    said = []
    waiting.changed.connect(lambda: said.append(pupil.corrections))
    waiting.forget()
    assert said == [] and pupil.corrections == 1
    later.run_all()
    assert said == [0]


def test_a_model_that_takes_no_prompts_has_nothing_to_learn_from(pupil):
    pupil.takes = frozenset()
    controller = Controller(Session(block_volume()), pupil, ImmediateExecutor())
    assert Lessons(controller, ImmediateExecutor()).learner is None
