from dataclasses import replace

import torch

from napari_segsam.model.text_to_vision import ClassCards, OracleText
from tests.tiny import TINY_NANO

K, A, D = 3, 2, 12


def cards_of(sentences):
    torch.manual_seed(0)
    cards = ClassCards(TINY_NANO)
    cards.fill(sentences)
    return cards


def whitened(cards):
    return ((cards.sentences - cards.centre) @ cards.basis).mean(1).detach()


def test_cards_are_projected_to_the_width_of_tokens():
    assert cards_of(torch.randn(K, A, D))().shape == (K, A, TINY_NANO.dim)


def test_whitening_makes_a_small_difference_as_large_as_a_big_one():
    """Left and right kidney differ in a word; kidney and lung in everything."""
    torch.manual_seed(3)
    kidney, lung = torch.randn(D), torch.randn(D) * 3
    means = torch.stack([kidney + 0.05 * torch.randn(D), kidney - 0.05 * torch.randn(D), lung])
    sentences = means.unsqueeze(1).expand(-1, A, -1)

    def ratio(x):
        return float((x[0] - x[1]).norm() / (x[0] - x[2]).norm())

    raw = ratio(means)
    cards = ClassCards(TINY_NANO)
    cards.fill(sentences, shrinkage=1e-6)
    assert raw < 0.1
    assert ratio(whitened(cards)) > 0.9


def test_the_card_of_a_lone_class_stays_finite():
    cards = ClassCards(replace(TINY_NANO, n_classes=1))
    cards.fill(torch.randn(1, A, D))
    assert torch.isfinite(cards()).all()


def test_cards_and_their_basis_are_not_trained():
    names = {name for name, _ in cards_of(torch.randn(K, A, D)).named_parameters()}
    assert names == {"project.weight", "project.bias", "norm.weight", "norm.bias"}


def test_the_oracle_reads_the_card_of_the_class_it_is_told_and_a_token_where_it_is_told_none():
    torch.manual_seed(0)
    oracle = OracleText(replace(TINY_NANO, text_mode="oracle"))
    cards, tokens = torch.randn(K, A, TINY_NANO.dim), torch.zeros(2, 1, TINY_NANO.dim)

    def read(classes):
        return oracle(None, tokens, None, cards, classes)[0]

    told = read(torch.tensor([2, -1]))
    assert torch.allclose(told[0, 0], oracle.think(cards[2].mean(0)), atol=1e-6)
    assert torch.equal(told[1], oracle.unknown.weight)
    assert torch.equal(read(None), read(torch.tensor([-1, -1])))


def test_the_cards_of_a_single_class_survive_half_precision():
    cards = ClassCards(replace(TINY_NANO, n_classes=1))
    cards.fill(torch.randn(1, TINY_NANO.n_aspects, TINY_NANO.text_dim))
    assert bool(torch.isfinite(cards.basis.half()).all())
