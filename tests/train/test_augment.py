import numpy as np
import pytest
import torch

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


def test_a_hair_less_than_black_stays_a_number():
    picture = np.full((4, 4, 1), -1e-7, np.float32)
    assert all(np.isfinite(augment.recolour(picture, np.random.default_rng(seed))).all() for seed in range(20))


def test_the_public_data_sets_own_name_for_radiographs_counts_as_anatomy():
    assert {"x", "xray", "ct", "mr"} <= set(augment.ANATOMICAL)
    assert "endoscopy" not in augment.ANATOMICAL


def test_a_bend_is_the_same_on_a_picture_and_on_its_coarse_cells():
    """What stands on a slice is kept on cells of four pixels, of which a wide picture covers a part."""
    mask = disk(24, 40, 14, 96)[:48]
    how = augment.Bend.drawn(np.random.default_rng(4))
    _, (bent,) = augment.bend(mask[..., None].astype(np.float32), [mask], how)
    cells = torch.zeros(1, 24, 24)
    cells[0, :12] = torch.from_numpy(mask.reshape(12, 4, 24, 4).mean((1, 3)).astype(np.float32))
    expected = bent.reshape(12, 4, 24, 4).mean((1, 3))
    found = how(cells, (12, 24))[0, :12].numpy()
    assert not np.array_equal(bent, mask)
    assert np.abs(found - expected).mean() < 0.02


def test_a_bend_leaves_the_middle_where_it_is():
    dot = np.zeros((31, 31), bool)
    dot[14:17, 14:17] = True
    for seed in range(5):
        _, (bent,) = augment.bend(
            dot[..., None].astype(np.float32), [dot], augment.Bend.drawn(np.random.default_rng(seed))
        )
        assert np.argwhere(bent).mean(0) == pytest.approx([15, 15], abs=0.6)
