from dataclasses import replace

import pytest
import torch

from napari_segsam.model.semantic_decoder import ClassHead, any_class, log_mass
from tests.tiny import TINY_NANO, tiny

K_MASKS = replace(TINY_NANO, cls_head="k_masks")


def test_dec_saw_starts_as_a_copy_of_sams_decoder_but_shares_nothing_with_it():
    model = tiny()
    saw, sag = model.semantic_decoder, model.mask_decoder
    assert torch.equal(saw.so_token.weight, sag.mask_tokens.weight[:1])
    for part in ("transformer", "output_upscaling"):
        twins = zip(getattr(saw, part).parameters(), getattr(sag, part).parameters(), strict=True)
        assert all(torch.equal(a, b) and a.data_ptr() != b.data_ptr() for a, b in twins)


def test_at_random_dec_saw_starts_as_no_copy_and_takes_nothing_from_sams_own_start():
    model, usual = tiny(replace(TINY_NANO, saw_init="random")), tiny()
    saw, sag = model.semantic_decoder, model.mask_decoder
    assert not torch.equal(saw.so_token.weight, sag.mask_tokens.weight[:1])
    for part in ("transformer", "output_upscaling"):
        twins = zip(getattr(saw, part).parameters(), getattr(sag, part).parameters(), strict=True)
        assert not all(torch.equal(a, b) for a, b in twins)
    begun = usual.mask_decoder.state_dict()
    assert all(torch.equal(v, begun[k]) for k, v in sag.state_dict().items())


def test_a_frozen_decoder_of_sams_leaves_its_copy_free():
    model = tiny(replace(TINY_NANO, train_sag=False))
    assert not any(p.requires_grad for p in model.mask_decoder.parameters())
    assert all(p.requires_grad for p in model.semantic_decoder.parameters())


def test_masks_of_classes_start_as_sams_first_mask_together():
    model = tiny(K_MASKS)
    first = model.mask_decoder.output_hypernetworks_mlps[0].state_dict()
    for kernel in (*model.semantic_decoder.hypernetwork, model.semantic_decoder.co_hypernetwork):
        assert all(torch.equal(v, first[k]) for k, v in kernel.state_dict().items())
    mask = torch.randn(2, 1, 4, 4)
    assert torch.allclose(any_class(mask.expand(-1, 3, -1, -1)), mask, atol=1e-6)


def test_the_class_of_the_prompted_object_has_most_of_its_mask():
    """Class 0 has more pixels, but class 2 has more of those that are in the mask."""
    each = torch.full((1, 3, 4, 4), -20.0)
    each[0, 0, :3], each[0, 2, 3] = 0.0, 0.0
    mask = torch.full((1, 1, 4, 4), 20.0)
    mask[0, 0, :3, 1:] = -20.0
    shares = log_mass(each, mask).softmax(1)
    assert torch.allclose(shares, torch.tensor([[3 / 7, 0.0, 4 / 7]]), atol=1e-4)


def test_more_classes_than_masks_are_offered_for_are_refused():
    with pytest.raises(ValueError, match="20 classes at most, not 21"):
        tiny(replace(K_MASKS, n_classes=21))


def test_a_card_more_is_a_class_more_without_training():
    torch.manual_seed(0)
    head = ClassHead(TINY_NANO)
    tokens, cards = torch.randn(4, 16), torch.randn(3, 2, 16)
    with torch.no_grad():
        before = head(tokens, cards)
        own = head.project(tokens[:1]).reshape(1, 1, 16).expand(1, 2, 16)  # a card that says what token 0 means
        after = head(tokens, torch.cat([cards, own]))
    assert (before.shape, after.shape) == ((4, 4), (4, 5))
    assert torch.allclose(after[:, :3], before[:, :3], atol=1e-6)
    assert torch.allclose(after[:, -1], before[:, -1], atol=1e-6)
    assert int(after[0, :-1].argmax()) == 3


def test_a_whole_model_with_a_card_more_keeps_its_other_classes():
    three, four = tiny(), tiny(replace(TINY_NANO, n_classes=4))
    weights = {k: v for k, v in three.state_dict().items() if k != "class_cards.sentences"}
    left = four.load_state_dict(weights, strict=False)
    assert left.missing_keys == ["class_cards.sentences"]
    with torch.no_grad():
        four.class_cards.sentences.copy_(torch.cat([three.class_cards.sentences, torch.randn(1, 2, 12)]))
        features = three.encode(torch.rand(1, 3, 64, 64))
        before, after = three.unprompted(features), four.unprompted(features)
    assert after.co_class_logits.shape[-1] == 5
    assert torch.allclose(after.co_class_logits[..., :3], before.co_class_logits[..., :3], atol=1e-4)


def test_the_linear_head_has_its_classes_fixed():
    head = ClassHead(replace(TINY_NANO, cls_head="linear"))
    assert head(torch.randn(2, 16), torch.randn(9, 2, 16)).shape == (2, 4)
