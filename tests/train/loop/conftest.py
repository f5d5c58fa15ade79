"""A data set, a tiny model in place of the presets, and one run from beginning to end, which all files here share."""

import pytest

from napari_segsam.train.loop import train
from tests.train import sa_med2d
from tests.train.loop.runs import config_at, tiny_models


@pytest.fixture(scope="module", autouse=True)
def small():
    with tiny_models():
        yield


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    return sa_med2d.write(tmp_path_factory.mktemp("loop") / "data")


@pytest.fixture(scope="session")
def trained(root):
    """An uninterrupted run's folder."""
    with tiny_models():
        return train(config_at(root, "whole")).parent
