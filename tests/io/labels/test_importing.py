"""One way in for labels of every kind: what a file may do, it does to the reading process."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.uid import DeflatedExplicitVRLittleEndian

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.labels import LabelMap
from napari_segsam.io.labels import rtstruct
from napari_segsam.io.labels.importing import read_any
from napari_segsam.io.labels.rtstruct import read_rtstruct
from napari_segsam.io.labels.structures import CONTOUR_DATA
from napari_segsam.io.sandbox.limits import MEMORY_VARIABLE
from tests.io.labels.structure_files import contour, grid_of, source_of, structure_file
from tests.io.memory import peak_of

SQUARE = [(1.4, 1.4), (5.6, 1.4), (5.6, 5.6), (1.4, 5.6)]
LARGE = grid_of((512, 512, 400))


def small_set(path: Path) -> Path:
    return structure_file(path, {1: [contour(grid_of(), 2, SQUARE, image=2)], 7: [contour(grid_of(), 9, SQUARE)]})


def test_a_structure_set_is_read_as_in_this_process_and_what_was_left_out_is_told(tmp_path: Path) -> None:
    path, grid, told = small_set(tmp_path / "rt.dcm"), grid_of(), list[str]()
    found = read_any(path, grid, source_of(grid), told.append)
    here = read_rtstruct(path, source_of(grid), grid)
    assert np.array_equal(found.voxels, here.voxels) and found.voxels.sum() == 16
    assert {v: label.name for v, label in found.labels.items()} == here.names == {1: "organ 1"}
    assert tuple(told) == here.warnings and "organ 7 lies outside" in told[0]
    found.voxels[0, 0, 0] = 9  # and it can be painted


def test_a_structure_set_without_the_part_that_says_what_a_file_is_is_one_too(tmp_path: Path) -> None:
    path, grid = small_set(tmp_path / "rt.dcm"), grid_of()
    ds = pydicom.dcmread(path)
    del ds.file_meta.MediaStorageSOPClassUID
    pydicom.dcmwrite(path, ds, enforce_file_format=False)
    assert read_any(path, grid, source_of(grid)).voxels.sum() == 16


def deflated(path: Path) -> None:
    """A structure set that inflates to 2 GiB."""
    ds = pydicom.dcmread(small_set(path))
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    ds.decode()
    pydicom.dcmwrite(path, ds, enforce_file_format=True)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    path.write_bytes(path.read_bytes() + (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)) * 2048)


def many_large_masks(path: Path) -> None:
    """A few hundred bytes for each ROI, and 100 MiB of voxels."""
    body = [(0, 0), (511, 0), (511, 511), (0, 511)]
    structure_file(path, {n: [contour(LARGE, 0, body), contour(LARGE, 399, body)] for n in range(1, 60)})


def many_points(path: Path) -> None:
    """Two bytes for each coordinate, as text."""
    zeros = contour(LARGE, 0, SQUARE)
    zeros[CONTOUR_DATA] = DataElement(CONTOUR_DATA, "OB", b"0\\" * 9_000_000)
    structure_file(path, {1: [zeros]})


BOMBS: dict[str, tuple[Callable[[Path], None], str]] = {
    "deflated": (deflated, "damaged, cut short or deflated"),
    "many large masks": (many_large_masks, "needs more memory than"),
    "many points": (many_points, "needs more memory than"),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_structure_set_that_becomes_huge_is_refused_and_costs_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    write, why = BOMBS[kind]
    write(tmp_path / "rt.dcm")
    monkeypatch.setenv(MEMORY_VARIABLE, "0.1")

    def refused() -> None:
        with pytest.raises(UnreadableInputError, match=why) as error:
            read_any(tmp_path / "rt.dcm", LARGE)
        assert "Secret" not in str(error.value)

    assert peak_of(refused) < 4 << 20


def test_absurd_counts_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, grid = small_set(tmp_path / "rt.dcm"), grid_of()
    ds = pydicom.dcmread(path)
    ds.ROIContourSequence[0].ContourSequence[0].NumberOfContourPoints = 2**31 - 1
    pydicom.dcmwrite(path, ds)
    with pytest.raises(UnreadableInputError, match=r"rt\.dcm: the structure set is damaged"):
        read_any(path, grid)
    structure_file(path, {n: [contour(grid, 2, SQUARE)] for n in (1, 2, 3)})
    monkeypatch.setattr(rtstruct, "MAX_LABEL", 2)
    with pytest.raises(UnreadableInputError, match="holds 3 ROIs, and a label map no more than 2"):
        read_rtstruct(path, None, grid)


def test_a_structure_set_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path, grid = small_set(tmp_path / "rt.dcm"), grid_of()
    whole = path.read_bytes()
    for length in (0, 100, 140, len(whole) // 2, len(whole) - 40):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableInputError, match=r"rt\.dcm"):
            read_any(path, grid)


def test_what_is_no_file_or_no_label_map_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="is not a file; name the file"):
        read_any(tmp_path, grid_of())
    (tmp_path / "x.dcm").write_bytes(b"hello")
    with pytest.raises(UnreadableInputError, match=r"x\.dcm"):
        read_any(tmp_path / "x.dcm", grid_of())
    assert isinstance(read_any(small_set(tmp_path / "rt"), grid_of()), LabelMap)
