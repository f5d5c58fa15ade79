import itertools

from napari_segsam.train.draws import draws


def test_no_two_purposes_share_their_random_numbers():
    """numpy takes (1, 2) and (1, 2, 0) for the same seed."""
    purposes = ("picture", "kind of prompt", "rounds", "correction", "told its class")
    which = [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]
    drawn = [draws(3, 7, p, *w).integers(2**62) for p, w in itertools.product(purposes, which)]
    assert len(set(drawn)) == len(drawn)
    assert draws(3, 7, "picture", 1).integers(2**62) == draws(3, 7, "picture", 1).integers(2**62)
