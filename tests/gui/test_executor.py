"""The one inference thread: order, replacement, where answers arrive, and its end."""

import gc
import threading

import pytest
from qtpy.QtCore import QCoreApplication

from napari_segsam.gui.executor import ThreadExecutor


class Gate:
    """A job that holds the thread until the test lets it go."""

    def __init__(self):
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self):
        self.entered.set()
        assert self.open.wait(10)


@pytest.fixture
def gate(executor):
    held = Gate()
    executor.submit(held, lambda _: None, fail, key="gate")
    assert held.entered.wait(10)
    yield held
    held.open.set()


def fail(error):
    raise error


def test_answers_arrive_on_the_gui_thread_and_jobs_run_on_another(executor, qtbot):
    where = []
    executor.submit(threading.current_thread, lambda t: where.append((t, threading.current_thread())), fail, key=1)
    qtbot.waitUntil(lambda: bool(where))
    worker, answered_on = where[0]
    assert worker is executor.thread
    assert answered_on is threading.main_thread()


def test_the_lowest_number_runs_first_and_equals_in_order(executor, gate, qtbot):
    done = []
    for name, priority in (("neighbour", 2), ("visible", 1), ("click", 0), ("click 2", 0)):
        executor.submit(lambda name=name: name, done.append, fail, key=name, priority=priority)
    gate.open.set()
    qtbot.waitUntil(lambda: len(done) == 4)
    assert done == ["click", "click 2", "visible", "neighbour"]


def test_a_waiting_job_of_the_same_key_is_replaced_and_never_answered(executor, gate, qtbot):
    ran, done = [], []
    for n in range(5):
        executor.submit(lambda n=n: ran.append(n) or n, done.append, fail, key="predict")
    gate.open.set()
    qtbot.waitUntil(lambda: bool(done))
    assert ran == done == [4]


def test_a_failure_goes_to_who_asked_and_the_thread_goes_on(executor, qtbot):
    errors, done = [], []
    executor.submit(lambda: 1 / 0, done.append, errors.append, key=1)
    executor.submit(lambda: "still here", done.append, errors.append, key=2)
    qtbot.waitUntil(lambda: bool(done))
    assert isinstance(errors[0], ZeroDivisionError)
    assert done == ["still here"]


def test_nothing_is_answered_after_the_shutdown(qtbot):
    executor, gate, done = ThreadExecutor(), Gate(), []
    executor.submit(gate, done.append, fail, key=1)
    executor.submit(lambda: "waited", done.append, fail, key=2)
    assert gate.entered.wait(10)
    executor.shutdown()
    gate.open.set()
    assert executor.wait_until_ended(10)
    executor.submit(lambda: "late", done.append, fail, key=3)
    QCoreApplication.processEvents()
    assert done == []


def test_an_answer_that_was_on_its_way_at_the_shutdown_is_dropped(qtbot):
    executor, done = ThreadExecutor(), []
    executor.submit(lambda: "computed", done.append, fail, key=1)
    gate = Gate()
    executor.submit(gate, lambda _: None, fail, key=2, priority=1)
    assert gate.entered.wait(10)  # the first answer is posted, no event has been processed
    executor.shutdown()
    gate.open.set()
    QCoreApplication.processEvents()
    assert executor.wait_until_ended(10)
    assert done == []


def test_a_forgotten_executor_ends_its_thread(qtbot):
    executor = ThreadExecutor()
    thread = executor.thread
    del executor
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
