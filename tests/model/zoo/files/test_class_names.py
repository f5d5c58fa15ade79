import json

import pytest

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.files.class_names import as_called, names_path
from napari_segsam.model.zoo.samed import FAMILY

SHAPES = {"mask_decoder.mask_tokens.weight": (3, 256)}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "own.pth"


def test_classes_are_called_as_the_file_beside_says(file):
    names_path(file).write_text(json.dumps({"2": "cyst", "1": "liver"}))
    assert names_path(file).name == "own.pth.labels.json"
    assert as_called(FAMILY, file, SHAPES).names(SHAPES) == ("liver", "cyst")


def test_without_one_the_family_says_what_it_knows(file):
    assert as_called(FAMILY, file, SHAPES) is FAMILY


@pytest.mark.parametrize("said", ['{"1": "liver"}', '{"1": "a", "2": "b", "3": "c"}', '{"1": "a", "2": 7}', "[]", "{"])
def test_names_that_are_not_one_for_each_class_are_refused(file, said):
    names_path(file).write_text(said)
    with pytest.raises(ModelFileError, match=r"own\.pth\.labels\.json does not"):
        as_called(FAMILY, file, SHAPES)
