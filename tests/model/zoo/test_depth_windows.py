import numpy as np
import pytest
import torch

from napari_segsam.model.zoo.depth_windows import averaged, window_around


def volume(n, seed=0):
    return torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def classify(window):
    """Two classes and the background, which depend on the place in the window and on the neighbours."""
    slices = window[0]
    place = torch.arange(len(slices)).reshape(-1, 1, 1, 1)
    return slices * (1 + place) + slices.mean(0) * place


def naive(images, slices=5):
    """Every window in one padded volume, added up and divided by how many covered each slice."""
    n, half = len(images), slices // 2
    padded = torch.cat([images[:1]] * half + [images] + [images[-1:]] * half)
    total, count = torch.zeros_like(padded), torch.zeros(len(padded), 1, 1, 1)
    for start in range(n):
        total[start : start + slices] += classify(padded[None, start : start + slices]).softmax(1)
        count[start : start + slices] += 1
    return (total / count)[half : half + n]


@pytest.mark.parametrize("n", [1, 2, 3, 5, 12])
@pytest.mark.parametrize("slices", [1, 3, 5])
def test_the_mean_of_all_windows_is_that_of_a_plain_loop(n, slices):
    images = volume(n)
    ours = torch.stack(list(averaged(classify, lambda indices: images[list(indices)][None], n, slices)))
    assert ours.shape == (n, 3, 4, 4)
    assert torch.allclose(ours, naive(images, slices), atol=1e-6)


def test_a_slice_comes_as_soon_as_its_last_window_was_seen():
    images, seen = volume(20), []

    def prepare(indices):
        seen.append(indices)
        return images[list(indices)][None]

    found = averaged(classify, prepare, 20)
    next(found)
    assert len(seen) == 3
    next(found)
    assert len(seen) == 4


def test_probabilities_add_up_to_one():
    images = volume(6)
    for each in averaged(classify, lambda indices: images[list(indices)][None], 6):
        assert np.allclose(each.sum(0), 1, atol=1e-6)


def test_beyond_the_volume_its_outer_slices_are_repeated():
    assert window_around(0, 5, 9) == [0, 0, 0, 1, 2]
    assert window_around(8, 5, 9) == [6, 7, 8, 8, 8]
    assert window_around(4, 5, 9) == [2, 3, 4, 5, 6]
