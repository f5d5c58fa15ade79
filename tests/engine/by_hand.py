"""What a person does to the blocks of `tests.fakes.block_volume`, and what then is on which slice."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_segsam.engine.controller import Controller
from napari_segsam.engine.session import Session
from tests.fakes import LIVER


def truth(session: Session, hu: int = 60) -> Any:
    return session.volume.voxels == hu


def on_slices(session: Session, value: int = 1) -> list[int]:
    """The slices k that an object is on."""
    return [int(k) for k in np.flatnonzero((session.labels.voxels == value).any((0, 1)))]


def click_liver(controller: Controller, later: Any = None) -> None:
    controller.click(*LIVER)
    if later is not None:
        later.run_all()


def brush(controller: Controller, indices: Any, value: int) -> None:
    flat = controller.session.labels.voxels.reshape(-1)
    before = flat[indices].copy()
    flat[indices] = value
    controller.record_stroke(indices, before)


def paint(controller: Controller, ijk: tuple[int, int, int], value: int) -> None:
    shape = controller.session.labels.voxels.shape
    brush(controller, np.array([np.ravel_multi_index(ijk, shape)], np.int64), value)


def commit_on(controller: Controller, *slices: int) -> None:
    for k in slices:
        controller.show(2, k)
        controller.click(*LIVER)
        controller.commit()
