"""What images do not say and DICOM must have: headers for a volume that is no DICOM, UIDs where files have none.

A UID is made from the voxels and where they lie, and is the same whenever the same scan is exported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)
from pydicom.valuerep import DSfloat

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.damage import DAMAGE
from napari_segsam.io.dicom.stream import Clamped

_KINDS = {
    "ct": ("CT", CTImageStorage),
    "mr": ("MR", MRImageStorage),
    "pet": ("PT", PositronEmissionTomographyImageStorage),
    "us": ("US", UltrasoundImageStorage),
    "xray": ("CR", ComputedRadiographyImageStorage),
}
_OTHER = ("OT", SecondaryCaptureImageStorage)
_OF_ALL = {
    "StudyInstanceUID": "study",
    "SeriesInstanceUID": "series",
    "FrameOfReferenceUID": "frame of reference",
}
_PLACES = 9  # decimal places of a millimetre

NO_DICOM = "The scan is no DICOM: patient and study are anonymous, and the images that are referred to do not exist."
UNPLACED = "The images do not say where they lie in the patient: the positions in this file are made up."


def headers_of(volume: Volume) -> tuple[Dataset, ...]:
    """The header of an image for each slice k of a volume that is no DICOM: of nobody, with UIDs from its voxels."""
    digest = _digest([np.ascontiguousarray(volume.voxels).data, volume.grid.affine.tobytes(), str(volume.grid.shape)])
    frame = volume.grid.frame_of_reference or _uid(digest, "frame of reference")
    modality, kind = _KINDS.get(volume.modality, _OTHER)
    said = {
        "SOPClassUID": kind,
        "Modality": modality,
        "FrameOfReferenceUID": frame,
        # One patient for each scan: an archive would take all scans without one for the same patient's.
        "PatientID": f"ANONYMOUS-{digest.hex()[:12]}",
    }
    return tuple(_slice_header(volume.grid, k, digest, said) for k in range(volume.grid.shape[2]))


def fill_blank(headers: Sequence[Dataset], paths: Sequence[Path], is_placed: bool) -> tuple[str, ...]:
    """Put UIDs into headers of DICOM files that have none, made from the files' pixels.

    Args:
        headers: one for each slice; those of one file may be the same object.
        paths: of the files, likewise.
        is_placed: whether they say where they lie.

    Returns:
        What was made up, a sentence each.
    """
    files = {id(h): (h, p) for h, p in zip(headers, paths, strict=True)}.values()
    blank = [keyword for keyword in _OF_ALL if not headers[0].get(keyword)]
    nameless = [(h, p) for h, p in files if not h.get("SOPInstanceUID")]
    if blank or nameless:
        digests = {p: _digest([_pixels(p)]) for _, p in (files if blank else nameless)}
        for header, path in nameless:
            header.SOPInstanceUID = _uid(digests[path], str(header.get("ImagePositionPatient") or ""))
        together = _digest(digests.values())
        for header, _ in files:
            for keyword in blank:
                setattr(header, keyword, _uid(together, _OF_ALL[keyword]))
    for header, _ in files:
        if not header.get("SOPClassUID"):
            header.SOPClassUID = _class_of(header)
    return _sentences(blank, bool(nameless), is_placed)


def _sentences(blank: list[str], nameless: bool, is_placed: bool) -> tuple[str, ...]:
    missing = [_OF_ALL[keyword] for keyword in blank if is_placed or keyword != "FrameOfReferenceUID"]
    what = ", ".join([*missing, *(["image"] if nameless else [])])
    made = f"The images have no UID for {what}: one was made from their pixels." if what else ""
    return tuple(sentence for sentence in (made, "" if is_placed else UNPLACED) if sentence)


def _class_of(header: Dataset) -> UID:
    said = getattr(header, "file_meta", Dataset()).get("MediaStorageSOPClassUID")
    by_modality = {modality: kind for modality, kind in _KINDS.values()}
    return UID(said) if said else by_modality.get(str(header.get("Modality")), SecondaryCaptureImageStorage)


def _slice_header(grid: Grid, k: int, digest: bytes, said: Mapping[str, str]) -> Dataset:
    directions = grid.affine[:3, :3] / np.array(grid.spacing_mm)
    header = Dataset()
    header.SpecificCharacterSet = "ISO_IR 192"
    header.PatientName, header.PatientBirthDate, header.PatientSex = "Anonymous", "", ""
    header.StudyInstanceUID, header.SeriesInstanceUID = _uid(digest, "study"), _uid(digest, "series")
    header.SOPInstanceUID = _uid(digest, f"image {k}")
    header.StudyDate = header.StudyTime = header.StudyID = ""
    header.AccessionNumber = header.ReferringPhysicianName = ""
    header.SeriesNumber, header.InstanceNumber = 1, k + 1
    header.Columns, header.Rows = grid.shape[:2]
    header.ImagePositionPatient = _decimals(np.round(grid.to_mm((0, 0, k)), _PLACES) + 0.0)
    header.ImageOrientationPatient = _decimals(directions[:, :2].T.ravel())
    header.PixelSpacing = _decimals(grid.spacing_mm[1::-1])
    header.SliceThickness = _decimals(grid.spacing_mm[2:])[0]
    for keyword, value in said.items():
        setattr(header, keyword, value)
    return header


def _decimals(numbers: Iterable[float]) -> list[DSfloat]:
    return [DSfloat(float(n), auto_format=True) for n in numbers]


def _pixels(path: Path) -> bytes:
    """The pixels as the file has them; all of the file where there is no such element, or it cannot be told."""
    try:
        with path.open("rb", buffering=0) as raw:
            found = bytes(pydicom.dcmread(Clamped(raw), force=True).get("PixelData") or b"")
    except DAMAGE:
        found = b""
    return found or path.read_bytes()


def _digest(parts: Iterable[bytes | memoryview | str]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else part)
    return digest.digest()


def _uid(digest: bytes, what: str) -> UID:
    """A UID below 2.25, the root for UUIDs (PS3.5 B.2)."""
    return UID(f"2.25.{UUID(bytes=_digest([digest, what])[:16], version=4).int}")
