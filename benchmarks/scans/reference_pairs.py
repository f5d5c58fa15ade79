"""The same image or label map twice, by somebody else's hand: do we read both alike?

    python benchmarks/scans/reference_pairs.py DATA [--page docs/figures.md]

DATA is the collection whose folders are named below. What differs is stated with its size, and why where it is known.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from real_files_peers import is_lossy

from napari_segsam.core.errors import SegsamError
from napari_segsam.core.grid import LPS_RAS, Grid
from napari_segsam.core.volume import Volume
from napari_segsam.io.dicom.source import read_source
from napari_segsam.io.formats import list_series, read_volume
from napari_segsam.io.labels.importing import read_any

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from pages import command, table, write_between

CORNERSTONE = "dicom/cornerstone"
PATIENTS, KINDS = ("STS_025", "STS_042"), ("CT", "MR_T1", "PET")


@dataclass(frozen=True)
class Pair:
    """One row: what was compared with what, how many, the largest difference and distance, and what explains them."""

    what: str
    reference: str
    count: int
    largest: float
    apart_mm: float
    why: str = ""


def nifti_at(grid: Grid, path: Path, frame: int | None = None) -> tuple[NDArray[np.float64], float]:
    """A NIfTI's values at the voxels of ``grid`` by nibabel, and how far the nearest ones are from them in mm."""
    image = nib.load(path)
    affine = LPS_RAS @ image.affine
    places = np.indices(grid.shape).reshape(3, -1).T
    found = (grid.to_mm(places) - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    index = np.rint(found).astype(int)
    apart = float(np.abs((found - index) @ affine[:3, :3].T).max())
    values = np.asarray(image.dataobj)
    values = values if frame is None else values[..., frame]
    return values[tuple(index.T)].reshape(grid.shape), apart


def _against_nifti(volumes: Sequence[tuple[Volume, Path, int | None]]) -> tuple[int, float, float]:
    found = [(v, *nifti_at(v.grid, path, frame)) for v, path, frame in volumes]
    largest = max(float(np.abs(values - v.voxels).max()) for v, values, _ in found)
    return len(found), largest, max(apart for _, _, apart in found)


def mosaics(data: Path) -> Pair:
    """Siemens mosaics in nine transfer syntaxes."""
    folder = data / "dicom/dcm_qa_ts"
    volumes = [(read_volume(folder / f"In/{n}.dcm"), folder / f"Ref/{n}.nii", None) for n in range(1, 10)]
    return Pair("dcm_qa_ts: DICOM, nine transfer syntaxes", "dcm2niix's NIfTI", *_against_nifti(volumes))


def _parts(path: Path) -> dict[str, Volume]:
    return {s.description: read_volume(path, series=s.uid) for s in list_series(path)}


def enhanced(data: Path) -> Iterator[Pair]:
    """Enhanced MR: four time points in four files; magnitude and field map in one."""
    folder, name = data / "dicom/dcm_qa_enh", "dcm_qa_enh: enhanced MR"
    siemens = sorted(_parts(folder / "In/Siemens").items())
    reference = folder / "Ref/Siemens_REST1_w_SMS_PF7-8_6.nii"
    frames = [(v, reference, n) for n, (_, v) in enumerate(siemens)]
    yield Pair(f"{name}, Siemens", "dcm2niix's NIfTI", *_against_nifti(frames))
    parts = _parts(folder / "In/Philips/IM_0027_fMAP.dcm")
    field = next(v for d, v in parts.items() if d.endswith(" 0.0 ms"))
    compared = _against_nifti([(field, folder / "Ref/Philips_WIP_B0_NS_801_e2_fieldmaphz.nii", None)])
    yield Pair(f"{name}, Philips field map", "dcm2niix's NIfTI", *compared, "Hz, of ±500; there the slope is rounded")
    magnitude = next(v for d, v in parts.items() if d.endswith(" 1.52 ms"))
    values, apart = nifti_at(magnitude.grid, folder / "Ref/Philips_WIP_B0_NS_801_e1.nii")
    seen = magnitude.voxels > 0
    factor = float(np.median(values[seen] / magnitude.voxels[seen]))
    largest = float(np.abs(values / factor - magnitude.voxels).max())
    why = f"after a factor of {factor:.4g}: dcm2niix takes Philips' private scale, we the standard's"
    yield Pair(f"{name}, Philips magnitude", "dcm2niix's NIfTI", 1, largest, apart, why)


def packings(data: Path) -> Iterator[Pair]:
    """One image in many transfer syntaxes."""
    plain = read_volume(data / CORNERSTONE / "CTImage.dcm").voxels.astype(float)
    exact, lossy, refused = [], [], 0
    for path in sorted((data / CORNERSTONE).glob("CTImage.dcm_*")):
        try:
            difference = float(np.abs(read_volume(path).voxels - plain)[plain > -1000].max())
        except SegsamError:
            refused += 1
            continue
        (lossy if is_lossy(pydicom.dcmread(path, stop_before_pixels=True)) else exact).append(difference)
    yield Pair("cornerstone: lossless transfer syntaxes", "uncompressed", len(exact), max(exact), 0.0)
    why = f"HU, by the encoder's loss; {refused} more are refused by name"
    yield Pair("cornerstone: lossy transfer syntaxes", "uncompressed", len(lossy), max(lossy), 0.0, why)
    found = []
    for image in ("CT1", "MR1", "RG2"):
        reference = read_volume(data / f"dicom/wg04/RLE/{image}_RLE").voxels.astype(float)
        for kind in ("J2KR", "JPLL", "JLSL"):
            path = data / f"dicom/wg04/{kind}/{image}_{kind}"
            found += [float(np.abs(read_volume(path).voxels - reference).max())] if path.exists() else []
    yield Pair("wg04: J2K, JPEG and JPEG-LS lossless", "RLE of the same image", len(found), max(found), 0.0)


def sarcomas(data: Path) -> Iterator[Pair]:
    """IBSI: images and the tumour's outline as DICOM and as NIfTI."""
    dicom, nifti = data / "ibsi_sts/dicom", data / "ibsi_sts/nifti"
    images = [(read_volume(dicom / p / k / "image"), nifti / p / f"{k}_image.nii.gz", None)
              for p in PATIENTS for k in KINDS]  # fmt: skip
    yield Pair("ibsi_sts: CT, MR and PET series", "NIfTI", *_against_nifti(images), "float32 in the NIfTI")
    wrong, apart, count = 0.0, 0.0, 0
    for patient, kind in ((p, k) for p in PATIENTS for k in KINDS):
        source = read_source(dicom / patient / kind / "image")
        (outline,) = (p for p in (dicom / patient / kind / "mask").iterdir() if p.is_file())
        found = read_any(outline, source.grid, source).voxels > 0
        values, distance = nifti_at(source.grid, nifti / patient / f"{kind}_mask.nii.gz")
        wrong, apart, count = wrong + float((found != (values > 0)).sum()), max(apart, distance), count + 1
    yield Pair("ibsi_sts: RTSTRUCT", "NIfTI mask", count, wrong, apart, "voxels that differ")


def segmentation(data: Path) -> Pair:
    """dcmqi: a DICOM-SEG and the NRRD that it was made of."""
    folder = data / "dicom_seg/dcmqi"
    found = read_any(folder / "liver.dcm", read_source(folder / "ct-3slice").grid).voxels
    wanted = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "liver_seg.nrrd"))).T
    return Pair("dcmqi: DICOM-SEG", "NRRD", 1, float((found != wanted).sum()), 0.0, "voxels that differ")


PAIRS: tuple[Callable[[Path], Pair | Iterator[Pair]], ...] = (mosaics, enhanced, packings, sarcomas, segmentation)


def compared(data: Path) -> Iterator[Pair]:
    """Every pair."""
    for compare in PAIRS:
        found = compare(data)
        yield from [found] if isinstance(found, Pair) else found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = command(__doc__, "pairs")
    parser.add_argument("data", type=Path)
    asked = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    header = ("read", "beside", "pairs", "largest difference", "largest distance, mm", "")
    text = table(header, ((p.what, p.reference, p.count, f"{p.largest:.3g}", f"{p.apart_mm:.1g}", p.why)
                          for p in compared(asked.data)))  # fmt: skip
    print(text)
    if asked.page:
        write_between(asked.page, "pairs", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
