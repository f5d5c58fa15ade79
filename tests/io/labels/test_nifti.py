"""NIfTI label maps lie where each program puts their scan, whichever form and code of the header it goes by."""

from itertools import product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_segsam.core.errors import WriteError
from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.io import sandbox
from napari_segsam.io.formats import read_labels, read_volume
from napari_segsam.io.labels import export
from napari_segsam.io.labels.export import export_labels
from napari_segsam.io.labels.voxel_bytes import Stored
from tests.core.grids import affine_of, rotation
from tests.io.images.nifti_files import saved

ARRAY = np.zeros((4, 5, 6), np.int16)
CODES = list(product(range(6), repeat=2))


def oblique(shear: float = 0.0) -> NDArray[np.float64]:
    affine = affine_of("LPS")
    affine[:3, :3] = rotation((0.2, -0.3, 0.4)) @ affine[:3, :3]
    affine[:3, 2] += shear * affine[:3, 1]
    return affine


def scan(path: Path, codes: tuple[int, int], sform: NDArray[np.float64], qform: NDArray[np.float64]) -> Path:
    """LPS affines of a file with these codes; a qform holds no shear."""
    header = nib.Nifti1Header()
    header.set_qform(LPS_RAS @ qform, 1, strip_shears=True)
    header.set_sform(LPS_RAS @ sform, 1)
    placing = ("pixdim", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z")
    fields = {name: header[name] for name in (*placing, "srow_x", "srow_y", "srow_z")}
    return saved(path, ARRAY, **fields, qform_code=codes[0], sform_code=codes[1])


def labels_on(path: Path) -> Path:
    """A label map beside a scan, as it is exported."""
    volume = read_volume(path)
    labels = LabelMap(volume.grid)
    labels.voxels[1, 2, 3] = 7
    out = path.with_name(f"labels-{path.name}")
    export_labels(out, labels, "nifti")
    back = read_labels(out)
    assert back.grid.matches(volume.grid) and np.array_equal(back.voxels, labels.voxels)
    return out


def by_itk(path: Path) -> tuple[tuple[float, ...], ...] | None:
    """Where ITK puts a file; None where it refuses it."""
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError:
        return None
    return image.GetOrigin(), image.GetSpacing(), image.GetDirection()


@pytest.mark.parametrize("shape", ["both forms agree", "the forms disagree", "the sform is sheared"])
def test_labels_lie_on_their_scan_in_nibabel_and_itk_for_all_pairs_of_codes(tmp_path: Path, shape: str) -> None:
    sform = oblique(shear=0.3 if "sheared" in shape else 0.0)
    qform = affine_of("RPS") if "disagree" in shape else sform
    for q, s in CODES:
        path = scan(tmp_path / f"{q}{s}.nii", (q, s), sform, qform)
        out = labels_on(path)
        theirs, ours = nib.load(path), nib.load(out)
        assert np.allclose(ours.affine, theirs.affine, atol=1e-5)
        assert [int(ours.header[f"{form}_code"]) for form in ("qform", "sform")] == [q, s]
        if q:
            assert np.allclose(ours.header.get_qform(), theirs.header.get_qform(), atol=1e-5)
        place = by_itk(path)
        assert (place is None) == (by_itk(out) is None) == ("sheared" in shape and q == 0 and s > 0)
        if place is not None:
            assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(by_itk(out) or (), place, strict=True))


@settings(max_examples=20)
@given(angles=st.tuples(*[st.floats(-np.pi, np.pi)] * 3), offset=st.floats(-500, 500))
def test_a_scan_that_has_a_qform_only_is_met_exactly(
    angles: tuple[float, float, float], offset: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    affine = affine_of("LPS")
    affine[:3, :3], affine[:3, 3] = rotation(angles) @ affine[:3, :3], offset
    path = scan(tmp_path_factory.mktemp("q") / "scan.nii", (1, 0), affine, affine)
    theirs, ours = (nib.load(p) for p in (path, labels_on(path)))
    assert np.allclose(ours.affine, theirs.affine, rtol=0, atol=1e-9)
    assert int(ours.header["sform_code"]) == 0  # else the affine would be rounded to float32


def test_what_the_header_says_comes_through_the_reading_process_and_through_another_label_map(tmp_path: Path) -> None:
    path = scan(tmp_path / "scan.nii.gz", (2, 4), oblique(), affine_of("RPS"))
    first, second = tmp_path / "first.nii.gz", tmp_path / "second.nii"
    export_labels(first, LabelMap(sandbox.read_volume(path).grid), "nifti")
    export_labels(second, read_labels(first), "nifti")
    for out in (first, second):
        header = nib.load(out).header
        assert (int(header["qform_code"]), int(header["sform_code"])) == (2, 4)
        assert np.allclose(header.get_qform(), nib.load(path).header.get_qform(), atol=1e-5)


@pytest.mark.parametrize("units", [1, 3])
def test_other_units_than_millimetres_are_converted_in_both_forms(tmp_path: Path, units: int) -> None:
    path = scan(tmp_path / "scan.nii", (1, 1), oblique(), oblique())
    whole = bytearray(path.read_bytes())
    whole[123] = units
    path.write_bytes(whole)
    header = nib.load(labels_on(path)).header
    assert np.allclose(header.get_qform(), header.get_sform(), atol=1e-3 if units == 3 else 1.0)
    assert header.get_xyzt_units()[0] == "mm"


def test_labels_of_other_scans_say_their_place_in_both_forms_as_coordinates_of_the_scanner(tmp_path: Path) -> None:
    for name, affine, codes in (("plain.nii", oblique(), (1, 1)), ("sheared.nii", oblique(shear=0.2), (0, 1))):
        export_labels(tmp_path / name, LabelMap(Grid((3, 4, 5), affine)), "nifti")
        header = nib.load(tmp_path / name).header
        assert (int(header["qform_code"]), int(header["sform_code"])) == codes


def test_forms_with_voxels_of_other_sizes_are_kept_too(tmp_path: Path) -> None:
    """An affine registration may scale the sform; ITK then takes the sizes from the qform and all else from either."""
    for codes in ((1, 1), (1, 4)):
        path = scan(tmp_path / "scan.nii", codes, oblique(), affine_of("RPS", (1.0, 2.0, 3.0)))
        assert by_itk(labels_on(path)) == by_itk(path)


def test_a_qform_that_is_not_the_scans_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ITK goes by it where the sform's code is not 1, so that a wrong one would move the labels there alone."""
    grid = read_volume(scan(tmp_path / "scan.nii", (1, 4), oblique(), oblique())).grid
    honest = export.write_nifti_labels

    def moved(written: Path, stored: Stored, grid: Grid, note: str) -> None:
        honest(written, stored, grid, note)
        whole = bytearray(written.read_bytes())
        header = nib.Nifti1Header(bytes(whole[:348]))
        header["qoffset_x"] += 1.0
        written.write_bytes(header.binaryblock + whole[348:])

    monkeypatch.setattr(export, "write_nifti_labels", moved)
    with pytest.raises(WriteError, match="did not read back equal"):
        export_labels(tmp_path / "labels.nii", LabelMap(grid), "nifti")
