"""Jobs: runs what is asked for on an Executor, and hands on only the answers that are still wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.slices import SliceView
from napari_segsam.engine.cache import ViewKey
from napari_segsam.engine.holding import Holding
from napari_segsam.engine.protocols import Executor
from napari_segsam.engine.requests import Requests
from napari_segsam.engine.suggest import Settled

LOG = logging.getLogger(__name__)
WORK = "work"
NOW, VISIBLE, THROUGH, NEIGHBOUR, REST = 0, 1, 2, 3, 1000
"""A click overtakes embeddings that wait; the visible slice's overtakes what goes on through the slices, that overtakes
those of its neighbours, and theirs all others'."""

T = TypeVar("T")


@dataclass(frozen=True)
class _Whole(Generic[T]):
    """What was asked for in parts, once all are done."""

    answer: T


class Jobs:
    """What was asked for and is not answered yet.

    Args:
        executor: runs the jobs.
        scene: what an answer of this kind about this slice depends on, as it is now.
        changed: called when something was asked for, answered or cancelled.
        look_for_troubles: called after each job.
        failed: called with a sentence for the person when what they wait for failed.

    Attributes:
        requests: the outstanding ones.
        holding: keeps answers that change the labels while it holds; any of them may be cancelled meanwhile.
    """

    def __init__(
        self,
        executor: Executor,
        scene: Callable[[Hashable, SliceView | None], ViewKey | None],
        changed: Callable[[], None],
        look_for_troubles: Callable[[], None],
        failed: Callable[[str], None],
    ) -> None:
        self.requests, self.holding = Requests(), Holding()
        self._executor, self._scene, self._changed = executor, scene, changed
        self._look_for_troubles, self._failed = look_for_troubles, failed

    def cancel(self, *kinds: Hashable) -> None:
        """Answers of these kinds are no longer wanted."""
        self.requests.cancel(*kinds)
        self._changed()

    def ask(
        self,
        kind: Hashable,
        view: SliceView | None,
        job: Callable[[], T],
        use: Callable[[T], None],
        priority: int = NOW,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Run ``job`` on the executor, and ``use`` what it gives if it is still wanted then; ``tell`` why it failed."""
        ticket = self.requests.issue(kind, self._scene(kind, view))

        def hand_on(answer: T) -> None:
            if self.requests.close(ticket, self._scene(kind, view)):
                use(answer)
            self._changed()
            self._look_for_troubles()

        def done(answer: T) -> None:
            if isinstance(kind, Settled):
                self.holding.do(lambda: hand_on(answer))
            else:
                hand_on(answer)

        def failed(error: BaseException) -> None:
            wanted = self.requests.close(ticket, self._scene(kind, view))
            self._changed()
            self._look_for_troubles()
            self._fail(error, wanted=wanted, tell=tell)

        self._changed()
        self._executor.submit(job, done, failed, key=kind, priority=priority)

    def ask_in_parts(
        self,
        kind: Hashable,
        view: SliceView,
        parts: Generator[str, None, T],
        use: Callable[[T], None],
        say: Callable[[str], None],
    ) -> None:
        """As `ask`, each part a request of its own; ``say`` what it gives, but for the last one, whose answer is."""

        def part() -> str | _Whole[T]:
            try:
                return next(parts)
            except StopIteration as end:
                return _Whole(end.value)

        def go_on(answer: str | _Whole[T]) -> None:
            if isinstance(answer, _Whole):
                use(answer.answer)
            else:
                say(answer)
                self.ask(kind, view, part, go_on, THROUGH)

        self.ask(kind, view, part, go_on, THROUGH)

    def run_quietly(
        self,
        job: Callable[[], T],
        key: Hashable,
        priority: int,
        use: Callable[[T], None] = lambda _: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        """Run what nobody waits for; why it failed is only logged."""

        def done(answer: T) -> None:
            self._look_for_troubles()
            use(answer)

        def failed(error: BaseException) -> None:
            self._look_for_troubles()
            self._fail(error, wanted=False)
            lost()

        self._executor.submit(job, done, failed, key=key, priority=priority)

    def work(
        self, job: Callable[[], T], use: Callable[[T], None], lost: Callable[[str], None], key: Hashable = WORK
    ) -> None:
        """Run a part of what takes long; what the person does meanwhile goes first. ``lost`` is told why it failed.

        ``key`` tells apart what goes on at the same time.
        """

        def done(answer: T) -> None:
            self._look_for_troubles()
            self.holding.do(lambda: use(answer))

        def failed(error: BaseException) -> None:
            self._look_for_troubles()
            self._fail(error, wanted=True, tell=lost)

        self._executor.submit(job, done, failed, key=key, priority=THROUGH)

    def _fail(self, error: BaseException, *, wanted: bool, tell: Callable[[str], None] | None = None) -> None:
        """Tell the person if it is about what they wait for; log what they cannot mend."""
        text = str(error)
        if not isinstance(error, SegsamError):
            LOG.error("a job failed", exc_info=error)
            kind = type(error).__name__
            text = (
                f"The model stopped with {kind}; the log has the details. Try again, or choose another model or device."
            )
        if wanted:
            (tell or self._failed)(text)
