"""What a run starts from, and what is refused before it starts."""

import pytest
import torch
from safetensors.torch import save_file

from napari_segsam.core.errors import BadCheckpointError, UnknownNameError, UnreadableInputError
from napari_segsam.model import checkpoint, semantic_decoder
from napari_segsam.train.config import read_config
from napari_segsam.train.loop import start, train
from napari_segsam.train.trainer import MODEL, TrainingError
from tests.tiny import NAMES, TINY_NANO, saved, tiny
from tests.train.loop.runs import OPTIONS, config_at


def test_a_warm_start_takes_the_weights_and_not_the_optimiser(root, trained):
    options = f'{OPTIONS}warm_start = "whole/{MODEL}"'
    trainer, _ = start(read_config(config_at(root, "warm", options)))
    model, _ = checkpoint.load(trained / MODEL)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in trainer.model.state_dict().items())
    assert (trainer.step, trainer.optimiser.state_dict()["state"]) == (0, {})


def test_a_warm_start_brings_its_own_classes_and_sizes_along(root):
    """Its class 2 stays class 2, whatever the cards and the data are."""
    saved(tiny(), root.parent, "other")
    trainer, _ = start(read_config(config_at(root, "cold", OPTIONS + 'warm_start = "other.safetensors"')))
    assert trainer.header.names == NAMES
    assert trainer.model.config == TINY_NANO


@pytest.mark.parametrize(
    ("options", "why"), [('model = "vit_b"\n', "it is no vit_b"), ("[method]\nco = 'off'\n", "co_tokens")]
)
def test_a_warm_start_from_another_model_is_refused_by_name(root, options, why):
    saved(tiny(), root.parent, "other")
    model = options if "model" in options else ""
    text = f'{OPTIONS}{model}warm_start = "other.safetensors"\n{"" if model else options}'
    with pytest.raises(BadCheckpointError, match=rf"other\.safetensors cannot be the warm start .*{why}"):
        train(config_at(root, "colder", text))


def test_a_warm_start_that_is_not_there_is_refused_by_name(root):
    with pytest.raises(BadCheckpointError, match=r"none\.safetensors cannot be the warm start"):
        train(config_at(root, "coldest", OPTIONS + 'warm_start = "none.safetensors"'))


def test_a_warm_start_beside_a_backbone_is_refused(root):
    with pytest.raises(UnreadableInputError, match="leave 'backbone' out"):
        train(config_at(root, "both", OPTIONS + 'warm_start = "a.safetensors"\nbackbone = "b.safetensors"\n'))


def test_a_backbone_is_taken_without_its_classifier(root):
    torch.manual_seed(3)
    tensors = {k: torch.randn_like(v) for k, v in tiny().image_encoder.backbone.state_dict().items()}
    save_file({**tensors, "head.weight": torch.zeros(2)}, root.parent / "good.safetensors")
    trainer, _ = start(read_config(config_at(root, "good", OPTIONS + 'backbone = "good.safetensors"')))
    mine = trainer.model.image_encoder.backbone.state_dict()
    assert all(torch.equal(v, mine[k]) for k, v in tensors.items())


@pytest.mark.parametrize("content", [None, b"no weights"])
def test_a_backbone_that_is_none_is_refused_by_name(root, content):
    path = root.parent / "backbone.safetensors"
    path.unlink(missing_ok=True)
    if content:
        path.write_bytes(content)
    with pytest.raises(BadCheckpointError, match=r"backbone\.safetensors"):
        train(config_at(root, "based", OPTIONS + 'backbone = "backbone.safetensors"'))


def test_an_unknown_key_is_refused_by_name_before_anything_is_written(root):
    with pytest.raises(UnreadableInputError, match="'stepps'"):
        train(config_at(root, "typo", "stepps = 3"))
    assert not (root.parent / "typo").exists()


def test_excluding_every_data_set_is_refused(root):
    with pytest.raises(UnreadableInputError, match="exclude"):
        train(config_at(root, "none", data='exclude = ["A", "B"]\n'))


def test_a_slip_in_what_is_to_be_left_out_is_refused_by_name(root):
    with pytest.raises(UnknownNameError, match="'a'"):
        train(config_at(root, "slip", data='exclude = ["a"]\n'))


def test_more_classes_than_masks_are_offered_for_are_refused_before_training(root, monkeypatch):
    monkeypatch.setattr(semantic_decoder, "_MOST_MASKS", 1)
    with pytest.raises(UnreadableInputError, match=r"\[method\]: cls_head 'k_masks' .* not 2; choose"):
        train(config_at(root, "too-many", data='[method]\ncls_head = "k_masks"\n'))


def test_a_method_that_no_weighed_term_can_teach_is_refused(root):
    losses = "".join(
        f"{n} = 0\n" for n in ("binary", "semantic", "classes", "co_classes", "co_masks", "alignment", "size")
    )
    with pytest.raises(TrainingError, match=r"No term of \[losses\]"):
        train(config_at(root, "mute", data=f'[losses]\n{losses}[method]\ntext_mode = "off"\n'))
