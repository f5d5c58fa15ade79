import numpy as np

from napari_segsam.train import synthetic


def test_the_same_seed_draws_the_same_picture():
    a, masks_a = synthetic.picture(np.random.default_rng(3), 64)
    b, masks_b = synthetic.picture(np.random.default_rng(3), 64)
    assert np.array_equal(a, b)
    assert all(np.array_equal(m, n) for m, n in zip(masks_a, masks_b, strict=True))


def test_objects_are_what_is_seen_of_them():
    for seed in range(8):
        picture, masks = synthetic.picture(np.random.default_rng(seed), 64)
        assert (picture.shape, picture.dtype) == ((64, 64), np.uint8)
        assert np.sum(masks, axis=0).max(initial=0) <= 1  # what is in front hides what is behind
        assert all(m.sum() >= 20 for m in masks)
        assert picture.max() > picture.min()


def test_noise_has_no_mean_and_unit_variance():
    noise = synthetic.smooth_noise(np.random.default_rng(0), 64, 5)
    assert noise.shape == (64, 64)
    assert abs(noise.mean()) < 1e-5
    assert abs(noise.std() - 1) < 1e-3
