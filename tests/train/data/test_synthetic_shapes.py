import numpy as np
import pytest
from scipy import ndimage

from napari_segsam.train.data.synthetic import shapes
from napari_segsam.train.data.synthetic.fields import Frame, rough_noise, smooth_noise


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def plain(rng, side=96):
    return Frame.drawn(rng, side, (1, 1), 0, 0, 0)


def test_noise_has_no_mean_and_unit_variance(rng):
    for noise in (smooth_noise(rng, 64, 5), smooth_noise(rng, 64, 3, 20), smooth_noise(rng, 64, 500)):
        assert noise.shape == (64, 64)
        assert noise.dtype == np.float32
        assert abs(noise.mean()) < 1e-5
        assert abs(noise.std() - 1) < 1e-3


def test_noise_with_fewer_bumps_is_smoother(rng):
    steps = [np.abs(np.diff(smooth_noise(rng, 128, cells), axis=0)).mean() for cells in (3, 12, 48)]
    assert steps[0] < steps[1] < steps[2]


def test_noise_may_be_finer_across_than_down(rng):
    noise = smooth_noise(rng, 128, 4, 40)
    assert np.abs(np.diff(noise, axis=1)).mean() > 3 * np.abs(np.diff(noise, axis=0)).mean()


def test_rough_noise_has_about_unit_variance(rng):
    assert rough_noise(rng, 128, 6).std() == pytest.approx(1, abs=0.35)


def test_an_unbent_frame_has_its_middle_in_the_picture_and_its_rim_at_one(rng):
    frame = plain(rng, 64)
    assert abs(frame.v[32, 32]) < 0.05
    assert frame.v[:, 0] == pytest.approx(frame.v[:, 40], abs=1e-6)
    assert np.ptp(frame.u) == pytest.approx(2, abs=0.5)


def test_a_blob_without_wobble_is_an_ellipse(rng):
    frame = plain(rng)
    radius = shapes.radial(frame, rng, (0.1, -0.1), (0.4, 0.2), wobble=0)
    inside = radius < 1
    expected = np.hypot((frame.v - 0.1) / 0.4, (frame.u + 0.1) / 0.2) < 1
    assert np.array_equal(inside, expected)


def test_a_blob_far_outside_the_picture_covers_nothing(rng):
    assert shapes.radial(plain(rng), rng, (9, 9), (0.3, 0.3)).min() > 1


def test_a_smaller_radius_nests_within_a_wavy_blob(rng):
    radius = shapes.radial(plain(rng), rng, (0, 0), (0.5, 0.5), wobble=0.3)
    assert ((radius < 0.6) <= (radius < 1)).all()
    assert ndimage.label(radius < 1)[1] == 1


def test_a_stroke_is_as_wide_as_it_is_told():
    mask = shapes.stroke(64, np.array([[32.0, 10.0], [32.0, 50.0]]), np.array([3.0, 3.0]))
    assert mask[:, 30].sum() == 7
    assert mask[32, 7] and not mask[32, 6]


def test_a_stroke_may_leave_the_picture():
    mask = shapes.stroke(32, np.array([[-50.0, -50.0], [16.0, 16.0], [90.0, 16.0]]), np.full(3, 2.0))
    assert mask[0, 0] and mask[31, 16]


def test_a_vessel_tree_hangs_together_and_starts_where_it_should(rng):
    mask = shapes.tree(rng, 128, (64.0, 64.0), 0.3, shapes.Growth(4, 25, forks=4, thinnest=1))
    assert mask[64, 64]
    assert ndimage.label(mask, np.ones((3, 3)))[1] == 1


def test_layers_follow_each_other_downwards(rng):
    above = shapes.layers(plain(rng), rng, np.array([-0.5, 0.0, 0.5]), 0.05)
    assert set(np.unique(above)) == {0, 1, 2, 3}
    assert above[0].max() == 0
    assert above[-1].min() == 3


def test_scattered_places_keep_their_distance(rng):
    places = shapes.scatter(rng, 100, 20, 12)
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    assert 5 < len(places) <= 20
    assert apart[~np.eye(len(places), dtype=bool)].min() >= 12


def test_each_pixel_belongs_to_its_nearest_seed(rng):
    frame = plain(rng)
    seeds = np.array([[0.0, -0.5], [0.0, 0.5]])
    owner, margin = shapes.nearest(frame, rng, seeds, 0)
    assert np.array_equal(owner == 1, frame.u > 0)
    assert margin[np.abs(frame.u) < 0.02].max() < 0.1
