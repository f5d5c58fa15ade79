import json
from pathlib import Path

import pytest

from napari_segsam.io.labels.holding import holds_labels


def named(path: Path, beside: str) -> Path:
    path.write_bytes(b"voxels")
    path.with_name(beside).write_text(json.dumps({"1": "liver"}))
    return path


@pytest.mark.parametrize("beside", ["made.nii.gz.labels.json", "made.labels.json"])
def test_names_under_either_of_their_two_places_make_an_image_a_label_map(tmp_path: Path, beside: str) -> None:
    assert holds_labels(named(tmp_path / "made.nii.gz", beside))


def test_an_image_without_names_is_taken_for_a_scan(tmp_path: Path) -> None:
    named(tmp_path / "made.nii.gz", "other.labels.json")
    assert not holds_labels(tmp_path / "made.nii.gz")


def test_names_that_could_be_those_of_two_images_make_neither_a_label_map(tmp_path: Path) -> None:
    scan = named(tmp_path / "case.nii.gz", "case.labels.json")
    assert holds_labels(scan)
    (tmp_path / "case.seg.nrrd").write_bytes(b"segments")
    assert not holds_labels(scan)
    assert holds_labels(tmp_path / "case.seg.nrrd")  # its own format says so


def test_a_folder_holds_no_labels(tmp_path: Path) -> None:
    assert not holds_labels(tmp_path)
