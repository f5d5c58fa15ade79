"""The frames of a DICOM file, whether it holds one slice, an enhanced multi-frame stack, a film or a mosaic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydicom.dataset import Dataset

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom import claims
from napari_segsam.io.dicom.damage import DAMAGE, printable
from napari_segsam.io.dicom.enhanced import enhanced_frames
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.header import File
from napari_segsam.io.dicom.measures import spacing_of, thickness_of
from napari_segsam.io.dicom.nuclear import is_reconstructed, nuclear_frames
from napari_segsam.io.dicom.siemens_mosaic import mosaic_tiles
from napari_segsam.io.dicom.syntax import unsupported
from napari_segsam.io.dicom.tags import MOSAIC_COUNT, MOSAIC_CSA
from napari_segsam.io.dicom.values import number, numbers, said, value

_FILMS = ("US", "IVUS", "XA", "RF", "ES", "XC", "GM", "OT", "OP")
_NO_IMAGES = {
    "SEG": "is a segmentation; open the images that it was drawn on, then this as their labels",
    "RTDOSE": "is a dose; open the images that it was planned on",
    "SM": "is a slide of a microscope in tiles, which cannot be read; export a picture of the part that you need",
}
_TRAITS = {
    "echo time": "EchoTime",
    "inversion time": "InversionTime",
    "flip angle": "FlipAngle",
    "b-value": "DiffusionBValue",
    "series number": "SeriesNumber",
    "acquisition": "AcquisitionNumber",
    "time point": "TemporalPositionIdentifier",
    "gradient": "DiffusionGradientOrientation",
    "trigger time": "TriggerTime",
    "image type": "ImageType",
    "frame reference time": "FrameReferenceTime",
    "acquisition time": "AcquisitionTime",
    "content time": "ContentTime",
}


def frames_of(file: File) -> list[Frame]:
    """All frames of an image file, in its own order.

    Raises:
        UnreadableInputError: damaged, or of a kind that is no image or not supported; the sentence says which.
    """
    try:
        frames = list(_frames(file))
        if MOSAIC_CSA in file.header:
            del file.header[MOSAIC_CSA]  # long, and of no more use
        if all(frame.slope for frame in frames):
            return frames
    except DAMAGE as error:
        raise UnreadableInputError(
            f"{printable(file.path.name)}: the DICOM header is damaged; export the image again."
        ) from error
    raise UnreadableInputError(
        f"{printable(file.path.name)} has only one intensity (Rescale Slope 0); export it again."
    )


def _frames(file: File) -> Iterator[Frame]:
    header, name = file.header, printable(file.path.name)
    modality = said(header, "Modality")
    if modality in _NO_IMAGES:
        raise UnreadableInputError(f"{name} {_NO_IMAGES[modality]}.")
    claims.check(file)
    single, count = _single_frame(file), claims.frame_count(file)
    if unsupported(file.syntax):  # what it holds is never read: one frame stands for all
        yield single
    elif value(header, "PerFrameFunctionalGroupsSequence"):
        yield from _placed(enhanced_frames(single, count))
    elif "MOSAIC" in (value(header, "ImageType") or ()) and MOSAIC_COUNT in header:
        yield from mosaic_tiles(single)
    elif is_reconstructed(header):
        yield from nuclear_frames(single, count)
    elif count == 1:
        yield single
    elif _is_film(header):
        yield from (replace(single, number=n, position=None) for n in range(count))
    else:
        raise _nowhere(file, count)


def _placed(frames: list[Frame]) -> list[Frame]:
    """The frames, each of which says where it lies unless they are a film."""
    if all(frame.is_placed for frame in frames) or _is_film(frames[0].header) or len(frames) == 1:
        return frames
    raise _nowhere(frames[0].file, len(frames))


def _is_film(header: Dataset) -> bool:
    return said(header, "Modality") in _FILMS or int(value(header, "SamplesPerPixel") or 1) > 1


def _nowhere(file: File, count: int) -> UnreadableInputError:
    modality = said(file.header, "Modality")
    return UnreadableInputError(
        f"{printable(file.path.name)} holds {count} {modality} frames and does not say where they lie; "
        "export single slices."
    )


def _single_frame(file: File) -> Frame:
    header = file.header
    spacing, notes = spacing_of(header)
    return Frame(
        file=file,
        number=0,
        tile=None,
        rows=int(value(header, "Rows")),
        cols=int(value(header, "Columns")),
        position=numbers(value(header, "ImagePositionPatient"), 3),
        orientation=numbers(value(header, "ImageOrientationPatient"), 6),
        spacing=spacing,
        thickness=thickness_of(header),
        slope=number(value(header, "RescaleSlope"), 1.0),
        intercept=number(value(header, "RescaleIntercept"), 0.0),
        traits={name: said(header, keyword) for name, keyword in _TRAITS.items()},
        notes=notes,
    )
