"""What 3D Slicer reads in the header of a .seg.nrrd, and what of Slicer's is read here."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_segsam.core.colours import colour_of
from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.terminology import CATEGORIES, Code, Coding
from napari_segsam.io.labels.export import export_labels
from napari_segsam.io.labels.files import read_labels
from napari_segsam.io.labels.importing import read_any
from tests.core.grids import affine_of

GRID = Grid((6, 7, 8), affine_of("LPS"))


def segments(path: Path) -> LabelMap:
    labels = LabelMap(GRID, labels={1: Label(1, "liver"), 4: Label(4, "femur_left"), 9: Label(9, "nowhere")})
    labels.voxels[1:3, 2:5, 3:4], labels.voxels[5, 6, 7] = 1, 4
    export_labels(path, labels, "nrrd")
    return labels


def test_slicer_finds_names_colours_terminology_and_extents(tmp_path: Path) -> None:
    segments(tmp_path / "x.seg.nrrd")
    image = sitk.ReadImage(str(tmp_path / "x.seg.nrrd"))
    said = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if key.startswith("Segment")}
    assert said["Segmentation_SourceRepresentation"] == "Binary labelmap"
    assert said["Segmentation_ReferenceImageExtentOffset"] == "0 0 0"
    assert said["Segment0_Name"] == "liver" and said["Segment0_LabelValue"] == "1" and said["Segment0_Layer"] == "0"
    assert said["Segment0_Extent"] == "1 2 2 4 3 3" and said["Segment2_Extent"] == "0 -1 0 -1 0 -1"
    assert [float(c) for c in said["Segment0_Color"].split()] == pytest.approx(colour_of("liver"))
    assert said["Segment0_Tags"] == (
        "TerminologyEntry:Segmentation category and type - DICOM master list~SCT^123037004^Anatomical Structure"
        "~SCT^10200004^Liver structure~^^~Anatomic codes - DICOM master list~^^~^^|"
    )
    assert "~SCT^7771000^Left~" in said["Segment1_Tags"] and "Segment2_Tags" not in said


def test_names_and_codes_come_back(tmp_path: Path) -> None:
    written = segments(tmp_path / "x.seg.nrrd")
    (tmp_path / "x.seg.nrrd.labels.json").unlink()
    found = read_labels(tmp_path / "x.seg.nrrd")
    assert {v: label.name for v, label in found.labels.items()} == {v: n.name for v, n in written.labels.items()}
    assert found.labels[4].coding == Coding(
        CATEGORIES["anatomy"], Code("71341001", "Bone structure of femur"), Code("7771000", "Left")
    )


@pytest.mark.parametrize("name", ["Müller's liver", "a\\b\\n", "two\nlines", "a:=b", "肝臓"])
def test_any_name_is_kept_in_its_line(tmp_path: Path, name: str) -> None:
    labels = LabelMap(GRID, labels={1: Label(1, name)})
    labels.voxels[0, 0, 0] = 1
    export_labels(tmp_path / "x.seg.nrrd", labels, "nrrd")
    (tmp_path / "x.seg.nrrd.labels.json").unlink()
    assert read_labels(tmp_path / "x.seg.nrrd").labels[1].name == name


def layered(path: Path, layers: np.ndarray, start: tuple[int, int, int] = (0, 0, 0)) -> Path:
    """A file with several layers as Slicer saves one: (layers, ni, nj, nk) uint8, cropped, values from 1 in each."""
    origin = GRID.to_mm(start)
    steps = " ".join("(" + ",".join(map(repr, column)) + ")" for column in GRID.affine[:3, :3].T.tolist())
    header = [
        "NRRD0004",
        "type: unsigned char",
        "dimension: 4",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, layers.shape))}",
        f"space directions: none {steps}",
        "kinds: list domain domain domain",
        "encoding: raw",
        f"space origin: ({','.join(map(repr, origin.tolist()))})",
        *(f"Segment{n}_{key}:={value}" for n in range(2) for key, value in
          (("ID", f"S{n}"), ("LabelValue", 1), ("Layer", n), ("Name", f"segment {n}"))),
        f"Segmentation_ReferenceImageExtentOffset:={' '.join(map(str, start))}",
    ]  # fmt: skip
    path.write_bytes("\n".join(header).encode() + b"\n\n" + layers.tobytes(order="F"))
    return path


def test_layers_that_do_not_overlap_are_one_label_map_in_its_place(tmp_path: Path) -> None:
    layers = np.zeros((2, 3, 3, 2), np.uint8)
    layers[0, 0, 1, 1] = layers[1, 2, 2, 0] = 1
    path = layered(tmp_path / "x.seg.nrrd", layers, (2, 3, 4))
    found = read_any(path, GRID)
    assert (found.voxels[2, 4, 5], found.voxels[4, 5, 4], np.count_nonzero(found.voxels)) == (1, 2, 2)
    assert {v: label.name for v, label in found.labels.items()} == {1: "segment 0", 2: "segment 1"}


def test_layers_that_overlap_are_refused(tmp_path: Path) -> None:
    layers = np.zeros((2, 3, 3, 2), np.uint8)
    layers[:, 1, 1, 1] = 1
    with pytest.raises(UnreadableInputError, match="overlap in 1 voxel"):
        read_labels(layered(tmp_path / "x.seg.nrrd", layers))


def without(path: Path, *fields: str) -> Path:
    """The same file without these fields of its segments."""
    header, _, voxels = path.read_bytes().partition(b"\n\n")
    kept = [line for line in header.split(b"\n") if not any(f"_{field}:=".encode() in line for field in fields)]
    path.write_bytes(b"\n".join(kept) + b"\n\n" + voxels)
    return path


def test_a_segment_of_older_slicers_is_the_1_in_a_layer_of_its_own(tmp_path: Path) -> None:
    layers = np.zeros((2, 3, 3, 2), np.uint8)
    layers[0, 0, 1, 1] = layers[1, 2, 2, 0] = 1
    found = read_labels(without(layered(tmp_path / "x.seg.nrrd", layers), "LabelValue", "Layer"))
    assert {v: label.name for v, label in found.labels.items()} == {1: "segment 0", 2: "segment 1"}
    assert (found.voxels[0, 1, 1], found.voxels[2, 2, 0]) == (1, 2)


def test_one_segment_of_older_slicers_keeps_its_name(tmp_path: Path) -> None:
    labels = LabelMap(GRID, labels={1: Label(1, "liver")})
    labels.voxels[1, 2, 3] = 1
    export_labels(tmp_path / "x.seg.nrrd", labels, "nrrd")
    (tmp_path / "x.seg.nrrd.labels.json").unlink()
    assert read_labels(without(tmp_path / "x.seg.nrrd", "LabelValue", "Layer")).labels[1].name == "liver"


def test_a_layer_that_is_not_there_is_said(tmp_path: Path) -> None:
    layers = np.zeros((1, 3, 3, 2), np.uint8)
    path = layered(tmp_path / "x.seg.nrrd", layers)
    with pytest.raises(UnreadableInputError, match=r"it has 1 layer, and segment 1 lies in layer 1 \(from 0\)"):
        read_labels(path)


def test_values_without_layers_are_those_of_the_only_one(tmp_path: Path) -> None:
    written = segments(tmp_path / "x.seg.nrrd")
    (tmp_path / "x.seg.nrrd.labels.json").unlink()
    found = read_labels(without(tmp_path / "x.seg.nrrd", "Layer"))
    assert {v: label.name for v, label in found.labels.items()} == {v: n.name for v, n in written.labels.items()}
