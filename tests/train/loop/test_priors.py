"""A run that learns from pictures with prior maps on them."""

from types import SimpleNamespace

import numpy as np
import pytest

from napari_segsam.train import loop
from napari_segsam.train.loop import train
from napari_segsam.train.trainer import MODEL, TrainingError
from tests import clickable
from tests.train.loop.runs import OPTIONS, config_at, rows

PRIORS = "[priors]\nmodel = 'other'\npoints = 6\n"


@pytest.fixture
def model(monkeypatch):
    """The model that makes the maps."""
    made = clickable.predictor()
    monkeypatch.setattr(loop, "resolve", lambda text: SimpleNamespace(path=None, name=text, words=(), base=None))
    monkeypatch.setattr(loop, "load_model", lambda *_, **__: made)
    return made


def test_a_run_makes_the_maps_beside_its_folder_and_goes_on_with_them(root, model, trained):
    config = config_at(root, "with_maps", OPTIONS, PRIORS)
    run = train(config).parent
    clicks = model.model.clicks
    assert 4 * 36 < clicks < 2 * 4 * 36  # once for each picture of the split, and what is kept
    assert len(list((run.parent / "priors").iterdir())) == 4
    mine, raw = rows(run), rows(trained)
    assert (run / MODEL).is_file() and len(mine) == len(raw)
    assert all(np.isfinite(float(r["total"])) for r in mine)
    assert mine[0]["binary"] != raw[0]["binary"]  # the first step's weights are those of a run without maps
    config.write_text(config.read_text().replace("steps = 5", "steps = 7"))
    assert len(rows(train(config, resume=True).parent)) == 7 and model.model.clicks == clicks
    config.write_text(config.read_text().replace(PRIORS, ""))
    with pytest.raises(TrainingError, match=r"'priors\.model' was"):
        train(config, resume=True)
