"""ModelInUse: which model a viewer's answers come from, and how another one takes its place."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari_segsam.core.errors import BadCheckpointError, UndecidedModelError
from napari_segsam.core.model_choice import ModelChoice
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.protocols import Predictor

LoadModel = Callable[[str, str], Predictor]
"""(model name or path, device) -> Predictor; called on the inference thread."""


class ModelInUse:
    """What was asked for last, which is what answers unless it is on its way.

    Args:
        load: see :data:`LoadModel`.
        name: asked for first, see :class:`napari_segsam.core.model_choice.ModelChoice`.

    Attributes:
        name: of the model; also its file with what a person said of it.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(self, load: LoadModel, name: str) -> None:
        self.name, self.device = name, "auto"
        self._load = load
        self._answers: tuple[str, str] | None = None
        self._unsaid: list[UndecidedModelError] = []

    def ask_for(self, name: str, device: str) -> None:
        """Note what :meth:`load_into` is to load; the last model answers until that is there."""
        self.name, self.device = name, device

    def load_into(self, controller: Controller) -> None:
        """Load it on the inference thread."""
        self._unsaid = []
        controller.load_predictor(partial(_loaded, self._load, self.name, self.device, self._unsaid), self.name)

    def arrived(self) -> None:
        """It answers now."""
        self._answers = self.name, self.device

    def refused(self) -> tuple[str, UndecidedModelError | None]:
        """Go back to what answered before; what was refused, and what that does not say of itself, if this is why."""
        name = self.name
        if self._answers is not None:
            self.name, self.device = self._answers
        return name, next(iter(self._unsaid), None)


def _loaded(load: LoadModel, model: str, device: str, unsaid: list[UndecidedModelError]) -> Predictor:
    """Load it; what it does not say of itself is asked in the dock, not in a terminal."""
    try:
        return load(model, device)
    except UndecidedModelError as error:
        unsaid.append(error)
        name = Path(ModelChoice.of(model).model).name
        raise BadCheckpointError(f"{name} does not say all of what it is; say it under 'Scan and model'.") from error
