"""Where a model runs: its work is done there, and on the CPU once that device has failed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from napari_segsam.core.errors import SegsamError

log = logging.getLogger(__name__)
R = TypeVar("R")


class OnDevice:
    """Does a model's work where the model is.

    A CUDA fault, or GPU memory that stays full after making room, is answered by moving to the CPU for good and
    working there.

    Attributes:
        device: where it is now, as torch calls it.
        make_room: called where the device's memory is full, before trying once more.
    """

    def __init__(self, model: nn.Module, device: str) -> None:
        self._model = model
        self.device = device
        self.make_room: Callable[[], object] = lambda: None

    def __call__(self, work: Callable[[], R]) -> R:
        """Do it: once more after making room where memory is full, and on the CPU if all fails.

        Raises:
            SegsamError: the device failed and took the weights with it.
        """
        try:
            return self._run(work)
        except torch.OutOfMemoryError:
            if self.device == "cpu":
                raise
        except torch.AcceleratorError as error:
            return self._on_cpu(work, error)
        # Outside of the handler, whose traceback would keep alive what the failed work had allocated.
        self.make_room()
        torch.cuda.empty_cache()
        try:
            return self._run(work)
        except (torch.OutOfMemoryError, torch.AcceleratorError) as error:
            return self._on_cpu(work, error)

    @property
    def precision(self) -> str:
        """Of what is computed: it differs by more than rounding, so features of one are none of the other."""
        return "fp32" if self.device == "cpu" else "bf16"

    def _run(self, work: Callable[[], R]) -> R:
        with torch.inference_mode(), _autocast(self.device):
            return work()

    def _on_cpu(self, work: Callable[[], R], error: RuntimeError) -> R:
        """Move to the CPU for good; a fault that took the weights with it cannot be answered there."""
        log.warning("The GPU failed (%s); answering on the CPU from here on.", type(error).__name__)
        try:
            self._model.to("cpu")
            self.device = "cpu"
            return self._run(work)
        except torch.AcceleratorError as lost:
            raise SegsamError("The GPU failed and took what it held with it; start again with --device cpu.") from lost


@contextmanager
def _autocast(device: str) -> Iterator[None]:
    """bf16 on CUDA, fp32 on the CPU."""
    if device.startswith("cuda"):
        with torch.autocast("cuda", torch.bfloat16):
            yield
    else:
        yield


def choose_device(asked: str) -> str:
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N`` -> what torch calls it.

    Raises:
        SegsamError: CUDA is asked for and not there, or an unknown device.
    """
    if asked == "cpu":
        return "cpu"
    if asked == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if not asked.startswith("cuda"):
        raise SegsamError(f"Unknown device '{asked}'; use auto, cpu or cuda.")
    if not torch.cuda.is_available():
        raise SegsamError(
            "No CUDA GPU is available to torch; choose the device cpu (in the dock, or --device cpu), "
            "or see `segsam doctor`."
        )
    return "cuda:0" if asked == "cuda" else asked
