"""Enhanced multi-frame images: each frame has a place, a spacing and a rescale of its own (PS3.3 C.7.6.16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pydicom.datadict import dictionary_description, dictionary_has_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.damage import DAMAGE, printable
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.measures import positive, thickness_of
from napari_segsam.io.dicom.values import number, numbers, said, value

_KINDS = ("MRImageFrameTypeSequence", "CTImageFrameTypeSequence", "PETFrameTypeSequence")
_PLACES = frozenset(
    Tag(keyword)
    for keyword in (
        *("StackID", "InStackPositionNumber", "ImagePositionPatient", "ImageOrientationPatient", "SliceLocation"),
        *("ImagePositionVolume", "ImageOrientationVolume"),
    )
)
"""Dimensions that say where a frame lies, which its position says already, or its stack."""
_IN_THE_VOLUME = (
    "The file says how its slices lie to each other, but not how they lie in the patient: left and right are a guess."
)

Groups = Callable[[str], Dataset]
"""Keyword of a functional group -> the frame's own item of it, else the one shared by all, else an empty one."""


def enhanced_frames(single: Frame, count: int) -> list[Frame]:
    """One frame for each item of the Per-Frame Functional Groups Sequence.

    Raises:
        UnreadableInputError: it describes another number of frames than the file says that it has.
    """
    own = value(single.header, "PerFrameFunctionalGroupsSequence")
    if len(own) != count:
        name = printable(single.path.name)
        raise UnreadableInputError(f"{name} holds {count} frames and describes {len(own)}; export it again.")
    shared = (value(single.header, "SharedFunctionalGroupsSequence") or [Dataset()])[0]
    dimensions = _dimensions(single.header)
    return [_frame(single, n, groups_of(item, shared), dimensions) for n, item in enumerate(own)]


def groups_of(own: Dataset, shared: Dataset) -> Groups:
    """Finds the functional groups of one frame."""

    def group(keyword: str) -> Dataset:
        for where in (own, shared):
            if found := value(where, keyword):
                return found[0]  # type: ignore[no-any-return]
        return Dataset()

    return group


def _frame(single: Frame, n: int, group: Groups, dimensions: tuple[str, ...]) -> Frame:
    measures, rescale = group("PixelMeasuresSequence"), group("PixelValueTransformationSequence")
    position, orientation, notes = _place(single, group)
    spacing = positive(value(measures, "PixelSpacing"))
    return replace(
        single,
        number=n,
        position=position,
        orientation=orientation,
        spacing=spacing or single.spacing,
        thickness=thickness_of(measures) or single.thickness,
        slope=number(value(rescale, "RescaleSlope"), single.slope),
        intercept=number(value(rescale, "RescaleIntercept"), single.intercept),
        traits={
            **single.traits,
            **{name: found for name, found in _traits(group).items() if found},
            **_indices(group("FrameContentSequence"), dimensions),
        },
        notes=notes + (() if spacing else single.notes),
    )


def _place(single: Frame, group: Groups) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None, tuple[str, ...]]:
    """Position and orientation in the patient, else in the volume that an ultrasound probe swept."""
    position = numbers(value(group("PlanePositionSequence"), "ImagePositionPatient"), 3)
    orientation = numbers(value(group("PlaneOrientationSequence"), "ImageOrientationPatient"), 6)
    if position and orientation:
        return position, orientation, ()
    in_volume = numbers(value(group("PlanePositionVolumeSequence"), "ImagePositionVolume"), 3)
    turned = numbers(value(group("PlaneOrientationVolumeSequence"), "ImageOrientationVolume"), 6)
    if in_volume and turned:
        return in_volume, turned, (_IN_THE_VOLUME,)
    return position or single.position, orientation or single.orientation, ()


def _traits(group: Groups) -> dict[str, str]:
    content, diffusion = group("FrameContentSequence"), group("MRDiffusionSequence")
    gradient = (value(diffusion, "DiffusionGradientDirectionSequence") or [Dataset()])[0]
    return {
        "stack": said(content, "StackID"),
        "acquisition": said(content, "FrameAcquisitionNumber"),
        "time point": said(content, "TemporalPositionIndex"),
        "echo time": said(group("MREchoSequence"), "EffectiveEchoTime"),
        "inversion time": said(group("MRModifierSequence"), "InversionTimes"),
        "flip angle": said(group("MRTimingAndRelatedParametersSequence"), "FlipAngle"),
        "b-value": said(diffusion, "DiffusionBValue"),
        "gradient": said(gradient, "DiffusionGradientOrientation"),
        "trigger time": said(group("CardiacSynchronizationSequence"), "NominalCardiacTriggerDelayTime"),
        "image type": next((t for t in (said(group(kind), "FrameType") for kind in _KINDS) if t), ""),
        "acquisition time": said(content, "FrameAcquisitionDateTime"),
    }


def _dimensions(header: Dataset) -> tuple[str, ...]:
    """What each of a frame's Dimension Index Values numbers (PS3.3 C.7.6.17), empty where that is its place."""
    try:
        pointers = [value(item, "DimensionIndexPointer") for item in value(header, "DimensionIndexSequence") or ()]
    except DAMAGE:
        return ()
    return tuple("" if pointer in _PLACES else _named(pointer, n) for n, pointer in enumerate(pointers, start=1))


def _named(pointer: object, n: int) -> str:
    """A dimension by what the standard calls it; a private one has no name that could be shown."""
    if isinstance(pointer, BaseTag) and dictionary_has_tag(pointer):
        return f"{dictionary_description(pointer).lower()} number"
    return f"dimension {n}"


def _indices(content: Dataset, dimensions: tuple[str, ...]) -> dict[str, str]:
    """The number of a frame in each dimension but its place."""
    found = said(content, "DimensionIndexValues").split("\\")
    names = dimensions + tuple(f"dimension {n}" for n in range(len(dimensions) + 1, len(found) + 1))
    return {name: index for name, index in zip(names, found, strict=False) if name and index}
