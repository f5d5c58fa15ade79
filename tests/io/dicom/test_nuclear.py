"""Nuclear medicine: a reconstruction's slices are stacked from the first, behind it or before it."""

from pathlib import Path

import numpy as np
import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.io.dicom.dicom_files import AXIAL, item, save, slice_set


def nuclear(path: Path, spacing: float, count: int = 3, kind: str = "RECON TOMO", **fields: object) -> Path:
    """A reconstruction whose slices are filled with their number, the first at z = 10 mm."""
    pixels = np.arange(count, dtype=np.uint16)[:, None, None] * np.ones((1, 2, 2), np.uint16)
    detector = item(ImagePositionPatient=[1, 2, 10], ImageOrientationPatient=list(AXIAL))
    bare = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient"))
    image = {"Modality": "NM", "ImageType": ["ORIGINAL", "PRIMARY", kind, "EMISSION"], "PixelData": pixels.tobytes()}
    ds = slice_set(pixels[0], (0, 0, 0), **bare, **image, NumberOfFrames=count, SpacingBetweenSlices=spacing)
    ds.DetectorInformationSequence = [detector]
    for keyword, value in fields.items():
        setattr(ds, keyword, value)
    return save(ds, path)


@pytest.mark.parametrize(("spacing", "first", "order"), [(4.0, 10, [0, 1, 2]), (-4.0, 2, [2, 1, 0])])
def test_the_sign_of_the_spacing_says_to_which_side(
    tmp_path: Path, spacing: float, first: int, order: list[int]
) -> None:
    volume = read_dicom(nuclear(tmp_path / "a", spacing))
    assert volume.grid.to_mm((0, 0, 0)).tolist() == [1, 2, first] and volume.voxels[0, 0].tolist() == order
    assert volume.grid.spacing_mm[2] == 4.0 and volume.name == "NM series 5"


def test_gates_are_volumes_of_their_own(tmp_path: Path) -> None:
    vectors = {"SliceVector": [1, 2, 3, 1, 2, 3], "TimeSlotVector": [1, 1, 1, 2, 2, 2]}
    infos = list_dicom(nuclear(tmp_path / "a", 4.0, 6, "RECON GATED TOMO", **vectors))
    assert [i.description for i in infos] == ["Abdomen time slot 1", "Abdomen time slot 2"]


@pytest.mark.parametrize("fields", [{"SpacingBetweenSlices": None}, {"DetectorInformationSequence": []}])
def test_slices_without_a_distance_or_a_place_are_refused(tmp_path: Path, fields: dict[str, object]) -> None:
    with pytest.raises(UnreadableInputError, match="does not say how its 3 slices lie"):
        read_dicom(nuclear(tmp_path / "a", 4.0, **fields))


def test_projections_are_no_slices(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="holds 3 NM frames and does not say where they lie"):
        read_dicom(nuclear(tmp_path / "a", 4.0, kind="WHOLE BODY"))
