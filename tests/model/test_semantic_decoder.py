from dataclasses import replace

import torch

from napari_segsam.model.semantic_decoder import ClassHead
from tests.tiny import TINY_NANO, tiny


def test_dec_saw_starts_as_a_copy_of_sams_decoder_but_shares_nothing_with_it():
    model = tiny()
    saw, sag = model.semantic_decoder, model.mask_decoder
    assert torch.equal(saw.so_token.weight, sag.mask_tokens.weight[:1])
    for part in ("transformer", "output_upscaling"):
        twins = zip(getattr(saw, part).parameters(), getattr(sag, part).parameters(), strict=True)
        assert all(torch.equal(a, b) and a.data_ptr() != b.data_ptr() for a, b in twins)


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
