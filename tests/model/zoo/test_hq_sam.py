from functools import cache

import numpy as np
import pytest
import torch

from napari_segsam.model.image_encoder import ViTSizes
from napari_segsam.model.prompt_tokens import BOX_MAX, BOX_MIN, POSITIVE, PromptBatch
from napari_segsam.model.zoo import sam
from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.family import SAM_MEAN, SAM_STD
from napari_segsam.model.zoo.hq_sam import FAMILY, HqDecoder, HqSam, built
from tests.model.zoo import public_sam as plain
from tests.model.zoo.golden import assert_agrees, fill, filled, golden, keys, picture
from tests.model.zoo.parity import Parity, largest

BOX = PromptBatch(torch.tensor([[[100.0, 200.0], [700.0, 800.0]]]), torch.tensor([[BOX_MIN, BOX_MAX]]))
EXTRA = ("hf_token", "hf_mlp", "compress_vit_feat", "embedding_encoder", "embedding_maskfeature")


def prepared():
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (SAM_MEAN, SAM_STD))
    return (torch.from_numpy(picture(0, 255, (1, 3, 1024, 1024))) - mean) / std


def outputs(model):
    features = model.encode(prepared())
    return {"embedding_mean": features["embedding"].mean((2, 3)).numpy()} | decoded(model, features)


def decoded(model, features):
    found = {}
    for only in (False, True):
        model.hq_only = only
        found[f"logits_hqonly{int(only)}"] = model.answer(features, BOX).logits[:, :1, ::4, ::4].numpy()
    return found


def without_early_features(model):
    for p in model.mask_decoder.compress_vit_feat[-1].parameters():
        p.data.zero_()


def with_a_mask_token_in_the_new_ones_place(model):
    model.mask_decoder.hf_token.weight.data.copy_(model.mask_decoder.mask_tokens.weight[:1])


MUTATIONS = {
    "early features left out": without_early_features,
    "SAM's token in the new one's place": with_a_mask_token_in_the_new_ones_place,
}
PARITY = tuple(
    Parity(f"HQ-SAM, {title}", name, name, lambda name=name: built(fill(name)), outputs, MUTATIONS)
    for title, name in (("ViT-B", "hqsam_vit_b"), ("tiny", "hqsam_vit_tiny"))
)


@pytest.fixture(scope="module", params=PARITY, ids=lambda p: p.golden)
def held(request):
    """A published model, and its features of the golden's picture: one pass of the encoder for each."""
    model = request.param.build()
    with torch.inference_mode():
        early, embedding = model._see(prepared())
    return request.param, model, early, embedding


@torch.inference_mode()
def answered(held):
    _, model, early, embedding = held
    return decoded(model, {"embedding": embedding, "fine": model.mask_decoder.fine(early, embedding)})


def test_it_answers_as_the_published_model_with_both_switches(held):
    parity, _, _, embedding = held
    theirs = golden(parity.golden)
    assert_agrees(embedding.mean((2, 3)), theirs["embedding_mean"])
    for name, array in answered(held).items():
        assert_agrees(array, theirs[name])


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_what_is_changed_inside_shows(held, mutation):
    parity, model, _, _ = held
    kept = {k: t.clone() for k, t in model.mask_decoder.state_dict().items()}
    try:
        MUTATIONS[mutation](model)
        theirs = {k: v for k, v in golden(parity.golden).items() if k != "embedding_mean"}
        assert largest(answered(held), theirs) > 1e-2
    finally:
        model.mask_decoder.load_state_dict(kept)


def test_a_golden_array_that_moves_by_a_twentieth_is_noticed(held):
    parity, ours = held[0], answered(held)
    for name, theirs in golden(parity.golden).items():
        if name in ours:
            moved = np.array(theirs)
            moved[0, 0, 3, 5] += 0.05
            with pytest.raises(AssertionError):
                assert_agrees(ours[name], moved)


def test_every_tensor_that_the_model_reads_is_the_published_files(held):
    parity, model, _, _ = held
    unread = 0 if parity.golden == "hqsam_vit_b" else 4  # the ImageNet classifier that the smallest one carries along
    total = len(keys(parity.keys))
    assert parity.consumed(model) == (total - unread, total)


SMALL = ViTSizes(width=32, depth=3, heads=2, global_blocks=(1,))


@cache
def small():
    """A file of the family with a ViT that is no published one."""
    theirs, extra = plain.public().state_dict(), HqDecoder(plain.SIZES.width).state_dict()
    added = {f"mask_decoder.{k}": t for k, t in extra.items() if k.startswith(EXTRA)}
    return {k: filled(k, tuple(t.shape)) for k, t in (theirs | added).items()}


def small_batch():
    return PromptBatch(torch.tensor([[[10.0, 20.0], [50.0, 60.0]]]), torch.tensor([[BOX_MIN, BOX_MAX]]))


def test_its_file_without_what_it_adds_is_sams_and_answers_as_sam():
    bare = {k: t for k, t in small().items() if not k.startswith(tuple(f"mask_decoder.{e}" for e in EXTRA))}
    assert bare.keys() == plain.public().state_dict().keys()
    ours, batch = sam.built(bare, plain.SIZES), small_batch()
    with torch.no_grad():
        masks, _ = plain.their_answer(batch, 0)
        assert_agrees(ours.answer(ours.encode(plain.picture()), batch).logits, masks.numpy())


def test_the_new_tokens_mask_is_added_to_each_of_sams_or_stands_alone():
    model, batch = built(small(), plain.SIZES), small_batch()
    with torch.no_grad():
        features = model.encode(plain.picture())
        logits, iou, _, _ = model._decode(features, batch)
        both = model.answer(features, batch)
        FAMILY.options["hq_only"](model, FAMILY)
        alone = model.answer(features, batch)
    assert torch.allclose(both.logits, logits + alone.logits, atol=1e-5)
    assert alone.logits.shape[1] == 1
    assert torch.equal(alone.iou, iou[:, :1])


def test_early_features_are_those_after_the_first_global_block():
    torch.manual_seed(0)
    model = HqSam(sam.ImageEncoder(SMALL, 64), 64).eval()
    with torch.no_grad():
        x = model.image_encoder.tokens(plain.picture())
        for block in model.image_encoder.blocks[:2]:
            x = block(x)
        early, embedding = model._see(plain.picture())
        assert torch.equal(early, x.permute(0, 3, 1, 2))
        assert torch.equal(embedding, model.image_encoder(plain.picture()))


@pytest.mark.parametrize("name", ["hqsam_vit_b", "hqsam_vit_tiny"])
def test_its_files_are_told_by_the_new_token(name):
    shapes = keys(name)
    assert FAMILY.recognises(shapes)
    assert FAMILY.preparation(shapes).side == 1024
    assert not FAMILY.recognises(keys("sam_vit_b"))
    assert not FAMILY.recognises(keys("mobilesam_vit_t"))


def test_a_tensor_of_the_new_tokens_that_is_missing_is_named():
    tensors = dict(small())
    del tensors["mask_decoder.hf_mlp.layers.0.bias"]
    with pytest.raises(ModelFileError, match=r"hf_mlp\.layers\.0\.bias"):
        built(tensors, plain.SIZES)


def test_a_click_is_answered_too():
    model = built(small(), plain.SIZES)
    click = PromptBatch(torch.tensor([[[10.0, 20.0], [0.0, 0.0]]]), torch.tensor([[POSITIVE, -1]]))
    with torch.no_grad():
        assert model.answer(model.encode(plain.picture()), click).logits.shape == (1, 4, 16, 16)
