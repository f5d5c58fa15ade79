"""A small scan on the disk, a model that is none, and a way to run a command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from napari_segsam.cli import loading
from napari_segsam.cli.commands import app
from napari_segsam.core.grid import LPS_RAS
from tests.fakes import FakePredictor, block_volume


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """Three blocks in HU, 24 x 20 x 8 voxels of 2 mm: liver, spleen, kidney_left."""
    volume = block_volume()
    path = tmp_path / "scan.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume.voxels.astype(np.int16), LPS_RAS @ volume.grid.affine), path)
    return path


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakePredictor:
    """Every command loads this predictor, whatever model is asked for."""
    predictor = FakePredictor()
    monkeypatch.setattr(loading, "load_model", lambda name, device: predictor)
    return predictor


@pytest.fixture
def run() -> Callable[..., Any]:
    """``run("predict", path, "--out", out)`` -> click's result; an unexpected error is raised, not swallowed."""

    def invoke(*arguments: object) -> Any:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def prompts(tmp_path: Path) -> Callable[..., Path]:
    """``prompts(entry, ...)`` -> a prompts file with these objects."""

    def write(*objects: dict[str, Any], **rest: Any) -> Path:
        path = tmp_path / "prompts.json"
        path.write_text(json.dumps({"objects": list(objects), **rest}))
        return path

    return write


@pytest.fixture
def liver() -> dict[str, Any]:
    """A box inside the liver block on slice 3."""
    return {"id": 1, "axis": "k", "slice": 3, "box": {"min": [2, 2, 3], "max": [10, 8, 3]}}
