"""What another library makes of a file, beside what we make of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset

from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.read import series_at

TOLERANCE_MM = 1e-3
_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Verdict:
    """``agrees``, ``unjudged`` or ``wrong``, and why."""

    word: str
    why: str = ""


def judge(path: Path, uid: str | None, volume: Volume) -> Verdict:
    """Compare the volume read from ``path`` with another library's."""
    name = path.name.lower()
    if path.is_dir():
        return _dicom(path, uid, volume)
    if name.endswith((".nii", ".nii.gz")):
        return _nifti(path, uid, volume)
    if name.endswith((".nrrd", ".nhdr", ".mha", ".mhd")):
        return _itk(path, volume)
    return _picture(path, volume) if name.endswith((".png", ".jpg", ".jpeg")) else _dicom(path, uid, volume)


def _compared(ours: NDArray, theirs: NDArray, apart_mm: float, lossy: float = 0.0) -> Verdict:  # type: ignore[type-arg]
    if ours.shape != theirs.shape:
        return Verdict("wrong", f"shape {ours.shape}, elsewhere {theirs.shape}")
    if apart_mm > TOLERANCE_MM:
        return Verdict("wrong", f"{apart_mm:.3g} mm apart")
    good = np.isfinite(theirs)
    difference = np.abs(ours[good].astype(np.float64) - theirs[good]).max(initial=0)
    # float32 holds seven digits
    allowed = lossy + 1e-6 * max(1.0, float(np.abs(theirs[good]).max(initial=0)))
    return Verdict("agrees") if difference <= allowed else Verdict("wrong", f"intensities differ by {difference:.3g}")


def _apart(volume: Volume, affine: NDArray[np.float64]) -> float:
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in volume.grid.shape])).reshape(3, -1).T
    return float(np.abs(corners @ affine[:3, :3].T + affine[:3, 3] - volume.grid.to_mm(corners)).max())


def _nifti(path: Path, uid: str | None, volume: Volume) -> Verdict:
    image = nib.load(path)
    stored = np.asarray(image.dataobj)
    if stored.dtype.names:
        stored = np.stack([stored[n] for n in stored.dtype.names[:3]], -1)
    elif stored.ndim > 3:
        stored = stored.reshape(*stored.shape[:3], -1, order="F")[..., int(uid.lstrip("#")) - 1 if uid else 0]
    stored = stored.reshape(volume.voxels.shape) if stored.ndim < volume.voxels.ndim else stored
    return _compared(volume.voxels, stored, _apart(volume, _RAS @ image.affine))


def _itk(path: Path, volume: Volume) -> Verdict:
    image = sitk.ReadImage(str(path))
    n = image.GetDimension()
    affine = np.eye(4)
    affine[:n, :n] = np.array(image.GetDirection()).reshape(n, n) * image.GetSpacing()
    affine[:n, 3] = image.GetOrigin()
    array = sitk.GetArrayFromImage(image)
    array = array.transpose(*range(n)[::-1], *range(n, array.ndim))
    return _compared(volume.voxels, array.reshape(volume.voxels.shape), _apart(volume, affine))


def _picture(path: Path, volume: Volume) -> Verdict:
    with Image.open(path) as image:
        array = np.asarray(image.convert("RGB") if volume.is_rgb else image)
    return _compared(volume.voxels[:, :, 0], array.swapaxes(0, 1), 0.0)


def _dicom(path: Path, uid: str | None, volume: Volume) -> Verdict:
    """Slice by slice through GDCM: its intensities and its place."""
    stack = series_at(path, uid).stack
    headers, images = {}, {}
    for k, frame in enumerate(stack.frames if stack else ()):
        file = str(frame.path)
        if file not in images:
            try:
                headers[file], images[file] = dcmread(file, stop_before_pixels=True, force=True), sitk.ReadImage(file)
            except RuntimeError:
                return Verdict("unjudged", "GDCM refuses it")
        found = _slice(images[file], headers[file], frame.number + 1, k, volume)
        if found.word != "agrees":
            return found
    return Verdict("agrees")


def _slice(image: sitk.Image, header: Dataset, frame: int, k: int, volume: Volume) -> Verdict:
    for word, why in READ_OTHERWISE:
        if why(header):
            return Verdict("unjudged", word)
    theirs = sitk.GetArrayViewFromImage(image)
    theirs = theirs[0 if image.GetDepth() == 1 else frame - 1] if image.GetDimension() == 3 else theirs
    if volume.inverted:  # which ITK does to the intensities themselves
        theirs = (1 << int(header.BitsStored)) - 1 - theirs.astype(np.int64)
    ours = volume.voxels[:, :, k].swapaxes(0, 1)
    apart = 0.0
    if header.get("ImagePositionPatient") is not None and image.GetDepth() == 1:
        corner = [image.GetWidth() - 1, image.GetHeight() - 1, 0]
        apart = max(
            float(np.abs(np.array(image.TransformIndexToPhysicalPoint(at)) - volume.grid.to_mm([*at[:2], k])).max())
            for at in ([0, 0, 0], corner)
        )
    return _compared(ours, theirs, apart, _level(header))


def _level(header: Dataset) -> float:
    """Two decoders of a lossy picture may round to neighbouring stored numbers: how far those are apart."""
    return abs(float(header.get("RescaleSlope") or 1.0)) if is_lossy(header) else 0.0


def is_lossy(header: Dataset) -> bool:
    """Whether the pixels were packed with loss, by the name of the transfer syntax."""
    syntax = header.file_meta.TransferSyntaxUID
    kept = "lossless" in syntax.name.lower() and "near" not in syntax.name.lower()
    return bool(syntax.is_compressed and not syntax.is_deflated and not kept)


def _rescales(header: Dataset) -> set[tuple[str, str]]:
    groups = [g.get("PixelValueTransformationSequence") for g in header.get("PerFrameFunctionalGroupsSequence") or ()]
    return {(str(g[0].get("RescaleSlope")), str(g[0].get("RescaleIntercept"))) for g in groups if g}


READ_OTHERWISE = (
    ("GDCM leaves YBR and palette colours as they are stored",
     lambda h: str(h.get("PhotometricInterpretation", "")).startswith(("YBR", "PALETTE"))),
    ("GDCM does not apply a modality lookup table", lambda h: "ModalityLUTSequence" in h),
    ("GDCM rescales every frame as the first", lambda h: len(_rescales(h)) > 1),
    ("GDCM shows a mosaic as one picture", lambda h: "MOSAIC" in (h.get("ImageType") or ())),
)  # fmt: skip
"""Kinds of DICOM that the other library reads in another way on purpose."""
