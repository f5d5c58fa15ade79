"""Whether a DICOM segmentation was drawn on a scan: its frame of reference, and the images that it names."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from napari_segsam.core.errors import GridMismatchError
from napari_segsam.io.labels.slices import Slices

_ADVICE = "choose the label map that was made on this scan"


def doubts_about(ds: Dataset, slices: Slices, name: str, *, placed: bool) -> tuple[str, ...]:
    """What is less than certain about a segmentation whose voxels coincide with those of a scan, a sentence each.

    Args:
        ds: the segmentation.
        slices: of the scan.
        name: what a sentence calls the segmentation.
        placed: whether its frames say where they lie.

    Raises:
        GridMismatchError: it was drawn in another frame of reference, or nothing says that it belongs to this scan.
    """
    own = {uid for uid, _ in slices.images if uid}
    named = set(_named_by(ds))
    frame = str(ds.get("FrameOfReferenceUID") or "")
    if frame and slices.frame_of_reference not in (frame, ""):
        raise GridMismatchError(
            f"{name} was drawn in another frame of reference than the scan's, so on another patient or at another "
            f"time; {_ADVICE}."
        )
    if named & own:
        return ()
    if not (placed and slices.placed):
        raise GridMismatchError(
            f"{name} names no image of this scan, and without positions nothing else says that it belongs here; "
            f"{_ADVICE}."
        )
    if not frame or not slices.frame_of_reference:
        return (f"{name} names no image of this scan: only its position says that it belongs here.",)
    if named and own:
        return (f"{name} was drawn on other images of the same frame of reference, perhaps on another series.",)
    return ()


def _named_by(ds: Dataset) -> Iterator[str]:
    """SOP Instance UIDs of the images that a segmentation says it was drawn on (PS3.3 C.7.6.16.2.6, C.12.1)."""
    groups = [*_items(ds, "SharedFunctionalGroupsSequence"), *_items(ds, "PerFrameFunctionalGroupsSequence")]
    derived = [d for group in groups for d in _items(group, "DerivationImageSequence")]
    images = [image for d in (ds, *derived) for image in _items(d, "SourceImageSequence")]
    for series in _items(ds, "ReferencedSeriesSequence"):
        images += _items(series, "ReferencedInstanceSequence")
    for image in images:
        yield str(image.get("ReferencedSOPInstanceUID") or "")


def _items(ds: Dataset, keyword: str) -> list[Dataset]:
    return list(ds.get(keyword) or ())
