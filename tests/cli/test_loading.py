from pathlib import Path

import pytest

from napari_segsam.cli import loading
from napari_segsam.core.errors import OutsideImageError, SegsamError, UnknownNameError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, range(10)),
        ("3", range(3, 4)),
        ("2:6", range(2, 6)),
        (":4", range(4)),
        ("1::3", range(1, 10, 3)),
        ("::", range(10)),
    ],
)
def test_slices_are_written_as_in_python(text, expected):
    assert loading.parse_slices(text, 10) == expected


@pytest.mark.parametrize("text", ["a", "1:2:0", "-1:3", "5:5", "1:2:3:4", ""])
def test_slices_that_name_nothing_are_refused(text):
    with pytest.raises(SegsamError, match="--slices"):
        loading.parse_slices(text, 10)


@pytest.mark.parametrize("text", ["10", "2:11", "11:12"])
def test_slices_beyond_the_image_are_refused(text):
    with pytest.raises(OutsideImageError, match="0 to 9"):
        loading.parse_slices(text, 10)


def test_a_window_is_centre_and_width():
    assert loading.parse_window("40,400").limits == (-160, 240)
    assert loading.parse_window("-600,1500").centre == -600
    assert loading.parse_window(None) is None


@pytest.mark.parametrize("text", ["40", "40,0", "40,-1", "a,b", "nan,400", "40,inf", "1,2,3", ""])
def test_a_window_that_is_none_is_refused(text):
    with pytest.raises(SegsamError, match="CENTRE,WIDTH"):
        loading.parse_window(text)


@pytest.mark.parametrize("text", ["1e39,1", "0,1e39", "1e308,1e308", "1e20,1", "0,1e-46"])
def test_a_window_without_usable_limits_is_refused(text):
    with pytest.raises(SegsamError, match=r"--window .* write"):
        loading.parse_window(text)


def test_unknown_axes_modalities_devices_and_models_are_refused_with_what_there_is(scan):
    with pytest.raises(UnknownNameError, match="i, j, k"):
        loading.parse_axis("z")
    with pytest.raises(UnknownNameError, match=r"modality 'cts'.*ct"):
        loading.load_volume(scan, modality="cts")
    with pytest.raises(SegsamError, match="auto, cpu or cuda"):
        loading.load_model("nano", "gpu")
    with pytest.raises(UnknownNameError, match="nano"):
        loading.load_model("nanoo", "cpu")


def test_the_modality_of_the_option_overrides_the_inferred_one(scan):
    assert loading.load_volume(scan).modality == "ct"
    assert loading.load_volume(scan, modality="mr").modality == "mr"


def test_what_a_command_reads_is_known_before_it_is_read(tmp_path):
    header = tmp_path / "a.mhd"
    header.write_text("NDims = 3\nDimSize = 1 1 1\nElementType = MET_UCHAR\nElementDataFile = a.raw\n")
    (tmp_path / "a.raw").write_bytes(b"1")
    assert loading.inputs(header, "mine.safetensors") == (header, tmp_path / "a.raw", Path("mine.safetensors"))
    (tmp_path / "a.raw").unlink()
    scan, weights = loading.inputs(header, "nano")
    assert (scan, weights.name) == (header, "nano.safetensors")
