"""The Executor of the command line and of scripts: a job has run when ``submit`` returns."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class ImmediateExecutor:
    """Runs each job at once on the calling thread, so priorities and keys have no effect."""

    def submit(
        self,
        job: Callable[[], T],
        done: Callable[[T], Any],
        failed: Callable[[BaseException], Any],
        *,
        key: Hashable,
        priority: int = 0,
    ) -> None:
        """See :class:`napari_segsam.engine.protocols.Executor`; an interrupt from the keyboard is not caught."""
        try:
            result = job()
        except Exception as error:  # noqa: BLE001 - `failed` gets it, and logs what is not for the user
            failed(error)
        else:
            done(result)

    def shutdown(self) -> None:
        """Nothing ever waits here."""
