"""Short runs of a tiny model: their configurations, and what they leave."""

import csv
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from napari_segsam.train import beginning
from napari_segsam.train.loop import LOG
from tests.tiny import TINY_NANO

STEPS = 5
OPTIONS = f"steps = {STEPS}\nsave_every = 2\nimages = 2\nwarm_up = 2\nlearning_rate = 0.001\ncorrections = 0.5\n"


@contextmanager
def tiny_models():
    """Every preset is a tiny one, and the cards are drawn instead of read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beginning, "preset", tiny_preset)
        patch.setattr(beginning, "embed_cards", random_cards)
        patch.setattr(beginning, "text_encoder", lambda spec, cards: SimpleNamespace(name=spec))
        yield


def tiny_preset(name, n_classes):
    return replace(TINY_NANO, n_classes=n_classes, n_aspects=5, text_dim=384)


def random_cards(cards, encoder):
    return torch.randn(len(list(cards)), 5, 384, generator=torch.Generator().manual_seed(9))


def config_at(root, run, options=OPTIONS, data=""):
    path = root.parent / f"{run}.toml"
    path.write_text(f'run = "{run}"\n{options}\n[data]\nroot = "data"\nsplit = "train"\n{data}')
    return path


def rows(run):
    with (run / LOG).open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
