import itertools

from napari_segsam.train.draws import draws, lot


def test_no_two_purposes_share_their_random_numbers():
    """numpy takes (1, 2) and (1, 2, 0) for the same seed."""
    purposes = ("picture", "kind of prompt", "rounds", "correction", "told its class")
    which = [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]
    drawn = [draws(3, 7, p, *w).integers(2**62) for p, w in itertools.product(purposes, which)]
    assert len(set(drawn)) == len(drawn)
    assert draws(3, 7, "picture", 1).integers(2**62) == draws(3, 7, "picture", 1).integers(2**62)


def test_a_lot_hangs_on_the_name_and_the_seed_alone():
    """Another number would move every case to another side of the split, and draw other masks."""
    assert lot("masks/a.png", 0) == 15172237598811367949
    assert len({lot(name, seed) for name in ("a", "b", "") for seed in (0, 1)}) == 6
