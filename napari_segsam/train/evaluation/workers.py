"""An evaluation over several processes: each has a predictor of its own, on one core."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from typing import TypeVar

from napari_segsam.core.errors import SegsamError
from napari_segsam.engine.protocols import Predictor

Given = TypeVar("Given")
Answer = TypeVar("Answer")


def shared_out(work: Callable[[Given], Answer], things: Iterable[Given], processes: int) -> Iterator[Answer]:
    """``work`` on each thing, in their order, shared by fresh processes.

    Args:
        work: a function of a module, or a partial of one; it is sent to the processes, and so is what it answers.
        things: what to work on.
        processes: how many.

    Raises:
        SegsamError: a process was ended from outside, as the system does where memory runs out.
    """
    # A forked process would inherit torch's threads in whatever state they are; a spawned one starts clean.
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _leave_interrupts_to_the_first_process)
    try:
        yield from pool.map(work, things)
    except BrokenProcessPool as error:
        raise SegsamError(
            "One of the processes was ended from outside, probably for want of memory; use fewer --processes."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)  # left early: what has not begun is dropped


@cache
def load_on_one_core(model: str, device: str) -> Predictor:
    """The predictor of a model in a process that computes on one core; loaded once in each process.

    Raises:
        SegsamError: see :func:`napari_segsam.io.registry.resolve` and :func:`napari_segsam.engine.loading.load_model`.
    """
    import torch

    from napari_segsam.engine.loading import load_model
    from napari_segsam.io.registry import resolve

    torch.set_num_threads(1)
    found = resolve(model)
    return load_model(found.path, device, found.name, words=found.words, base=found.base)


def _leave_interrupts_to_the_first_process() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
