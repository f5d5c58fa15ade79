import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.prompts import Box, Prompts
from napari_segsam.engine.predictor import load_predictor
from napari_segsam.model import build as building
from napari_segsam.model import checkpoint
from napari_segsam.train.calibration import calibrate, fit_temperature, fit_threshold
from napari_segsam.train.data.pictures import read_mask, read_picture
from tests.tiny import SLIM_VIT, TINY_VIT, picture_view, saved, tiny
from tests.train import sa_med2d


@pytest.fixture
def root(tmp_path):
    return sa_med2d.write(tmp_path / "data")


@pytest.fixture
def model(tmp_path):
    return saved(tiny(), tmp_path)


@pytest.mark.parametrize("factor", [0.7, 1.0, 2.5])
def test_the_temperature_undoes_overconfidence(factor):
    random = torch.Generator().manual_seed(1)
    honest = torch.randn(4000, 6, generator=random) * 2
    classes = honest.softmax(1).multinomial(1, generator=random).squeeze(1)
    assert fit_temperature(honest * factor, classes) == pytest.approx(factor, rel=0.08)


def test_the_threshold_parts_what_is_there_from_what_is_not():
    scores = [{1: 0.9, 2: 0.72, 3: 0.3}, {1: 0.8, 4: 0.45}]
    assert 0.45 < fit_threshold(scores, [{1, 2}, {1}]) <= 0.72


def test_of_equally_good_thresholds_the_most_careful_one_is_taken():
    assert fit_threshold([{1: 0.95}], [{1}]) == pytest.approx(0.9)
    assert fit_threshold([{1: 0.95}], [{2}]) == pytest.approx(0.9)


def test_both_numbers_come_into_the_header_and_nothing_else_changes(root, model):
    before = load_file(model), checkpoint.load(model)[1]
    fitted = calibrate(model, root)
    assert checkpoint.load(model)[1] == fitted
    assert 0.5 <= fitted.temperature <= 4.0
    assert 0.2 <= fitted.suggest_at <= 0.9
    assert replace(fitted, temperature=1.0, suggest_at=0.5) == before[1]
    after = load_file(model)
    assert all(torch.equal(after[k], v.half()) for k, v in before[0].items() if v.is_floating_point())
    assert calibrate(model, root) == fitted


def test_the_fitted_temperature_makes_the_true_classes_likelier_through_the_product(root, model):
    def loss():
        predictor, found = load_predictor(model, "cpu"), []
        for image in json.loads((root / "split.json").read_text())["val"]:
            view = picture_view(read_picture(root / image))
            for name, mask in zip(("liver", "spleen"), sa_med2d.listing_of(root)[image], strict=False):
                prompts = Prompts(box=Box.around(read_mask(root / mask)))
                said = predictor.predict(predictor.embed(view, None), prompts)
                found.append(-torch.tensor(next(c.score for c in said.classes if c.name == name)).log())
        return float(torch.stack(found).mean())

    checkpoint.save(model, tiny(), checkpoint.load(model)[1])
    before = loss()
    assert calibrate(model, root).temperature != 1.0
    assert loss() < before


def test_the_limit_counts_masks(root, model, caplog):
    with caplog.at_level("INFO"):
        calibrate(model, root, "all", limit=3)
        calibrate(model, root, "all")
    first, second = (m for m in caplog.messages if m.startswith("calibrated"))
    assert "on 3 masks" in first
    assert "on 12 masks, threshold" in second
    assert "on 6 pictures" in second


def test_without_a_picture_of_several_classes_the_threshold_stays(root, model):
    sa_med2d.describe(root, {image: masks[:1] for image, masks in sa_med2d.listing_of(root).items()})
    assert calibrate(model, root).suggest_at == 0.5


def test_where_no_class_is_known_there_is_nothing_to_fit(root, model):
    before = model.read_bytes()
    sa_med2d.describe(root, {image: masks[2:] for image, masks in sa_med2d.listing_of(root).items()})
    with pytest.raises(UnreadableInputError, match=r"no mask of split 'val' has a class that tiny\.safetensors names"):
        calibrate(model, root)
    assert model.read_bytes() == before


def test_data_sets_can_be_left_out(root, model):
    with pytest.raises(UnreadableInputError, match="no mask"):
        calibrate(model, root, exclude=("A", "B"))


def test_a_split_needs_its_file(root, model):
    (root / "split.json").unlink()
    with pytest.raises(UnreadableInputError, match=r"no split\.json that says what is 'val'"):
        calibrate(model, root)


def test_a_model_without_zoom_is_asked_on_the_whole_slice(root, tmp_path, monkeypatch):
    monkeypatch.setitem(building._VITS, "vit_b", SLIM_VIT)
    path = saved(tiny(TINY_VIT), tmp_path)
    fitted = calibrate(path, root)
    assert fitted.temperature != 1.0
    assert checkpoint.load(path)[1] == fitted
