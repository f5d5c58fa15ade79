import os
import time

import pytest

from napari_segsam.core.errors import SegsamError
from napari_segsam.train.evaluation.workers import shared_out


def pid_and_double(number):
    return os.getpid(), 2 * number


def late_first(number):
    if number == 0:
        deadline = time.monotonic() + 0.2
        while time.monotonic() < deadline:
            pass
    return number


def end_without_a_word(number):
    os._exit(1)


def test_the_work_is_done_elsewhere():
    answers = list(shared_out(pid_and_double, range(4), 2))
    assert [a for _, a in answers] == [0, 2, 4, 6]
    assert os.getpid() not in {pid for pid, _ in answers}


def test_answers_come_in_the_order_of_the_things_whichever_is_done_first():
    assert list(shared_out(late_first, range(6), 2)) == list(range(6))


def test_a_process_that_was_ended_is_told_in_one_sentence():
    with pytest.raises(SegsamError, match="use fewer --processes"):
        list(shared_out(end_without_a_word, range(2), 1))
