import numpy as np
import pytest

from napari_segsam.core.errors import BadPromptsError
from napari_segsam.core.prediction import Candidate, ClassScore, Prediction, dice
from napari_segsam.core.prompts import Box, Click, Prompts
from napari_segsam.train.evaluation import asking


def four_parts():
    """Four components of 25, 16, 9 and 4 pixels."""
    mask = np.zeros((30, 40), bool)
    mask[1:6, 1:6] = mask[10:14, 20:24] = mask[20:23, 30:33] = mask[26:28, 2:4] = True
    return mask


class Asked:
    """Answers with fixed masks and remembers the prompts."""

    def __init__(self, *masks):
        self.masks, self.prompts = list(masks), []

    def __call__(self, prompts):
        self.prompts.append(prompts)
        mask = self.masks[min(len(self.prompts), len(self.masks)) - 1]
        return Prediction(mask, mask, (ClassScore("liver", 1.0),), 1.0, 1.0, (Candidate(mask, 1.0),))


def ask(kind, truth, answers):
    asked = Asked(*answers)
    return asked, list(asking.asking(kind)(asked, truth, np.random.default_rng(0)))


def test_the_study_asks_its_five_modes():
    truth = four_parts()
    asked, attempts = ask("study", truth, [truth])
    by_mode = {a.mode: a.prompts for a in attempts}
    assert [c[:2] for c in _clicks(by_mode["1"])] == [(3, 3)]
    assert len(_clicks(by_mode["2"])) == 3
    assert [p.box for p in by_mode["3"]] == [Box(1, 1, 5, 5)]
    assert [p.box for p in by_mode["4"]] == [Box(1, 1, 5, 5), Box(10, 20, 13, 23), Box(20, 30, 22, 32)]
    assert [p.box for p in by_mode["5"]] == [Box(1, 1, 27, 32)]
    assert len(asked.prompts) == 6  # the largest box serves modes 3 and 4
    assert all(np.array_equal(a.semantic, truth) for a in attempts)


@pytest.mark.parametrize(("takes", "modes"), [("boxes", "345"), ("points", "12")])
def test_of_the_study_a_model_is_asked_what_it_takes(takes, modes):
    truth = four_parts()

    def answer(prompts):
        if (prompts.box is None) == (takes == "boxes"):
            raise BadPromptsError(f"It takes {takes} only.")
        return Prediction(truth)

    attempts = list(asking.study(answer, truth, np.random.default_rng(0)))
    assert "".join(a.mode for a in attempts) == modes


def test_a_model_that_takes_nothing_of_the_study_says_why():
    def refuse(prompts):
        raise BadPromptsError("It takes none.")

    with pytest.raises(BadPromptsError, match="takes none"):
        list(asking.study(refuse, four_parts(), np.random.default_rng(0)))


def test_a_perfect_model_is_perfect_in_mode_4_only_up_to_three_components():
    truth = four_parts()
    boxes = [Box(1, 1, 5, 5), Box(10, 20, 13, 23), Box(20, 30, 22, 32)]

    def perfect(prompts):
        mask = np.zeros_like(truth)
        if prompts.box in boxes:
            mask[inside(prompts.box)] = True
        return Prediction(mask, mask, (), 1.0, 1.0)

    mode4 = next(a for a in asking.study(perfect, truth, np.random.default_rng(0)) if a.mode == "4")
    three = truth.copy()
    three[26:28, 2:4] = False
    assert dice(mode4.mask, three) == 1.0
    assert dice(mode4.mask, truth) < 1.0


def test_the_oracle_is_the_best_candidate():
    truth = four_parts()

    def unsure(prompts):
        wrong = ~truth
        return Prediction(wrong, wrong, (), 1.0, 1.0, (Candidate(wrong, 0.9), Candidate(truth, 0.1)))

    (attempt,) = asking.box(unsure, truth, np.random.default_rng(0))
    assert dice(attempt.oracle, truth) == 1.0
    assert dice(attempt.mask, truth) == 0.0


def test_points_are_different_pixels_of_the_mask_all_at_once():
    truth = four_parts()
    asked, (attempt,) = ask("points:5", truth, [truth])
    clicks = {c[:2] for c in _clicks(attempt.prompts)}
    assert (len(asked.prompts), len(clicks)) == (1, 5)
    assert all(truth[int(r), int(c)] for r, c in clicks)
    one = np.zeros((5, 5), bool)
    one[2, 3] = True
    _, (attempt,) = ask("points:5", one, [one])
    assert _clicks(attempt.prompts) == [(2.0, 3.0, True)]


def test_point_is_the_first_of_points_and_of_iterative():
    truth = four_parts()
    firsts = {_clicks(ask(kind, truth, [truth])[1][0].prompts)[0] for kind in ("point", "points:3", "iterative:1")}
    assert len(firsts) == 1


def test_a_correction_goes_where_the_largest_error_is_deepest():
    truth = np.zeros((20, 30), bool)
    truth[2:7, 20:29] = True
    truth[12:15, 3:6] = True
    truth[18, :12] = True
    assert asking.correcting_click(np.zeros_like(truth), truth) == Click(4, 22, True)
    assert asking.correcting_click(truth | (np.arange(30) < 9), truth).positive is False
    assert asking.correcting_click(truth, truth) is None


def test_iterative_clicks_go_into_the_largest_error_with_its_sign():
    truth = np.zeros((20, 20), bool)
    truth[4:15, 4:15] = True
    too_much = truth.copy()
    too_much[:, 16:] = True
    nothing = np.zeros_like(truth)
    asked, (attempt,) = ask("iterative:4", truth, [nothing, too_much, truth])
    assert [c[2] for c in _clicks([asked.prompts[2]])] == [True, True, False]
    assert _clicks([asked.prompts[1]])[1] == (9.0, 9.0, True)
    assert np.array_equal(asked.prompts[2].mask, too_much)
    assert len(asked.prompts) == 3  # perfect after three
    assert attempt.by_click == (0.0, dice(too_much, truth), 1.0, 1.0)


def inside(box):
    return slice(int(box.row_min), int(box.row_max) + 1), slice(int(box.col_min), int(box.col_max) + 1)


def _clicks(prompts):
    return [(c.row, c.col, c.positive) for p in prompts for c in p.clicks]


def test_one_mask_is_asked_the_same_thing_once_but_for_corrections_of_an_earlier_mask():
    truth = four_parts()
    asked = Asked(truth)
    ask_once = asking.OneMask(asked)
    first, again = ask_once(Prompts((Click(3, 3),))), ask_once(Prompts((Click(3, 3),)))
    assert first is again
    assert ask_once.take_seconds() > 0
    assert ask_once.take_seconds() == 0
    for _ in range(2):
        ask_once(Prompts((Click(3, 3),), mask=truth))
    assert len(asked.prompts) == 3
