"""The one inference thread: order, replacement, where answers arrive, and its end."""

import gc
import threading

import pytest
from qtpy.QtCore import QCoreApplication

from napari_segsam.core.errors import SegsamError
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.session import Session
from napari_segsam.gui import executor as running
from napari_segsam.gui.executor import ThreadExecutor
from tests.fakes import LIVER, FakePredictor, block_volume


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


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), GeneratorExit(), MemoryError()], ids=repr)
def test_no_job_ends_the_thread_however_it_tries(executor, qtbot, error):
    errors, done = [], []

    def leave():
        raise error

    executor.submit(leave, done.append, errors.append, key=1)
    executor.submit(lambda: "still here", done.append, errors.append, key=2)
    qtbot.waitUntil(lambda: bool(done))
    assert errors == [error] and done == ["still here"]


@pytest.fixture
def breaking(monkeypatch):
    """What the thread does beside its jobs breaks, as often as told."""
    run, left = running._run, []

    def broken(ticket):
        if left:
            raise left.pop()
        return run(ticket)

    monkeypatch.setattr(running, "_run", broken)
    return left


def test_a_thread_that_breaks_tells_who_waits_and_begins_anew_once(executor, gate, qtbot, breaking, caplog):
    errors, done = [], []
    breaking.append(RuntimeError("broken"))
    executor.submit(lambda: 1, done.append, errors.append, key=1)
    executor.submit(lambda: 2, done.append, errors.append, key=2)
    gate.open.set()
    qtbot.waitUntil(lambda: bool(done))
    assert done == [2] and "ask for it again" in str(errors[0]) and isinstance(errors[0], SegsamError)
    assert executor.thread.is_alive() and caplog.messages == ["The thread segsam-inference broke"]


def test_after_the_second_time_nobody_waits_for_ever(executor, gate, qtbot, breaking, caplog):
    errors = []
    breaking += [RuntimeError("again"), SystemExit()]
    for key in range(4):
        executor.submit(lambda: 1, fail, errors.append, key=key)
    gate.open.set()
    qtbot.waitUntil(lambda: len(errors) == 4)
    assert ["open the dock again" in str(e) for e in errors] == [False, True, True, True]
    executor.thread.join(10)
    executor.submit(lambda: 1, fail, errors.append, key=9)
    assert len(errors) == 5 and "save it" in str(errors[4])


def test_a_job_that_exits_leaves_no_busy_indicator_and_the_next_click_is_answered(executor, qtbot, caplog):
    predictor = FakePredictor(error=SystemExit(3))
    controller = Controller(Session(block_volume()), predictor, executor, neighbours=())
    busy, failed = [], []
    controller.busy_changed.connect(busy.append)
    controller.failed.connect(failed.append)
    controller.click(*LIVER)
    qtbot.waitUntil(lambda: busy == [True, False])
    assert "SystemExit" in failed[0]
    predictor.error = None
    controller.click(*LIVER)
    qtbot.waitUntil(lambda: controller.session.prediction is not None)
    assert not controller.busy


def test_nothing_is_answered_after_the_shutdown(qtbot):
    executor, gate, done = ThreadExecutor(), Gate(), []
    executor.submit(gate, done.append, fail, key=1)
    executor.submit(lambda: "waited", done.append, fail, key=2)
    assert gate.entered.wait(10)
    executor.shutdown()
    gate.open.set()
    executor.thread.join(10)
    assert not executor.thread.is_alive()
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
    executor.thread.join(10)
    assert not executor.thread.is_alive()
    assert done == []


def test_a_forgotten_executor_ends_its_thread(qtbot):
    executor = ThreadExecutor()
    thread = executor.thread
    del executor
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
