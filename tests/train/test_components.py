import numpy as np

from napari_segsam.train.components import components


def test_components_come_largest_first_and_those_of_one_size_in_their_order():
    mask = np.zeros((12, 12), bool)
    mask[0:2, 0:2] = mask[4:7, 4:7] = mask[9:11, 0:2] = mask[9, 9] = True
    found = components(mask, 3)
    assert [int(c.sum()) for c in found] == [9, 4, 4]
    assert [int(np.argwhere(c)[0, 0]) for c in found] == [4, 0, 9]
    assert components(np.zeros((4, 4), bool), 3) == []


def test_pixels_that_touch_at_a_corner_are_one_component():
    assert len(components(np.eye(5, dtype=bool), 9)) == 1
