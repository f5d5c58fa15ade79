"""MobileSAM against what the published model gave; 1024 px, so its encoder runs as few times as it can."""

import numpy as np
import pytest
import torch

from napari_segsam.model.prompt_tokens import PAD, POSITIVE, PromptBatch
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import SAM_MEAN, SAM_STD
from napari_segsam.model.zoo.mobile_sam import FAMILY, SIDE
from napari_segsam.model.zoo.tiny_vit import UNUSED, TinyViT
from tests.model.zoo.golden import fill, golden, keys, picture
from tests.model.zoo.parity import Parity, largest

NAME = "mobilesam_vit_t"


def built():
    return FAMILY.build(fill(NAME), None)


def outputs(model):
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (SAM_MEAN, SAM_STD))
    prepared = (torch.from_numpy(picture(0, 255, (1, 3, SIDE, SIDE))) - mean) / std
    embedding = model.encode(prepared)["embedding"]
    return {
        "embedding_mean": embedding.mean((2, 3)).numpy(),
        "embedding_sub": embedding[:, :8, ::8, ::8].numpy(),
    }


def with_straight_distances(model):
    """As if the bias of a head were for one direction instead of for one distance."""
    for stage in model.image_encoder.layers:
        for block in stage.blocks:
            if hasattr(block, "attn"):
                block.attn.attention_biases.data.zero_()


def without_local_convolutions(model):
    for stage in model.image_encoder.layers:
        for block in stage.blocks:
            if hasattr(block, "local_conv"):
                block.local_conv = torch.nn.Identity()


PARITY = (
    Parity(
        "MobileSAM",
        NAME,
        NAME,
        built,
        outputs,
        {"local convolutions left out": without_local_convolutions, "no distances": with_straight_distances},
    ),
)


@pytest.fixture(scope="module")
def answered():
    """The model, and what it answered on the golden's picture."""
    model = built()
    with torch.inference_mode():
        return model, outputs(model)


def test_it_answers_as_the_published_model(answered):
    assert largest(answered[1], golden(NAME)) < 1e-4


def test_every_tensor_is_in_the_model_but_those_of_the_imagenet_classifier(answered):
    held, file = answered[0].state_dict(), fill(NAME)
    left_out = {k for k in file if k not in held}
    assert left_out == {k for k in file if k.startswith(UNUSED)}
    assert len(left_out) == 4
    assert PARITY[0].consumed(answered[0]) == (435, 439)


def test_a_golden_array_that_moves_by_a_twentieth_is_noticed(answered):
    for name, array in golden(NAME).items():
        assert largest(answered[1], golden(NAME) | {name: array + 0.05 * np.ptp(array)}) > 1e-2


def test_the_local_convolutions_count():
    changed = built()
    without_local_convolutions(changed)
    assert PARITY[0].difference(changed) > 1e-2


def test_a_click_gives_four_masks_and_their_iou(answered):
    model, _ = answered
    click = PromptBatch(torch.tensor([[[300.0, 400.0], [0.0, 0.0]]]), torch.tensor([[POSITIVE, PAD]]))
    with torch.inference_mode():
        masks = model.answer({"embedding": torch.randn(1, 256, 64, 64)}, click)
    assert masks.logits.shape == (1, 4, 256, 256)
    assert masks.iou is not None
    assert masks.iou.shape == (1, 4)


@pytest.mark.parametrize(
    ("name", "is_one"), [(NAME, True), ("hqsam_vit_tiny", False), ("litemedsam_full", False), ("sam_vit_b", False)]
)
def test_it_knows_its_files(name, is_one):
    assert FAMILY.recognises(keys(name)) is is_one


@pytest.mark.parametrize("change", ["missing", "left over", "wrong"])
def test_a_file_that_is_not_whole_is_refused_by_name(answered, change):
    tensors, name = dict(answered[0].state_dict()), "image_encoder.layers.2.blocks.5.attn.attention_biases"
    if change == "left over":
        tensors[name + "2"] = tensors[name]
    else:
        tensors[name] = tensors[name][:, :49]
        if change == "missing":
            del tensors[name]
    with pytest.raises(ModelFileError, match="attention_biases"):
        FAMILY.build(tensors, None)


# --- TinyViT by itself


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    model = TinyViT().eval()
    for name, p in model.named_parameters():
        if "attention_biases" in name:
            torch.nn.init.normal_(p)
    for name, b in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            torch.nn.init.uniform_(b, 0.5, 1.5)
    return model


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (224, 224)])
def test_it_takes_any_size_that_is_a_multiple_of_16(encoder, size):
    with torch.inference_mode():
        assert encoder(torch.randn(1, 3, *size)).shape == (1, 256, size[0] // 16, size[1] // 16)


def test_normalisation_folded_into_the_convolution_gives_what_it_gives_behind_it(encoder):
    x = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        folded = encoder(x)
        for module in encoder.modules():  # training mode normalises apart; its statistics are kept from the batch's
            if hasattr(module, "bn"):
                module.training = True
        apart = encoder(x)
        encoder.eval()
    assert torch.allclose(folded, apart, atol=1e-4)


def test_the_bias_depends_on_the_distance_alone(encoder):
    attention = encoder.layers[1].blocks[0].attn
    bias = attention.attention_biases[:, attention.distance].detach()
    assert torch.equal(bias, bias.transpose(1, 2))
    # From (0, 0) to (2, 3) as from (3, 6) to (1, 3), in a window of 7.
    assert torch.equal(bias[:, 0, 2 * 7 + 3], bias[:, 3 * 7 + 6, 1 * 7 + 3])


def test_pictures_of_a_batch_do_not_see_each_other(encoder):
    two = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        together, alone = encoder(two), torch.cat([encoder(two[:1]), encoder(two[1:])])
    assert torch.allclose(together, alone, atol=1e-5)


def test_all_of_it_learns():
    model = TinyViT().train()
    model(torch.randn(2, 3, 64, 64)).square().mean().backward()
    assert all(p.grad is not None for p in model.parameters())
