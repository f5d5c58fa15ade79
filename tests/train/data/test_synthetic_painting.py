import numpy as np
import pytest

from napari_segsam.train.data.synthetic import grey, microscopy, xray
from napari_segsam.train.data.synthetic.scene import Scene


@pytest.fixture
def scene():
    """Fluid in liver in air, and a lesion in the liver."""
    rows, cols = np.mgrid[:96, :96]
    scene = Scene.empty(96)
    scene.add(np.hypot(rows - 48, cols - 48) < 40, "liver")
    scene.add(np.hypot(rows - 48, cols - 35) < 12, "fluid", 1)
    scene.add(np.hypot(rows - 48, cols - 62) < 12, "lesion", 1)
    return scene


def means(scene, image):
    return [float(image[scene.labels == k].mean()) for k in range(len(scene.parts))]


def test_air_is_darkest_on_ct(scene):
    for seed in range(8):
        air, liver, fluid, _ = means(scene, grey.ct(scene, np.random.default_rng(seed)))
        assert air < fluid < liver


def test_fluid_is_dark_on_t1_and_bright_on_t2(scene):
    for table, brighter in ((grey.T1, False), (grey.T2, True)):
        values = grey.brightness(scene, np.random.default_rng(0), table, 0.2, 0)
        assert (values[2] > values[1]) == brighter


def test_a_lesion_differs_from_what_it_lies_in(scene):
    for seed in range(8):
        values = grey.brightness(scene, np.random.default_rng(seed), grey.HOUNSFIELD, 30, 0)
        assert 10 < abs(values[3] - values[1]) < 70


def test_a_lesion_is_hot_on_pet(scene):
    hot = 0
    for seed in range(12):
        _, liver, _, lesion = means(scene, grey.pet(scene, np.random.default_rng(seed)))
        hot += lesion > liver
    assert hot in range(6, 12)  # black on white now and then


def test_mr_is_never_negative(scene):
    for seed in range(8):
        image = grey.mr(scene, np.random.default_rng(seed))
        assert image.min() >= -1e-6
        assert image.dtype == np.float32


def test_shadows_add_up_and_hide_nothing():
    film = xray.Shadows(np.zeros((64, 64), dtype=np.float32))
    a, b = np.zeros((2, 64, 64), dtype=bool)
    a[10:40, 10:40] = True
    b[20:50, 20:50] = True
    film.add(a, 1.0, soft=0)
    film.add(b, 0.5, soft=0)
    assert film.absorbed[30, 30] == 1.5
    assert film.absorbed[15, 15] == 1.0
    _, objects = film.shown(np.random.default_rng(0))
    assert np.array_equal(objects[0], a) and np.array_equal(objects[1], b)


def test_the_cortex_of_a_bone_absorbs_more_than_its_middle():
    film = xray.Shadows(np.zeros((96, 96), dtype=np.float32))
    bone = np.zeros((96, 96), dtype=bool)
    bone[10:86, 30:60] = True
    film.add(bone, 1.0, rim=0.6, soft=0)
    assert film.absorbed[48, 30] > 1.3 * film.absorbed[48, 45]


def test_lungs_are_darker_than_the_heart_on_a_chest_film():
    rng = np.random.default_rng(1)
    image, (right, left, both, heart, *_) = xray.chest_film(rng, 96)
    assert np.array_equal(both, right | left)
    assert abs(image[both & ~heart].mean() - image[heart].mean()) > 0.1


def test_nuclei_are_darker_than_the_stroma_they_lie_in():
    for seed in range(4):
        image, masks = microscopy.stained(np.random.default_rng(seed), 128)
        nuclei = masks[-1]
        ring = np.roll(nuclei, 6, 0) & ~nuclei
        assert image[nuclei].mean() < image[ring].mean()
