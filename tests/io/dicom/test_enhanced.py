"""Many frames in one file, each with a place and a rescale of its own."""

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.read import list_dicom, read_dicom
from tests.io.dicom.dicom_files import frame_item, item, multi_frame, save, slice_set

SAGITTAL = (0, 1, 0, 0, 0, -1)


def numbered(count: int) -> np.ndarray:  # type: ignore[type-arg]
    """(count, 3, 4) frames, each filled with its number."""
    return np.arange(count, dtype=np.int16)[:, None, None] * np.ones((1, 3, 4), np.int16)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", RLELossless])
def test_frames_are_sorted_by_their_own_places(tmp_path: Path, syntax: str) -> None:
    frames = [frame_item((5, 6, 3.0 * z)) for z in (2, 0, 3, 1)]
    volume = read_dicom(save(multi_frame(numbered(4), frames), tmp_path / "a", syntax))
    assert volume.voxels[0, 0].tolist() == [1, 3, 0, 2] and volume.grid.shape == (4, 3, 4)
    assert volume.grid.to_mm((3, 2, 3)).tolist() == [5 + 3 * 0.75, 6 + 2 * 0.5, 9.0]


def test_each_frame_has_its_own_rescale_and_spacing(tmp_path: Path) -> None:
    rescale = [item(RescaleSlope=s, RescaleIntercept=i) for s, i in ((1, 0), (2, -5), (0.5, 0))]
    frames = [frame_item((0, 0, k), PixelValueTransformationSequence=r) for k, r in enumerate(rescale)]
    volume = read_dicom(save(multi_frame(numbered(3) + 10, frames), tmp_path / "a"))
    assert volume.voxels[0, 0].tolist() == [10, 17, 6] and volume.voxels.dtype == np.float32
    for wide in frames[1:]:
        wide.PixelMeasuresSequence = [item(PixelSpacing=[2.0, 2.0])]
    path = save(multi_frame(numbered(3), frames), tmp_path / "b")
    assert sorted(i.spacing_mm[:2] for i in list_dicom(path)) == [(0.75, 0.5), (2.0, 2.0)]


def test_orientations_stacks_and_echoes_are_volumes_of_their_own(tmp_path: Path) -> None:
    def echo(time: float) -> Dataset:
        return item(EffectiveEchoTime=time)

    turned = [frame_item((k, 0, 0), SAGITTAL) for k in range(2)]
    echoes = [frame_item((0, 0, k), MREchoSequence=echo(t)) for t in (4.5, 90.0) for k in range(3)]
    infos = list_dicom(save(multi_frame(numbered(8), turned + echoes), tmp_path / "a"))
    assert [(i.shape[2], i.refused) for i in infos] == [(2, None), (3, None), (3, None)]
    assert [i.description for i in infos[1:]] == ["Abdomen echo time 4.5 ms", "Abdomen echo time 90.0 ms"]
    assert read_dicom(tmp_path / "a", infos[2].uid).voxels[0, 0].tolist() == [5, 6, 7]


STACK, IN_STACK, INVERSION, PRIVATE = 0x00209056, 0x00209057, 0x00189079, 0x20051011


def dimensions(path: Path, pointers: tuple[int, ...], **group: Callable[[int], Dataset]) -> Path:
    """Three images at each of four places; the last Dimension Index Value says which, the second the place."""
    frames = []
    for k, n in itertools.product(range(4), range(3)):
        content = item(StackID="1", DimensionIndexValues=[1, k + 1, n + 1])
        groups = {keyword: make(n) for keyword, make in group.items()}
        frames.append(frame_item((0, 0, 3.0 * k), FrameContentSequence=content, **groups))
    fields = {"DimensionIndexSequence": [item(DimensionIndexPointer=p) for p in pointers]} if pointers else {}
    return save(multi_frame(numbered(12), frames, **fields), path)


@pytest.mark.parametrize(
    ("pointers", "named"),
    [
        ((STACK, IN_STACK, INVERSION), "inversion times number"),
        ((STACK, IN_STACK, PRIVATE), "dimension 3"),
        ((STACK, PRIVATE, INVERSION), "inversion times number"),
        ((), "dimension 3"),
    ],
)
def test_frames_that_only_a_dimension_tells_apart_are_volumes(
    tmp_path: Path, pointers: tuple[int, ...], named: str
) -> None:
    infos = list_dicom(dimensions(tmp_path / "a", pointers))
    assert [(i.description, i.shape[2], i.refused) for i in infos] == [
        (f"Abdomen {named} {n}", 4, None) for n in (1, 2, 3)
    ]
    assert read_dicom(tmp_path / "a", infos[1].uid).voxels[0, 0].tolist() == [1, 4, 7, 10]


def test_a_dimension_is_named_by_what_it_numbers_where_the_frames_say_that(tmp_path: Path) -> None:
    times = {"MRModifierSequence": lambda n: item(InversionTimes=[100.0 * n + 50])}
    infos = list_dicom(dimensions(tmp_path / "a", (STACK, IN_STACK, INVERSION), **times))
    assert [i.description[8:] for i in infos] == [f"inversion time {t} ms" for t in (50.0, 150.0, 250.0)]
    angles = {"MRTimingAndRelatedParametersSequence": lambda n: item(FlipAngle=5.0 * n)}
    infos = list_dicom(dimensions(tmp_path / "b", (STACK, IN_STACK, 0x00181314), **angles))
    assert [i.description[8:] for i in infos] == [f"flip angle {a}°" for a in (0.0, 5.0, 10.0)]


def test_frames_that_are_all_numbered_apart_do_not_become_single_slices(tmp_path: Path) -> None:
    contents = [item(DimensionIndexValues=[n + 1]) for n in range(6)]
    frames = [frame_item((0, 0, n % 3), FrameContentSequence=content) for n, content in enumerate(contents)]
    ds = multi_frame(numbered(6), frames, DimensionIndexSequence=[item(DimensionIndexPointer=PRIVATE)])
    (info,) = list_dicom(save(ds, tmp_path / "a"))
    assert "2 images lie at each of 3 places, such as a and frame 4 of a" in str(info.refused)
    assert str(info.refused).endswith("belong together; export them as several series.")


def test_the_shared_groups_hold_for_every_frame(tmp_path: Path) -> None:
    frames = [item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, k])]) for k in range(2)]
    ds = multi_frame(numbered(2), frames)
    ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence = [item(ImageOrientationPatient=list(SAGITTAL))]
    for k, frame in enumerate(frames):
        frame.PlanePositionSequence[0].ImagePositionPatient = [k, 0, 0]
    assert read_dicom(save(ds, tmp_path / "a")).grid.axis_codes == "PIR"


def test_a_missing_frame_is_named(tmp_path: Path) -> None:
    path = save(multi_frame(numbered(4), [frame_item((0, 0, z)) for z in (0, 1, 2, 4)]), tmp_path / "a")
    with pytest.raises(UnreadableInputError, match=r"2\.00 mm between 2\.00 and 4\.00 mm"):
        read_dicom(path)
    path = save(multi_frame(numbered(4), [frame_item((0, 0, z)) for z in (0, 1, 1, 2)]), tmp_path / "b")
    with pytest.raises(UnreadableInputError, match="frame 2 of b and frame 3 of b"):
        read_dicom(path)


def test_frames_that_do_not_say_where_they_lie_are_refused(tmp_path: Path) -> None:
    path = save(multi_frame(numbered(2), [Dataset(), Dataset()]), tmp_path / "a")
    with pytest.raises(UnreadableInputError, match="holds 2 CT frames and does not say where they lie"):
        read_dicom(path)
    path = save(slice_set(numbered(1)[0], (0, 0, 0), NumberOfFrames=2, PixelData=numbered(2).tobytes()), tmp_path / "b")
    with pytest.raises(UnreadableInputError, match="does not say where they lie"):
        read_dicom(path)


def test_more_or_fewer_places_than_frames_are_refused(tmp_path: Path) -> None:
    path = save(multi_frame(numbered(3), [frame_item((0, 0, k)) for k in range(2)]), tmp_path / "a")
    with pytest.raises(UnreadableInputError, match="holds 3 frames and describes 2"):
        read_dicom(path)


def test_a_swept_ultrasound_volume_is_a_grid_of_the_probe(tmp_path: Path) -> None:
    frames = [
        item(
            PlanePositionVolumeSequence=[item(ImagePositionVolume=[0.0, 0.0, 0.5 * k])],
            PlaneOrientationVolumeSequence=[item(ImageOrientationVolume=[1.0, 0, 0, 0, 1, 0])],
        )
        for k in range(3)
    ]
    ds = multi_frame(numbered(3), frames, Modality="US", VolumeFrameOfReferenceUID="1.2.9", FrameOfReferenceUID="")
    volume = read_dicom(save(ds, tmp_path / "a"))
    assert volume.grid.spacing_mm == (0.75, 0.5, 0.5) and volume.grid.frame_of_reference == "1.2.9"
    assert "not how they lie in the patient" in volume.warnings[0]
