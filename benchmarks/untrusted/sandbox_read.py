"""What reading in a process of its own costs: seconds and memory, beside reading in the program itself.

    python benchmarks/untrusted/sandbox_read.py [--repeats 5]

A small NIfTI file, a plain NIfTI file of 512 x 512 x 300 int16 voxels and a DICOM series of the same, all written
here. Each is read once unmeasured, then as often as asked for; the best time counts. Both ways must give equal bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from fuzz_seeds import ct_slice, dicom_bytes

SIZE = (512, 512, 300)
_ONE = "import sys; sys.path.insert(0, {here!r}); import sandbox_read; sandbox_read.measure(*sys.argv[1:])"


def write(folder: Path) -> dict[str, Path]:
    """The three scans."""
    rng = np.random.default_rng(1)
    series = folder / "series"
    series.mkdir()
    voxels = rng.integers(-1000, 1000, SIZE, np.int16)
    for k in range(SIZE[2]):
        pixels = voxels[..., k].T
        fields = {"Rows": SIZE[1], "Columns": SIZE[0], "PixelData": pixels.tobytes()}
        (series / f"{k:03d}.dcm").write_bytes(dicom_bytes(ct_slice(k, **fields)))
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), folder / "large.nii")
    nib.save(nib.Nifti1Image(voxels[:16, :16, :8], np.eye(4)), folder / "small.nii.gz")
    return {"small.nii.gz": folder / "small.nii.gz", "large.nii": folder / "large.nii", "300 DICOM slices": series}


def measure(where: str, path: str, repeats: str) -> None:
    """Print JSON: seconds, processor seconds, peak memory in MiB of this process and of the reading one, and a hash."""
    begun = time.perf_counter()
    if where == "sandbox":
        from napari_segsam.io.sandbox import read_volume
    else:
        from napari_segsam.io.formats import read_volume
    digest = hashlib.sha1(np.ascontiguousarray(read_volume(Path(path)).voxels.T).data, usedforsecurity=False)
    first, rest = time.perf_counter() - begun, []
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    worked = time.process_time() + sum(map(_worked, children))
    for _ in range(int(repeats)):
        begun = time.perf_counter()
        read_volume(Path(path))
        rest.append(time.perf_counter() - begun)
    worked = (time.process_time() + sum(map(_worked, children)) - worked) / len(rest)
    print(json.dumps([first, min(rest), worked, _peak("self"), sum(map(_peak, children)), digest.hexdigest()]))


def _worked(pid: str) -> float:
    """Processor time of another process in seconds (proc(5), utime and stime)."""
    return sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / os.sysconf(
        "SC_CLK_TCK"
    )


def _peak(pid: str) -> float:
    """Most memory that a process has had at once, in MiB (proc(5), VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    print(
        "| scan | way | first, with start (s) | again (s) | of it processor (s) | peak here (MiB) | peak there (MiB) |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in write(Path(scratch)).items():
            hashes = set()
            for where in ("program", "sandbox"):
                script = _ONE.format(here=str(Path(__file__).parent))
                command = [sys.executable, "-c", script, where, str(path), str(asked.repeats)]
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                first, again, worked, own, other, digest = json.loads(out)
                hashes.add(digest)
                print(
                    f"| {name} | {where} | {first:.2f} | {again:.3f} | {worked:.3f} | {own:.0f} | {other:.0f} |",
                    flush=True,
                )
            if len(hashes) != 1:
                raise SystemExit(f"{name}: both ways do not read the same voxels.")


if __name__ == "__main__":
    main()
