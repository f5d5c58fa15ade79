"""Label maps out: the same voxel has the same millimetres in every reader, or nothing is written."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_segsam.core.errors import SegsamError, UnreadableInputError, WriteError
from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.io.formats import read_volume as read_nifti
from napari_segsam.io.labels import export
from napari_segsam.io.labels.files import LABEL_SUFFIXES, read_labels, write_labels
from napari_segsam.io.labels.importing import read_any
from tests.core.grids import AXIS_CODES, affine_of, affines, shapes

NIFTI = (".nii.gz", ".nii")


def label_map(grid: Grid, highest: int = 3) -> LabelMap:
    voxels = np.random.default_rng(5).integers(0, highest + 1, grid.shape).astype(np.uint16)
    return LabelMap(grid, voxels, {1: Label(1, "liver"), 2: Label(2, "kidney_left")})


def worst_mm(path: Path, grid: Grid) -> float:
    """How far apart nibabel and SimpleITK put any corner voxel from the grid."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in grid.shape])).reshape(3, -1).T
    wanted = grid.to_mm(corners)
    image = sitk.ReadImage(str(path))
    apart = [
        np.abs(image.TransformIndexToPhysicalPoint([int(n) for n in c]) - w).max()
        for c, w in zip(corners, wanted, strict=True)
    ]
    if path.name.endswith(NIFTI):
        lps = LPS_RAS @ nib.load(path).affine
        apart.append(np.abs(corners @ lps[:3, :3].T + lps[:3, 3] - wanted).max())
    return float(max(apart))


@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
@pytest.mark.parametrize("codes", AXIS_CODES)
def test_all_axis_codes_survive_every_format(tmp_path: Path, codes: str, suffix: str) -> None:
    labels = label_map(Grid((3, 4, 5), affine_of(codes)))
    path = tmp_path / f"labels{suffix}"
    write_labels(path, labels)
    assert worst_mm(path, labels.grid) <= 1e-3
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path))).transpose(2, 1, 0), labels.voxels)
    back = read_labels(path)
    assert back.grid.matches(labels.grid) and back.grid.axis_codes == codes
    assert np.array_equal(back.voxels, labels.voxels)


@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
@pytest.mark.parametrize("shear", [0.0, 0.4])
@settings(max_examples=12)
@given(data=st.data(), shape=shapes)
def test_any_grid_is_kept_and_without_shear_it_is_read_alike_by_both_libraries(
    suffix: str,
    shear: float,
    data: st.DataObject,
    shape: tuple[int, int, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    labels = label_map(Grid(shape, data.draw(affines(shear))))
    path = tmp_path_factory.mktemp("labels") / f"labels{suffix}"
    write_labels(path, labels)
    back = read_labels(path)
    assert back.grid.matches(labels.grid, 1e-3) and np.array_equal(back.voxels, labels.voxels)
    if not shear:  # which ITK refuses in a NIfTI without a qform
        assert worst_mm(path, labels.grid) <= 1e-3


def test_a_nifti_grid_is_kept_to_the_last_bit(tmp_path: Path) -> None:
    affine = affine_of("RSP")
    affine[:3, :3] += 0.1
    nib.save(nib.Nifti1Image(np.zeros((4, 5, 6), np.int16), LPS_RAS @ affine), tmp_path / "scan.nii.gz")
    volume = read_nifti(tmp_path / "scan.nii.gz")
    write_labels(tmp_path / "labels.nii.gz", LabelMap(volume.grid), {})
    assert np.array_equal(nib.load(tmp_path / "labels.nii.gz").affine, nib.load(tmp_path / "scan.nii.gz").affine)


@pytest.mark.parametrize("highest, kind", [(1, np.uint8), (255, np.uint8), (256, np.uint16), (65535, np.uint16)])
@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
def test_values_are_exact_in_the_smallest_type(tmp_path: Path, highest: int, kind: type, suffix: str) -> None:
    labels = label_map(Grid((5, 5, 5), np.eye(4)))
    labels.voxels[2, 2, 2] = highest
    path = tmp_path / f"labels{suffix}"
    write_labels(path, labels)
    assert sitk.GetArrayFromImage(sitk.ReadImage(str(path))).dtype == (
        kind if labels.voxels.max() == highest else np.uint8
    )
    assert np.array_equal(read_labels(path).voxels, labels.voxels)
    if suffix in NIFTI:
        image = nib.load(path)
        assert image.dataobj.slope == 1 and image.dataobj.inter == 0


def test_names_lie_beside_the_file_and_come_back(tmp_path: Path) -> None:
    labels = label_map(Grid((3, 3, 3), np.eye(4)))
    write_labels(tmp_path / "labels.nii.gz", labels, {2: "kidney_left", 1: "liver"})
    said = json.loads((tmp_path / "labels.nii.gz.labels.json").read_text())
    counts = {str(v): int((labels.voxels == v).sum()) for v in (1, 2, 3)}
    assert said == {"1": "liver", "2": "kidney_left", "voxels": counts}
    found = read_labels(tmp_path / "labels.nii.gz")
    assert names_in(found) == {1: "liver", 2: "kidney_left", 3: "label 3"} and found.warnings == ()
    assert len(list(tmp_path.iterdir())) == 2


def names_in(labels: LabelMap) -> dict[int, str]:
    return {v: label.name for v, label in labels.labels.items()}


def test_names_travel_inside_nrrd(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.seg.nrrd", label_map(Grid((3, 3, 3), np.eye(4))))
    (tmp_path / "labels.seg.nrrd.labels.json").unlink()
    assert read_labels(tmp_path / "labels.seg.nrrd").labels[1].name == "liver"


def test_names_in_the_file_go_before_those_that_another_program_left_beside_it(tmp_path: Path) -> None:
    """As 3D Slicer does who renames a segment, takes one out and saves over the file."""
    path = tmp_path / "labels.seg.nrrd"
    labels = label_map(Grid((3, 3, 3), np.eye(4)))
    write_labels(path, labels, {1: "liver", 2: "spleen", 3: "polyp", 7: "cyst"})
    header, _, voxels = path.read_bytes().partition(b"\n\n")
    lines = [line for line in header.split(b"\n") if not line.startswith((b"Segment2_", b"Segment3_"))]
    path.write_bytes(b"\n".join(lines).replace(b"Name:=spleen", b"Name:=stomach") + b"\n\n" + voxels)
    found = read_labels(path)
    assert names_in(found) == {1: "liver", 2: "stomach", 3: "polyp"}
    assert found.labels[1].coding is not None
    said = "labels.seg.nrrd names its labels otherwise than labels.seg.nrrd.labels.json; its own names were taken."
    assert found.warnings == (said,)
    told: list[str] = []
    read_any(path, labels.grid, tell=told.append)
    assert told == [said]


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".mha"])
def test_a_label_map_that_another_program_wrote_over_is_said_to_have_changed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"labels{suffix}"
    labels = label_map(Grid((3, 4, 5), affine_of("RPS")))
    write_labels(path, labels)
    sitk.WriteImage(sitk.ReadImage(str(path)), str(path))
    assert read_labels(path).warnings == ()  # other bytes, the same labels
    labels.voxels[0, 0, 0] = 9 if labels.voxels[0, 0, 0] == 3 else 3
    written = tmp_path / f"elsewhere{suffix}"
    write_labels(written, labels)
    written.replace(path)
    found = read_labels(path)
    assert found.labels[1].name == "liver"
    said = f"labels{suffix} has changed since labels{suffix}.labels.json was written; check that its names are still"
    assert found.warnings == (f"{said} right.",)


def test_names_that_do_not_say_of_how_many_voxels_are_taken(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.nii", label_map(Grid((3, 3, 3), np.eye(4))))
    (tmp_path / "labels.nii.labels.json").write_text('{"2": "cyst", "8": "polyp"}')
    found = read_labels(tmp_path / "labels.nii")
    assert names_in(found) == {1: "label 1", 2: "cyst", 3: "label 3", 8: "polyp"} and found.warnings == ()


def test_what_does_not_read_back_equal_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = label_map(Grid((3, 3, 3), np.eye(4)))
    path = tmp_path / "labels.nii.gz"
    path.write_bytes(b"old")
    honest = export.write_nifti_labels

    def moved(written: Path, stored: NDArray[np.unsignedinteger], grid: Grid, note: str) -> None:
        affine = np.array(grid.affine)
        affine[0, 3] += 0.01
        honest(written, stored, Grid(grid.shape, affine), note)

    def flipped(written: Path, stored: NDArray[np.unsignedinteger], grid: Grid, note: str) -> None:
        honest(written, np.ascontiguousarray(stored[..., ::-1]), grid, note)

    def cut(written: Path, stored: NDArray[np.unsignedinteger], grid: Grid, note: str) -> None:
        honest(written, stored, grid, note)
        written.write_bytes(written.read_bytes()[:-9])

    for wrong in (moved, flipped, cut):
        monkeypatch.setattr(export, "write_nifti_labels", wrong)
        with pytest.raises(WriteError, match="not written"):
            write_labels(path, labels)
        assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"\.nii\.gz"):
        write_labels(tmp_path / "labels.png", label_map(Grid((3, 3, 3), np.eye(4))))


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf, -1.0, 65536.0])
def test_what_is_no_whole_number_from_0_to_65535_is_no_label(tmp_path: Path, value: float) -> None:
    nib.save(nib.Nifti1Image(np.full((2, 2, 2), value), np.eye(4)), tmp_path / "x.nii")
    with pytest.raises(UnreadableInputError, match="not a label map"):
        read_labels(tmp_path / "x.nii")


def test_labels_stored_as_whole_floats_are_labels(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.full((2, 2, 2), 40000.0), np.eye(4)), tmp_path / "x.nii")
    assert (read_labels(tmp_path / "x.nii").voxels == 40000).all()


def test_colours_and_several_volumes_are_no_labels(tmp_path: Path) -> None:
    nib.save(nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.uint8), np.eye(4)), tmp_path / "x.nii")
    with pytest.raises(UnreadableInputError, match="several volumes"):
        read_labels(tmp_path / "x.nii")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((2, 2, 2, 3), np.uint8), isVector=True), str(tmp_path / "x.mha"))
    with pytest.raises(UnreadableInputError, match="colours"):
        read_labels(tmp_path / "x.mha")


def test_damaged_names_are_said(tmp_path: Path) -> None:
    write_labels(tmp_path / "labels.nii", label_map(Grid((3, 3, 3), np.eye(4))))
    counted = ('{"voxels": 3}', '{"voxels": {"1": "2"}}', '{"voxels": [1]}', '{"voxels": {"a": 1}}')
    for text in ("{", "[]", '{"a": "b"}', '{"1": 2}', '{"70000": "x"}', *counted):
        (tmp_path / "labels.nii.labels.json").write_text(text)
        with pytest.raises(SegsamError, match="must be"):
            read_labels(tmp_path / "labels.nii")


@pytest.mark.parametrize(
    "name",
    [
        "ct/totalseg_example/example_seg.nii.gz",
        "ct/totalseg_example/example_seg_v1_per_organ/liver.nii.gz",
        "mr/msd_hippocampus/labels/hippocampus_003.nii.gz",
        "mr/sct/t2/t2_seg-manual_labeled.nii.gz",
        "mr/totalseg_mr_example/example_seg_mr.nii.gz",
        "mr/pyradiomics_brain1/prostate_phantom_subvolume-label.nrrd",
    ],
)
@pytest.mark.parametrize("suffix", LABEL_SUFFIXES)
def test_real_label_maps_survive_a_round_trip(shared_data: Path, tmp_path: Path, name: str, suffix: str) -> None:
    labels = read_labels(shared_data / name)
    write_labels(tmp_path / f"x{suffix}", labels)
    back = read_labels(tmp_path / f"x{suffix}")
    assert back.grid.matches(labels.grid) and np.array_equal(back.voxels, labels.voxels)
    assert back.labels == labels.labels


def test_real_names_are_found_under_the_bare_name(shared_data: Path) -> None:
    labels = read_labels(shared_data / "ct/totalseg_example/example_seg.nii.gz").labels
    assert "liver" in {label.name for label in labels.values()}
