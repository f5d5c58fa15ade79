"""A session on three blocks, liver, spleen and kidney_left, with a controller whose answers a test delivers."""

from dataclasses import dataclass, field

import pytest

from napari_segsam.engine.cache import EmbeddingCache
from napari_segsam.engine.controller import Controller
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.session import Session
from tests.fakes import FakePredictor, ManualExecutor, block_volume

SIGNALS = ("status_changed", "failed", "busy_changed", "prediction_changed", "suggestions_changed", "labels_changed")


@dataclass
class Heard:
    """What the controller said, by signal."""

    said: dict[str, list[object]] = field(default_factory=lambda: {name: [] for name in SIGNALS})

    def listen(self, controller: Controller) -> None:
        for name in SIGNALS:
            getattr(controller, name).connect(self.said[name].append)

    def __getattr__(self, name: str) -> list[object]:
        return self.said[name]


@pytest.fixture
def session():
    return Session(block_volume())


@pytest.fixture
def predictor():
    return FakePredictor()


@pytest.fixture
def executor():
    """Where a test only wants results: at once."""
    return ImmediateExecutor()


@pytest.fixture
def later():
    return ManualExecutor()


@pytest.fixture
def cache():
    return EmbeddingCache()


@pytest.fixture
def controller(session, predictor, executor, cache):
    return Controller(session, predictor, executor, cache, neighbours=())


@pytest.fixture
def waiting(session, predictor, later, cache):
    """A controller whose answers wait until the test delivers them."""
    return Controller(session, predictor, later, cache, neighbours=())


@pytest.fixture
def heard(request):
    """What ``controller``, or ``waiting`` where the test uses that, says."""
    heard = Heard()
    name = "waiting" if "waiting" in request.fixturenames else "controller"
    heard.listen(request.getfixturevalue(name))
    return heard


@pytest.fixture
def progress(request):
    """What says of itself that which goes on through the slices of ``controller``, or of ``waiting``."""
    name = "waiting" if "waiting" in request.fixturenames else "controller"
    said = []
    request.getfixturevalue(name).through.progress_changed.connect(said.append)
    return said
