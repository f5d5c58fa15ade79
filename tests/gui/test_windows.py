"""Windows change what is seen of a scan, and not one voxel."""

import numpy as np
import pytest

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume, Window
from napari_segsam.gui.layer_data import layer_of
from napari_segsam.gui.windows import AS_OPENED, contrast_limits, percentile_window, windows_of


def volume(voxels=None, **kwargs):
    voxels = np.arange(6 * 5 * 4, dtype=np.int16).reshape(6, 5, 4) if voxels is None else voxels
    return Volume(Grid(voxels.shape[:3], np.eye(4)), voxels, **kwargs)


def titles(of):
    return [title for title, _ in windows_of(of)]


def test_a_ct_offers_the_windows_that_radiologists_use():
    assert titles(volume(modality="ct")) == [
        "as opened",
        "soft tissue (40, 400)",
        "lung (-600, 1500)",
        "mediastinum (50, 350)",
        "bone (400, 1800)",
        "liver (30, 150)",
        "brain (40, 80)",
    ]


def test_the_files_own_windows_come_first_under_their_names():
    own = (Window(50, 350, "ABDOMEN"), Window(-600, 1500, ""), Window(300, 1500, "file 3"))
    found = titles(volume(modality="ct", windows=own))
    assert found[:4] == ["as opened", "file: ABDOMEN (50, 350)", "file (-600, 1500)", "file 3 (300, 1500)"]
    assert "lung (-600, 1500)" not in found
    assert "mediastinum (50, 350)" not in found


@pytest.mark.parametrize(
    ("modality", "low", "high"), [("mr", 1, 99.5), ("pet", 0, 99.8), ("us", 0, 100), ("xray", 0.5, 99.5)]
)
def test_other_modalities_offer_percentiles_of_the_voxels(modality, low, high):
    rng = np.random.default_rng(0)
    voxels = rng.gamma(2.0, 300.0, (60, 60, 30)).astype(np.float32)
    window = windows_of(volume(voxels, modality=modality))[1][1]
    assert window.name == f"{low:g} to {high:g} %"
    assert np.allclose(window.limits, np.percentile(voxels, (low, high)), rtol=0.02)


def test_colours_have_no_window():
    assert windows_of(volume(np.zeros((6, 5, 4, 3), np.uint8), modality="rgb")) == [("as opened", AS_OPENED)]


def test_the_first_contrast_is_the_files_window_then_soft_tissue_then_percentiles():
    assert contrast_limits(volume(windows=(Window(50, 100),), modality="ct")) == (0, 100)
    assert contrast_limits(volume(modality="ct")) == (-160, 240)
    low, high = contrast_limits(volume(modality="mr"))
    assert 0 <= low < 5
    assert 110 < high <= 119


@pytest.mark.parametrize("voxels", [np.zeros((3, 3, 3)), np.full((3, 3, 3), np.nan), np.full((3, 3, 3), 1e9)])
def test_contrast_of_an_even_picture_is_still_a_range(voxels):
    low, high = percentile_window(volume(voxels, modality="mr")).limits
    assert low < high


def test_padding_does_not_count_for_the_contrast():
    voxels = np.full((8, 8, 8), -2000.0)
    voxels[2:4] = 100.0
    voxels[3] = 50.0
    low, high = contrast_limits(volume(voxels, modality="mr", padding=-2000.0))
    assert np.allclose((low, high), (50.0, 100.0))


def test_choosing_windows_leaves_voxels_and_what_the_model_sees(ready):
    panel, scan = ready.dock.scan_panel, ready.layers[0]
    before = scan.metadata["segsam_volume"].voxels.copy()
    for window in panel.window_preset.choices:
        panel.window_preset.value = window
        if window != AS_OPENED:
            assert tuple(scan.contrast_limits) == window.limits
    assert np.array_equal(scan.metadata["segsam_volume"].voxels, before)
    assert ready.session.window is None


def test_monochrome1_is_inverted_by_the_colormap_alone():
    stored = volume(inverted=True, modality="xray")
    data, kwargs, _ = layer_of(stored)
    assert kwargs["colormap"] == "gray_r"
    assert np.shares_memory(data, stored.voxels)


def test_another_modality_offers_its_own_windows(ready):
    ready.dock.scan_panel.modality.value = "mr"
    ready.rest()
    assert [w.name for w in ready.dock.scan_panel.window_preset.choices] == ["as opened", "1 to 99.5 %"]
