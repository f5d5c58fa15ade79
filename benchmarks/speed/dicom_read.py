"""A CT series from disk to voxels: ours beside SimpleITK's series reader and a plain pydicom loop.

    python benchmarks/speed/dicom_read.py [--slices 300] [--rounds 5] [--json FILE]

A synthetic series of 512 x 512 int16 slices, each with a header of about a hundred elements, is written into a
temporary folder. All three readers must give the same voxels, to the byte, before any is timed. They then read in
turn, there and back (A B C C B A) in every round, so that a busy machine slows all of them; the ratio of a round is
that of its sums, and what is reported is the median ratio with a bootstrap interval over rounds. Files lie in the
page cache. Peak memory is that of a process of its own, over what it had before it read, in the voxels' bytes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from napari_segsam.io.dicom.read import list_dicom, read_dicom

AIMS = {"times as fast as the loop": 2.0, "peak memory in voxels": 1.2}
_SIDE = 512
_PRIVATE = 60  # elements that scanners add to the forty of the standard
_DRAWN = 2000


def write_series(folder: Path, slices: int) -> None:
    """CT slices 1.25 mm apart, 12 bits stored, in an order of names that is not theirs in the patient."""
    rng = np.random.default_rng(0)
    series, space, study = (generate_uid(entropy_srcs=[name]) for name in ("series", "space", "study"))
    for k in range(slices):
        pixels = rng.integers(0, 4096, (_SIDE, _SIDE), dtype=np.uint16)
        ds = _header(series, space, study)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID
        ds.InstanceNumber, ds.ImagePositionPatient = k + 1, [-180.0, -180.0, round(1.25 * k, 4)]
        ds.PixelData = pixels.tobytes()
        ds.save_as(folder / f"{(k * 7919) % 100_000:05d}.dcm", enforce_file_format=True)


def _header(series: str, space: str, study: str) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.Modality, ds.ImageType = CTImageStorage, "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SeriesInstanceUID, ds.FrameOfReferenceUID, ds.StudyInstanceUID = series, space, study
    ds.PatientName, ds.PatientID, ds.StudyDate, ds.StudyTime = "Phantom", "1", "20260101", "120000"
    ds.Manufacturer, ds.SeriesDescription, ds.SeriesNumber, ds.AcquisitionNumber = "none", "Thorax", 3, 1
    ds.KVP, ds.SliceThickness, ds.ConvolutionKernel, ds.PatientPosition = 120, 1.25, "B30", "HFS"
    ds.ImageOrientationPatient, ds.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.703125, 0.703125]
    ds.Rows = ds.Columns = _SIDE
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.WindowCenter, ds.WindowWidth, ds.RescaleIntercept, ds.RescaleSlope = 40, 400, -1024, 1
    block = ds.private_block(0x0019, "PHANTOM", create=True)
    for n in range(_PRIVATE):
        block.add_new(n, "LO", f"value {n}")
    return ds


def ours(folder: Path) -> NDArray[Any]:
    """(slices, rows, cols) as the product reads them."""
    return read_dicom(folder).voxels.transpose(2, 1, 0)


def loop(folder: Path) -> NDArray[Any]:
    """(slices, rows, cols) as most scripts read them."""
    slices = sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda ds: ds.ImagePositionPatient[2])
    out = np.empty((len(slices), slices[0].Rows, slices[0].Columns), np.int16)
    for k, ds in enumerate(slices):
        out[k] = ds.pixel_array * ds.RescaleSlope + ds.RescaleIntercept
    return out


def itk(folder: Path) -> NDArray[Any]:
    """(slices, rows, cols) by SimpleITK."""
    reader: Any = sitk.ImageSeriesReader()  # type: ignore[no-untyped-call]
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return sitk.GetArrayFromImage(reader.Execute())


READERS: dict[str, Callable[[Path], NDArray[Any]]] = {"ours": ours, "pydicom loop": loop, "SimpleITK": itk}


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor time of ``work``."""
    began, used = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - began, time.process_time() - used


def measure(folder: Path, rounds: int) -> dict[str, NDArray[Any]]:
    """(rounds, 2) seconds by wall and by processor of each reader, who all give the same voxels."""
    wanted = ours(folder)
    for name, read in READERS.items():
        found = read(folder)
        if found.dtype != np.int16 or not np.array_equal(found, wanted):
            sys.exit(f"{name} reads other voxels; nothing was timed.")
    taken: dict[str, list[NDArray[Any]]] = {name: [] for name in READERS}
    for _ in range(rounds):
        spent = {name: np.zeros(2) for name in READERS}
        for name in (*READERS, *reversed(READERS)):
            spent[name] += seconds(lambda read=READERS[name]: read(folder))  # type: ignore[misc]
        for name, both in spent.items():
            taken[name].append(both / 2)
    return {name: np.array(times) for name, times in taken.items()}


def interval(ratios: NDArray[Any]) -> tuple[float, float, float]:
    """Median, and where 95 % of medians of rounds drawn again lie."""
    drawn = np.random.default_rng(0).choice(ratios, (_DRAWN, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), (2.5, 97.5))
    return float(np.median(ratios)), float(low), float(high)


def peak_memory(name: str, folder: Path) -> dict[str, float]:
    """Of one reader in a process of its own: allocated by Python and numpy, and resident, in the voxels' bytes."""
    run = subprocess.run([sys.executable, __file__, "--peak", name, str(folder)], check=True, capture_output=True)
    return json.loads(run.stdout)  # type: ignore[no-any-return]


def _peak(name: str, folder: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as few:  # what is loaded at the first use is no part of a series
        write_series(Path(few), 2)
        READERS[name](Path(few))
    before = _most_resident()
    size = READERS[name](folder).nbytes
    resident = _most_resident() - before
    tracemalloc.start()
    READERS[name](folder)
    return {"allocated": tracemalloc.get_traced_memory()[1] / size, "resident": resident / size}


def _most_resident() -> int:
    """Bytes of memory that this process has held at most; ru_maxrss would begin with those of its parent."""
    status = Path("/proc/self/status").read_text().split("VmHWM:")
    return int(status[1].split()[0]) * 1024 if len(status) > 1 else 0


def report(slices: int, rounds: int) -> dict[str, Any]:
    """All figures of one run, and print them."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_series(folder, slices)
        listed = min(seconds(lambda: list_dicom(folder))[0] for _ in range(3))
        times = measure(folder, rounds)
        memory = {name: peak_memory(name, folder) for name in READERS}
    found: dict[str, Any] = {"slices": slices, "rounds": rounds, "list (s)": listed, "readers": {}}
    print(f"{slices} slices of {_SIDE} x {_SIDE} int16, {rounds} rounds, same voxels: yes; listed in {listed:.2f} s")
    for name, taken in times.items():
        ratios = {kind: interval(taken[:, n] / times["ours"][:, n]) for n, kind in enumerate(("wall", "processor"))}
        found["readers"][name] = {"wall (s)": float(np.median(taken[:, 0])), "ratio": ratios, "memory": memory[name]}
        wall, processor = (f"{m:.2f} ({low:.2f}-{high:.2f})" for m, low, high in ratios.values())
        print(
            f"{name:13} {np.median(taken[:, 0]):6.2f} s  {wall} times ours by wall, {processor} by processor; "
            f"peak {memory[name]['allocated']:.2f} of the voxels allocated, {memory[name]['resident']:.2f} resident"
        )
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peak", nargs=2, metavar=("READER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.peak:
        print(json.dumps(_peak(options.peak[0], Path(options.peak[1]))))
        return
    found = report(options.slices, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(found | {"aims": AIMS}, indent=2))


if __name__ == "__main__":
    main()
