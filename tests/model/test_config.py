import json
from dataclasses import replace

import pytest

from napari_segsam.model.build import build
from napari_segsam.model.config import NANO, SegSamConfig, ZoomConfig, preset
from tests.tiny import TINY_NANO, TINY_VIT


@pytest.mark.parametrize(
    "config", [NANO, SegSamConfig(), TINY_VIT, replace(TINY_NANO, zoom=ZoomConfig(widths=(1, 2, 3)))]
)
def test_a_config_survives_its_way_through_json(config):
    assert SegSamConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_a_key_that_no_config_has_is_refused():
    with pytest.raises(TypeError, match="n_coo"):
        SegSamConfig.from_dict(TINY_NANO.to_dict() | {"n_coo": 3})
    values = TINY_NANO.to_dict()
    values["zoom"]["scales"] = 2
    with pytest.raises(TypeError, match="scales"):
        SegSamConfig.from_dict(values)


def test_a_header_from_before_a_choice_had_a_key_means_its_default():
    values = TINY_NANO.to_dict()
    for key in ("saw_init", "train_sag"):
        del values[key]
    assert SegSamConfig.from_dict(values) == TINY_NANO


def test_presets_carry_the_number_of_classes():
    assert preset("nano", 7) == replace(NANO, n_classes=7)
    assert (preset("vit_h", 5).encoder, preset("vit_h", 5).n_classes, preset("vit_h", 5).zoom) == ("vit_h", 5, None)
    with pytest.raises(KeyError):
        preset("giant", 5)


def test_the_small_backbone_is_not_built_without_the_second_look():
    with pytest.raises(ValueError, match="zoom"):
        build(replace(TINY_NANO, zoom=None))
