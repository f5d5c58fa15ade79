import numpy as np

from napari_segsam.train import augment
from tests.train.sa_med2d import disk


def test_picture_and_masks_turn_together():
    mask = disk(10, 30, 5)[:, :40]
    seen = set()
    for seed in range(60):
        picture, (turned,) = augment.turn(mask[..., None].astype(np.float32), [mask], np.random.default_rng(seed))
        assert np.array_equal(picture[..., 0] > 0, turned)
        seen.add(turned.tobytes())
    assert len(seen) == 8


def test_colours_change_and_places_do_not():
    picture = np.random.default_rng(1).random((16, 16, 1), np.float32)
    changed = [augment.recolour(picture, np.random.default_rng(seed)) for seed in range(40)]
    assert all(c.shape == picture.shape and c.dtype == np.float32 and np.isfinite(c).all() for c in changed)
    assert any(not np.array_equal(c, picture) for c in changed)
    assert all(np.corrcoef(c.ravel(), picture.ravel())[0, 1] > 0.2 for c in changed)


def test_the_public_data_sets_own_name_for_radiographs_counts_as_anatomy():
    assert {"x", "xray", "ct", "mr"} <= set(augment.ANATOMICAL)
    assert "endoscopy" not in augment.ANATOMICAL
