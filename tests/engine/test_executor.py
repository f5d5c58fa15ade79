"""The executor that runs jobs at once, and the one that tests control."""

import pytest

from napari_segsam.engine.executor import ImmediateExecutor
from tests.fakes import ManualExecutor


def test_an_immediate_job_is_done_when_submit_returns():
    seen = []
    ImmediateExecutor().submit(lambda: 7, seen.append, seen.append, key="a")
    assert seen == [7]


def test_what_an_immediate_job_raises_goes_to_failed():
    seen = []
    ImmediateExecutor().submit(lambda: 1 // 0, pytest.fail, seen.append, key="a")
    assert isinstance(seen[0], ZeroDivisionError)


def test_a_bug_in_a_callback_is_not_mistaken_for_a_failed_job():
    with pytest.raises(ZeroDivisionError):
        ImmediateExecutor().submit(lambda: 0, lambda zero: 1 / zero, pytest.fail, key="a")


def test_an_interrupt_is_not_caught():
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ImmediateExecutor().submit(interrupted, pytest.fail, pytest.fail, key="a")


def test_the_manual_one_replaces_a_waiting_job_of_the_same_key_and_runs_the_most_urgent_first():
    executor, seen = ManualExecutor(), []
    executor.submit(lambda: "later", seen.append, pytest.fail, key="b", priority=2)
    executor.submit(lambda: "replaced", seen.append, pytest.fail, key="a")
    executor.submit(lambda: "newer", seen.append, pytest.fail, key="a")
    executor.run_all()
    assert seen == ["newer", "later"]
