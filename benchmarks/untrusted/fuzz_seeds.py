"""The files that fuzzing starts from: one small file of every kind, made here, and real files of a folder."""

from __future__ import annotations

import bz2
import gzip
import json
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    MediaStorageDirectoryStorage,
    RLELossless,
    RTStructureSetStorage,
)

SECRET = "Secret"
"""Part of the patient's name in the files made here; no sentence may say it."""
INTACT, INTACT_SLICES = "1.2.826.0.1.3680043.8.498.1", 3
"""Series Instance UID and size of the series that lies beside a damaged file."""
LARGEST = 400_000
"""Bytes of the largest real file that is used: damage is found faster in small ones."""
_RAMP = np.arange(4 * 3 * 2, dtype=np.int16).reshape(2, 3, 4) * 50 - 600  # (nk, nj, ni)
_SLICES = np.arange(32 * 32 * 2, dtype=np.int16).reshape(2, 32, 32) - 600  # no smaller: JPEG 2000 halves it five times


@dataclass(frozen=True)
class Seed:
    """An undamaged file.

    Attributes:
        family: kind and source, e.g. ``dicom/made`` or ``ct/totalseg_example``.
        name: of the file, with the suffix that says what it is.
        path: where a real file lies; None for one that was made here.
        made: content of one that was made here.
        beside: name -> content of files that must lie beside it.
    """

    family: str
    name: str
    path: Path | None = None
    made: bytes = b""
    beside: dict[str, bytes] = field(default_factory=dict)

    @cached_property
    def content(self) -> bytes:
        """The file's bytes."""
        return self.made if self.path is None else self.path.read_bytes()

    @property
    def suffix(self) -> str:
        """What says how it is read."""
        return "".join(Path(self.name).suffixes[-2:]).lower()


def made_seeds() -> list[Seed]:
    """A small file of every kind."""
    return [*_nifti(), *_text_headers(), *_pictures(), *_dicom(), *_json()]


def real_seeds(root: Path) -> list[Seed]:
    """Files of a folder that are no text, in the order of their names."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and 0 < p.stat().st_size <= LARGEST)
    skipped = (".md", ".txt", ".gz.json", ".safetensors", ".zst", ".json", "")
    named = [p for p in files if p.suffix.lower() not in skipped or _is_dicom(p)]
    return [Seed("/".join(p.relative_to(root).parts[:2]), _plain(p), p) for p in named]


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _plain(path: Path) -> str:
    suffix = path.name.lower().partition(".")[2] if path.name.lower().endswith(".nii.gz") else path.suffix.strip(".")
    return f"case.{'nii.gz' if suffix.endswith('nii.gz') else suffix.lower() or 'dcm'}"


def _nifti() -> list[Seed]:
    one, two = (k(_RAMP.T, np.diag([1.0, 2.0, 3.0, 1.0])).to_bytes() for k in (nib.Nifti1Image, nib.Nifti2Image))
    frames = nib.Nifti1Image(np.stack([_RAMP.T, _RAMP.T + 1], axis=-1), np.eye(4)).to_bytes()
    swapped = nib.Nifti1Image(_RAMP.T, np.eye(4), nib.Nifti1Header(endianness=">")).to_bytes()
    colours = np.zeros((4, 3, 2), [(c, "u1") for c in "RGB"])
    pair = bytearray(one[:348])
    pair[108:112], pair[344:348] = bytes(4), b"ni1\0"
    return [
        Seed("nifti/made", "one.nii", made=one),
        Seed("nifti/made", "one.nii.gz", made=gzip.compress(one, mtime=0)),
        Seed("nifti/made", "two.nii", made=two),
        Seed("nifti/made", "frames.nii.gz", made=gzip.compress(frames, mtime=0)),
        Seed("nifti/made", "swapped.nii", made=swapped),
        Seed("nifti/made", "colours.nii", made=nib.Nifti1Image(colours, np.eye(4)).to_bytes()),
        Seed("nifti/made", "pair.hdr", made=bytes(pair), beside={"pair.img": one[352:]}),
    ]


def _text_headers() -> list[Seed]:
    raw, size = _RAMP.tobytes(), "4 3 2"
    space = "space: left-posterior-superior\nspace directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (0,0,0)\n"
    nrrd = f"NRRD0004\ntype: short\ndimension: 3\n{space}sizes: {size}\nendian: little\nencoding: "
    meta = f"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nDimSize = {size}\n"
    meta += "ElementSpacing = 1 2 3\nElementType = MET_SHORT\n"
    segments = "Segment0_Name:=liver\nSegment0_LabelValue:=1\nSegment0_Layer:=0\nSegment0_ID:=Segment_1\n"
    labels = (_RAMP > 0).astype(np.uint8).tobytes()
    packed = gzip.compress(raw, mtime=0)
    numbers = " ".join(map(str, _RAMP.ravel())).encode() + b"\n"
    deflated = zlib.compress(raw)
    local = "ElementDataFile = LOCAL\n"
    return [
        Seed("nrrd/made", "raw.nrrd", made=f"{nrrd}raw\n\n".encode() + raw),
        Seed("nrrd/made", "gzip.nrrd", made=f"{nrrd}gzip\n\n".encode() + packed),
        Seed("nrrd/made", "text.nrrd", made=f"{nrrd}ascii\n\n".encode() + numbers),
        Seed("nrrd/made", "bzip2.nrrd", made=f"{nrrd}bzip2\n\n".encode() + bz2.compress(raw)),
        Seed("nrrd/made", "hex.nrrd", made=f"{nrrd}hex\n\n".encode() + raw.hex().encode()),
        Seed("nrrd/made", "beside.nhdr", made=f"{nrrd}raw\ndata file: v.raw\n\n".encode(), beside={"v.raw": raw}),
        Seed(
            "nrrd/made",
            "labels.seg.nrrd",
            made=f"{nrrd.replace('short', 'uchar')}gzip\n{segments}\n".encode() + gzip.compress(labels, mtime=0),
        ),
        Seed("meta/made", "raw.mha", made=f"{meta}{local}".encode() + raw),
        Seed(
            "meta/made",
            "packed.mha",
            made=f"{meta}CompressedData = True\nCompressedDataSize = {len(deflated)}\n{local}".encode() + deflated,
        ),
        Seed("meta/made", "beside.mhd", made=f"{meta}ElementDataFile = v.raw\n".encode(), beside={"v.raw": raw}),
    ]


def _pictures() -> list[Seed]:
    grey = Image.fromarray((_RAMP[0] % 256).astype(np.uint8))
    colour = Image.merge("RGB", (grey, grey, grey))
    deep = Image.fromarray(_RAMP[0].astype(np.uint16) * 3)
    kinds = [
        ("grey.png", grey, {}),
        ("deep.png", deep, {}),
        ("palette.png", colour.convert("P"), {}),
        ("colour.jpg", colour.resize((16, 16)), {}),
        ("plain.tif", grey, {}),
        ("packed.tif", colour, {"compression": "tiff_lzw"}),
        ("pages.tif", grey, {"save_all": True, "append_images": [grey]}),
        ("colour.bmp", colour, {}),
    ]
    return [Seed("picture/made", name, made=_picture(name, image, options)) for name, image, options in kinds]


def _picture(name: str, image: Image.Image, options: dict[str, object]) -> bytes:
    out = BytesIO()
    image.save(out, {"jpg": "JPEG", "tif": "TIFF"}.get(name[-3:], name[-3:].upper()), **options)
    return out.getvalue()


def ct_slice(k: int = 0, series: str = INTACT, **fields: object) -> Dataset:
    """One small CT slice at S = 3 k mm; ``fields`` override header elements."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, f"{series}.{k + 1}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "1.2.3", series, "1.2.3.4"
    ds.Modality, ds.PatientName, ds.SeriesNumber, ds.SeriesDescription = "CT", f"{SECRET}^Person", 5, "Abdomen"
    ds.PixelSpacing, ds.SliceThickness, ds.ImagePositionPatient = [0.5, 0.75], 3.0, [-10.0, 20.0, 3.0 * k]
    ds.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    ds.WindowCenter, ds.WindowWidth, ds.RescaleSlope, ds.RescaleIntercept = 40, 400, 1, 0
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 1
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    return _with_pixels(ds, _SLICES[0], fields)


def _with_pixels(ds: Dataset, pixels: NDArray[np.int16], fields: dict[str, object]) -> Dataset:
    ds.Rows, ds.Columns = pixels.shape
    ds.PixelData = pixels.tobytes()
    for keyword, value in fields.items():
        setattr(ds, keyword, value)
    return ds


def dicom_bytes(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The file of a dataset whose pixels are already packed as ``syntax`` says."""
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = syntax
    if "PixelData" in ds:
        ds["PixelData"].VR = "OB" if syntax.startswith("1.2.840.10008.1.2.4") else "OW"
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def _dicom() -> list[Seed]:
    files = {name: dicom_bytes(ct_slice(), uid) for name, uid in (
        ("explicit.dcm", ExplicitVRLittleEndian),
        ("implicit.dcm", ImplicitVRLittleEndian),
        ("deflated.dcm", DeflatedExplicitVRLittleEndian),
    )}  # fmt: skip
    swapped = ct_slice(PixelData=_SLICES[0].byteswap().tobytes())
    files["swapped.dcm"] = dicom_bytes(swapped, ExplicitVRBigEndian)
    for name, uid in (("rle.dcm", RLELossless), ("jpegls.dcm", JPEGLSLossless), ("jpeg2000.dcm", JPEG2000Lossless)):
        ds = dcmread(BytesIO(files["explicit.dcm"]))
        ds.compress(uid, generate_instance_uid=False)
        files[name] = dicom_bytes(ds, uid)
    files["jpeg.dcm"] = dicom_bytes(_jpeg_slice(), JPEGBaseline8Bit)
    files["frames.dcm"] = dicom_bytes(_enhanced())
    files["structures.dcm"] = dicom_bytes(_structures())
    series = {f"{k}.dcm": dicom_bytes(ct_slice(k)) for k in range(INTACT_SLICES)}
    made = [Seed("dicom/made", name, made=content) for name, content in files.items()]
    # A broken file must not take away the series beside it, whose UID is another.
    other = dicom_bytes(ct_slice(series="1.2.826.0.1.3680043.8.498.2"))
    return [*made, Seed("dicom/made", "folder.dcm", made=other, beside=series), _dicomdir()]


def _dicomdir() -> Seed:
    """A DICOMDIR and the two slices that it names (PS3.3 F.3.2.2), without the offsets of records."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = MediaStorageDirectoryStorage, "1.2.826.0.1.3680043.8.498.3"
    ds.FileSetID, ds.FileSetConsistencyFlag, ds.DirectoryRecordSequence = "", 0, []
    ds.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    ds.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    for k in range(2):
        record = Dataset()
        record.OffsetOfTheNextDirectoryRecord, record.OffsetOfReferencedLowerLevelDirectoryEntity = 0, 0
        record.RecordInUseFlag, record.DirectoryRecordType = 0xFFFF, "IMAGE"
        record.ReferencedFileID, record.ReferencedSOPClassUIDInFile = ["SLICES", f"IM{k}"], CTImageStorage
        ds.DirectoryRecordSequence.append(record)
    beside = {f"SLICES/IM{k}": dicom_bytes(ct_slice(k)) for k in range(2)}
    return Seed("dicom/made", "DICOMDIR", made=dicom_bytes(ds), beside=beside)


def _structures() -> Dataset:
    """An RT structure set of two regions on three slices (PS3.3 C.8.8.6)."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = RTStructureSetStorage, "1.2.826.0.1.3680043.8.498.4"
    ds.Modality, ds.PatientName, ds.StructureSetLabel = "RTSTRUCT", f"{SECRET}^Patient", "regions"
    ds.ReferencedFrameOfReferenceSequence, ds.StructureSetROISequence, ds.ROIContourSequence = [], [], []
    for number, size in ((1, 8.0), (2, 20.0)):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, f"region {number}", "1.2.3"
        drawn.ReferencedROINumber, drawn.ROIDisplayColor = number, [255, 0, 0]
        drawn.ContourSequence = [_square(size, 5.0 * k) for k in range(3)]
        ds.StructureSetROISequence.append(roi)
        ds.ROIContourSequence.append(drawn)
    return ds


def _square(size: float, z: float) -> Dataset:
    contour = Dataset()
    corners = [(4.0, 4.0), (4.0 + size, 4.0), (4.0 + size, 4.0 + size), (4.0, 4.0 + size)]
    contour.ContourGeometricType, contour.NumberOfContourPoints = "CLOSED_PLANAR", len(corners)
    contour.ContourData = [value for x, y in corners for value in (x, y, z)]
    return contour


def _jpeg_slice() -> Dataset:
    picture = _picture("x.jpg", Image.fromarray(np.full((16, 16), 99, np.uint8)), {})
    ds = ct_slice(BitsAllocated=8, BitsStored=8, HighBit=7, PixelRepresentation=0, Rows=16, Columns=16)
    ds.PixelData = encapsulate([picture])
    ds["PixelData"].is_undefined_length = True
    return ds


def _enhanced() -> Dataset:
    """Two frames with a place each, in the functional groups of PS3.3 C.7.6.16."""
    ds = ct_slice(SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1", NumberOfFrames=2, PixelData=_SLICES.tobytes())
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.75], 3.0
    plane.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(2):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0.0, 0.0, 3.0 * k]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = frames
    return ds


def _json() -> list[Seed]:
    objects: list[dict[str, Any]] = [
        {"id": 1, "class": "liver", "axis": "k", "slice": 1, "points": [{"ijk": [1, 1, 1], "positive": True}]}
    ]
    objects.append({"id": 2, "axis": "k", "slice": 0, "box": {"min": [0, 0, 0], "max": {"mm": [3, 2, 0]}}})
    return [
        Seed("json/made", "case.nii.gz.labels.json", made=json.dumps({"1": "liver", "2": "Milz ß"}).encode()),
        Seed("json/made", "prompts.json", made=json.dumps({"objects": objects}).encode()),
    ]
