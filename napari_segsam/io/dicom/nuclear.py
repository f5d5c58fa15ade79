"""Nuclear medicine: the slices of a reconstruction, stacked from one position (PS3.3 C.8.4.15)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from pydicom.dataset import Dataset

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.dicom.damage import printable
from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.values import number, numbers, value

_RECONSTRUCTED = ("RECON TOMO", "RECON GATED TOMO")
_GATES = {"R-R interval": "RRIntervalVector", "time slot": "TimeSlotVector"}


def is_reconstructed(header: Dataset) -> bool:
    """Whether these are slices; every other kind of nuclear medicine image holds projections."""
    kind = list(value(header, "ImageType") or ())
    return value(header, "Modality") == "NM" and len(kind) > 2 and kind[2] in _RECONSTRUCTED


def nuclear_frames(single: Frame, count: int) -> Iterator[Frame]:
    """One frame per slice: the first lies where the detector's item says, the others behind or before it.

    Raises:
        UnreadableInputError: the header does not say how the slices lie.
    """
    header = single.header
    detector = (value(header, "DetectorInformationSequence") or [Dataset()])[0]
    position = numbers(value(detector, "ImagePositionPatient"), 3) or single.position
    orientation = numbers(value(detector, "ImageOrientationPatient"), 6) or single.orientation
    step = number(value(header, "SpacingBetweenSlices"), 0.0)  # negative: stacked against the normal
    slices = _vector(header, "SliceVector", count) or list(range(1, count + 1))
    if position is None or orientation is None or (step == 0.0 and count > 1):
        raise UnreadableInputError(
            f"{printable(single.path.name)} does not say how its {count} slices lie; export single slices."
        )
    normal = np.cross(orientation[:3], orientation[3:])
    gates = {name: _vector(header, keyword, count) for name, keyword in _GATES.items()}
    for n in range(count):
        place = np.array(position) + (slices[n] - 1) * step * normal
        traits = {name: str(values[n]) for name, values in gates.items() if values}
        yield replace(
            single,
            number=n,
            position=tuple(float(x) for x in place),
            orientation=orientation,
            traits={**single.traits, **traits},
        )


def _vector(header: Dataset, keyword: str, count: int) -> list[int] | None:
    """One index for each frame, from 1; None where the file has none."""
    indices = value(header, keyword)
    if indices in (None, ""):
        return None
    found = [int(v) for v in indices] if hasattr(indices, "__iter__") else [int(indices)]
    if len(found) != count:
        raise ValueError(f"{len(found)} indices for {count} frames")
    return found
