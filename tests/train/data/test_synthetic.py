import numpy as np
import pytest

from napari_segsam.train.data import synthetic
from napari_segsam.train.data.synthetic import abstract, bodies, colour, faults, heads, ultrasound
from napari_segsam.train.data.synthetic.scene import Scene


def square(side, low, high):
    mask = np.zeros((side, side), dtype=bool)
    mask[low:high, low:high] = True
    return mask


@pytest.mark.parametrize("style", synthetic.STYLES)
def test_the_same_seed_draws_the_same_picture_in_every_style(style):
    a, masks_a = synthetic.picture(np.random.default_rng(3), 64, style)
    b, masks_b = synthetic.picture(np.random.default_rng(3), 64, style)
    assert np.array_equal(a, b)
    assert len(masks_a) == len(masks_b)
    assert all(np.array_equal(m, n) for m, n in zip(masks_a, masks_b, strict=True))


@pytest.mark.parametrize("style", synthetic.STYLES)
def test_every_style_shows_objects_that_can_be_asked_for(style):
    for seed in range(6):
        picture, masks = synthetic.picture(np.random.default_rng(seed), 64, style)
        assert picture.dtype == np.uint8
        assert picture.shape in ((64, 64), (64, 64, 3))
        assert picture.max() > picture.min()
        assert 1 <= len(masks) <= 16
        assert all(m.dtype == bool and m.shape == (64, 64) and m.sum() >= 20 for m in masks)
        assert all(faults.stands_out(picture, m) for m in masks)
        assert len({m.tobytes() for m in masks}) == len(masks)


def test_no_style_is_more_than_a_quarter_of_all():
    shares = [style.share for style in synthetic.STYLES.values()]
    assert sum(shares) == pytest.approx(1)
    assert max(shares) <= 0.25


def test_pictures_without_a_wish_are_of_many_styles():
    drawn = [synthetic.picture(np.random.default_rng(seed), 48)[0] for seed in range(40)]
    assert {p.ndim for p in drawn} == {2, 3}
    assert len({p.tobytes() for p in drawn}) == 40


def test_what_is_in_front_hides_what_is_behind():
    scene = Scene.empty(32)
    back = scene.add(square(32, 2, 20), "organ")
    front = scene.add(square(32, 10, 28), "organ")
    scene.join(back, front)
    seen_back, seen_front, both = scene.masks()
    assert not (seen_back & seen_front).any()
    assert np.array_equal(seen_front, square(32, 10, 28))
    assert np.array_equal(both, square(32, 2, 20) | square(32, 10, 28))


def test_an_object_that_is_hidden_or_tiny_is_not_asked_for():
    scene = Scene.empty(32)
    scene.add(square(32, 10, 14), "organ")
    scene.add(square(32, 20, 30), "organ")
    scene.add(square(32, 19, 31), "organ")
    assert [int(m.sum()) for m in scene.masks()] == [144]


def test_pieces_of_an_object_are_objects_and_still_one_together():
    scene = Scene.empty(32)
    twins = scene.add(square(32, 2, 10) | square(32, 20, 30), "bone")
    scene.pieces(twins)
    whole, *pieces = scene.masks()
    assert sorted(int(m.sum()) for m in pieces) == [64, 100]
    assert np.array_equal(whole, pieces[0] | pieces[1])


def test_lesions_lie_in_their_host_and_are_part_of_the_whole():
    rng = np.random.default_rng(1)
    scene = Scene.empty(96)
    organ = square(96, 20, 80)
    host = scene.add(organ, "liver")
    made = abstract.lesions(scene, rng, host)
    assert made
    assert np.isin(scene.labels, made).any()
    assert not np.isin(scene.labels, made)[~organ].any()
    assert any(np.array_equal(m, organ) for m in scene.masks())


def test_the_liver_is_left_of_the_spleen_on_an_axial_slice():
    sides = []
    for seed in range(12):
        scene = bodies.abdomen(np.random.default_rng(seed), 64)
        columns = {
            kind: np.nonzero(np.isin(scene.labels, [k for k, p in enumerate(scene.parts) if p.kind == kind]))[1]
            for kind in ("liver", "spleen")
        }
        if all(c.size for c in columns.values()):
            sides.append(columns["liver"].mean() < columns["spleen"].mean())
    assert len(sides) > 3
    assert all(sides)


def test_a_brain_has_white_matter_within_grey_matter():
    scene = heads.head(np.random.default_rng(2), 128)
    kinds = [p.kind for p in scene.parts]
    rows, cols = np.mgrid[:128, :128]

    def far(kind):
        mask = scene.labels == kinds.index(kind)
        white = scene.labels == kinds.index("white")
        return np.hypot(rows - rows[white].mean(), cols - cols[white].mean())[mask].mean()

    assert far("grey") > far("white")


def test_nothing_is_seen_outside_an_ultrasound_probes_field():
    rng = np.random.default_rng(4)
    scene = heads.fetus(rng, 96)
    for _ in range(6):
        image, seen = ultrasound.ultrasound(scene, rng)
        assert not image[~seen].any()
        assert image[seen].std() > 0.02


def test_sound_is_lost_behind_bone():
    scene = Scene.empty(96, "organ")
    bone = np.zeros((96, 96), dtype=bool)
    bone[20:26, 30:60] = True
    scene.add(bone, "bone")
    lost = ultrasound._transmitted(scene, np.random.default_rng(0), scene.labels.astype(np.int64))
    assert lost[60, 40:50].mean() < 0.8 * lost[60, 75:85].mean()


def test_the_retinas_field_is_round_and_dark_around():
    image, masks = colour.fundus(np.random.default_rng(0), 96)
    assert image[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 0.05
    assert not any(m[0, 0] for m in masks)


def test_no_object_reaches_into_an_empty_border():
    cut = 0
    for seed in range(60):
        image, masks = faults.bordered(
            np.full((64, 64), 90, dtype=np.uint8), [np.ones((64, 64), dtype=bool)], np.random.default_rng(seed)
        )
        assert (image[masks[0]] == 90).all()
        cut += not masks[0].all()
    assert cut


def test_turned_objects_stay_where_they_are_seen():
    image = np.zeros((64, 64), dtype=np.uint8)
    mask = np.zeros((64, 64), dtype=bool)
    mask[5:20, 30:60] = True
    image[mask] = 200
    for seed in range(30):
        turned, (moved,) = faults.turned(image, [mask], np.random.default_rng(seed))
        assert np.array_equal(turned > 0, moved)


def test_an_object_as_grey_as_its_neighbours_does_not_stand_out():
    noise = np.random.default_rng(0).normal(100, 10, (64, 64))
    mask = square(64, 20, 40)
    assert not faults.stands_out(noise.astype(np.uint8), mask)
    assert faults.stands_out((noise + 12 * mask).astype(np.uint8), mask)
    half = mask & (np.arange(64) < 30)
    assert faults.stands_out((noise + 40 * half - 40 * (mask & ~half)).clip(0, 255).astype(np.uint8), mask)


def test_faults_keep_shape_and_range():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for shape in ((64, 64), (64, 64, 3)):
            spoilt = faults.spoilt(rng.uniform(-0.5, 1.5, shape).astype(np.float32), rng)
            assert (spoilt.shape, spoilt.dtype) == (shape, np.uint8)
