"""ThreadExecutor: the one inference thread. Nothing else in the package starts a thread."""

from __future__ import annotations

import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

from qtpy.QtCore import QCoreApplication, QObject, Signal  # type: ignore[attr-defined]  # qtpy's own gap

from napari_segsam.core.errors import SegsamError

T = TypeVar("T")
_log = logging.getLogger(__name__)
_NICENESS = 5
_BROKE = "What was asked for was lost with the thread that worked on it, which began anew; ask for it again."
_ENDED = "The thread that works on this broke twice and is gone; your work is kept: save it and open the dock again."


@dataclass(frozen=True, eq=False)
class _Ticket:
    """One job on its way: what to run, and who hears about it."""

    job: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[BaseException], None]


class _Queue:
    """Waiting tickets by key. Shared with the thread, which must not keep the executor itself alive."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: dict[Hashable, tuple[int, int, _Ticket]] = {}
        self.closed = False
        self.taken: _Ticket | None = None  # what the thread is at, until its answer is handed over
        self._turn = count()
        self._is_served = True

    def put(self, key: Hashable, priority: int, ticket: _Ticket) -> bool:
        """Wait in line; a ticket that waits under the same key is dropped. False where no thread will ever take it."""
        with self.changed:
            if not self.closed and self._is_served:
                self.waiting[key] = (priority, next(self._turn), ticket)
                self.changed.notify()
            return self.closed or self._is_served

    def take(self) -> _Ticket | None:
        """The most urgent ticket, oldest first among equals; waits for one; None once closed."""
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or self.closed)
            if self.closed:
                return None
            key = min(self.waiting, key=lambda k: self.waiting[k][:2])
            self.taken = self.waiting.pop(key)[2]
            return self.taken

    def abandon(self) -> list[_Ticket]:
        """No thread will take any more; the tickets that wait, most urgent first."""
        with self.changed:
            self._is_served = False
            left = [ticket for *_, ticket in sorted(self.waiting.values(), key=lambda w: w[:2])]
            self.waiting.clear()
        return left

    def close(self) -> None:
        """Drop what waits and let the thread end after the job it is in."""
        with self.changed:
            self.closed = True
            self.waiting.clear()
            self.changed.notify_all()


class _Courier(QObject):
    """Lives on the GUI thread; what the worker hands over is called there, one event at a time.

    It belongs to the application, so that the worker dropping the last Python reference destroys nothing.
    """

    handed_over = Signal(object)

    def __init__(self) -> None:
        super().__init__(QCoreApplication.instance())
        self.handed_over.connect(self._call)

    def _call(self, answer: Callable[[], None]) -> None:
        answer()


class ThreadExecutor:
    """Runs jobs on one long-lived thread and answers on the thread that made it (the GUI thread).

    One thread, because a fresh one per click loses torch's and cuDNN's warm state; long-lived for the same reason.
    """

    def __init__(self, name: str = "segsam-inference") -> None:
        self._queue = _Queue()
        self._courier = _Courier()
        self.thread = threading.Thread(target=_work, args=(self._queue, self._courier), name=name, daemon=True)
        self.thread.start()
        # At interpreter exit a thread inside torch must have ended before Python takes its modules apart.
        weakref.finalize(self.thread, _close_and_wait, self._queue, weakref.ref(self.thread))
        weakref.finalize(self, self._queue.close)

    def submit(
        self,
        job: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[BaseException], None],
        *,
        key: Hashable,
        priority: int = 0,
    ) -> None:
        """Run ``job`` on the thread, then ``done`` or ``failed`` on the GUI thread.

        Args:
            job: must not touch Qt.
            done: gets the job's result.
            failed: gets what the job raised, whatever that is; at once, where the thread broke twice.
            key: a job that still waits under the same key is replaced and never answered.
            priority: the lowest number runs first.
        """
        if not self._queue.put(key, priority, _Ticket(job, done, failed)):
            failed(SegsamError(_ENDED))

    def shutdown(self) -> None:
        """Drop waiting jobs and late answers; returns at once, the thread ends after the job it is in."""
        self._queue.close()


def _work(queue: _Queue, courier: _Courier) -> None:
    """The thread's whole life. Where it breaks, who waits is told, and it begins once more; the second time it ends."""
    _yield_to_the_gui()
    for is_last in (False, True):
        try:
            _serve(queue, courier)
            break
        except BaseException as error:  # noqa: BLE001 - a thread that dies unheard leaves a person waiting for ever
            _log.critical("The thread %s broke", threading.current_thread().name, exc_info=error)
        _tell_who_waits(queue, courier, is_last)
    with suppress(RuntimeError):  # at the very end Qt may have gone before us
        courier.deleteLater()


def _tell_who_waits(queue: _Queue, courier: _Courier, is_last: bool) -> None:
    """The job that the thread was at is lost; when it ends, so are all that wait."""
    lost = [queue.taken] if queue.taken is not None else []
    queue.taken = None
    lost += queue.abandon() if is_last else []
    for ticket in lost:
        _hand_over(queue, courier, partial(ticket.failed, SegsamError(_ENDED if is_last else _BROKE)))


def _serve(queue: _Queue, courier: _Courier) -> None:
    """One job after another until the queue is closed."""
    while (ticket := queue.take()) is not None:
        answer = _run(ticket)
        _hand_over(queue, courier, answer)
        queue.taken = None
        del ticket, answer  # an idle thread must not keep a volume alive


def _hand_over(queue: _Queue, courier: _Courier, answer: Callable[[], None]) -> None:
    """Have ``answer`` called on the GUI thread, unless the queue is closed by then."""
    with queue.changed:  # so that shutdown, and with it the courier's end, cannot fall between test and signal
        if not queue.closed:
            courier.handed_over.emit(lambda: None if queue.closed else answer())


def _yield_to_the_gui() -> None:
    """Where cores are few, drawing goes before computing; torch's own threads inherit this from ours."""
    if sys.platform == "linux":  # the only system on which priorities belong to threads
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _run(ticket: _Ticket) -> Callable[[], None]:
    """Do the job; the answer to call on the GUI thread."""
    try:
        result = ticket.job()
    except BaseException as error:  # noqa: BLE001 - the thread survives any job, even one that exits; who asked is told
        _log.debug("A job failed", exc_info=error)
        caught = error  # Python clears `error` when the block ends
        return lambda: ticket.failed(caught)
    return lambda: ticket.done(result)


def _close_and_wait(queue: _Queue, thread: Callable[[], threading.Thread | None]) -> None:
    queue.close()
    running = thread()
    if running is not None:
        running.join()
