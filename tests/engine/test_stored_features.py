"""What the digest of a slice knows of the code: every module that runs between its pixels and what is stored."""

import sys
from pathlib import Path

import numpy as np
import pytest

import napari_segsam
from napari_segsam.core.volume import Window
from napari_segsam.engine import stored_features
from napari_segsam.engine.stored_features import code_version
from napari_segsam.engine.zoo import predictor as zoo_predictor
from napari_segsam.engine.zoo import prior_maps
from napari_segsam.engine.zoo.automatic_masks import finished
from napari_segsam.model import build as building
from tests import clickable
from tests.tiny import SLIM_VIT, TINY_VIT, loaded, picture_view, tiny

PACKAGE = Path(napari_segsam.__file__).parent
WINDOW = Window(500, 400)


def ran(job):
    """Our modules of which any function ran, but for ``core``: it gives the pixels, which are in the digest."""
    seen = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, _event, _arg: seen.add(frame.f_code.co_filename))
    try:
        made = job()
    finally:
        sys.setprofile(before)
    ours = {Path(f).relative_to(PACKAGE).as_posix() for f in seen if f.startswith(str(PACKAGE))}
    return {name for name in ours if not name.startswith(("core/", "model/"))}, made


def counted(made_by):
    return {f"engine/{name}" for name in made_by}


@pytest.fixture(params=["zoom", "no zoom", "published"])
def model(request, tmp_path, monkeypatch):
    """A predictor and the files that its digest counts."""
    if request.param == "published":
        return clickable.predictor(), zoo_predictor._MADE_BY
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    return loaded(tiny() if request.param == "zoom" else tiny(TINY_VIT), tmp_path), stored_features._MADE_BY


def test_every_module_between_a_slices_pixels_and_its_features_or_its_maps_counts(model):
    predictor, made_by = model
    view = picture_view(np.arange(48 * 64, dtype=np.int16).reshape(48, 64))
    modules, embedding = ran(lambda: predictor.embed(view, WINDOW))
    assert modules and modules <= counted(made_by)
    predictor.digest(view, WINDOW)
    modules, _ = ran(lambda: predictor.from_arrays(view, WINDOW, predictor.to_arrays(embedding), 0.0))
    assert modules - {"engine/slice_embedding.py", "engine/zoo/embedding.py"} <= counted(made_by)
    modules, _ = ran(lambda: finished(prior_maps.maps_of(predictor, embedding, 3)))
    assert "engine/zoo/automatic_masks.py" in modules and modules <= counted(prior_maps.MADE_BY)


def test_the_files_are_there():
    for made_by in (stored_features._MADE_BY, zoo_predictor._MADE_BY, prior_maps.MADE_BY):
        assert [name for name in made_by if not (PACKAGE / "engine" / name).is_file()] == []


def test_the_version_is_that_of_the_text_of_all_of_model_and_of_these_files(tmp_path, monkeypatch):
    for name in ("model/a.py", "model/zoo/b.py", "model/zoo/files/c.py", "engine/d.py", "engine/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    monkeypatch.setattr(stored_features, "files", lambda _package: tmp_path)

    def version():
        code_version.cache_clear()
        return code_version(("d.py",))

    first = version()
    assert len(first) == 64 and first == version()
    for name in ("model/a", "model/zoo/b", "model/zoo/files/c", "engine/d", "engine/e"):
        (tmp_path / f"{name}.py").write_text("2")
        assert (version() != first) == (name != "engine/e"), name
        (tmp_path / f"{name}.py").write_text("1")
    code_version.cache_clear()
