"""Files that unpack to more than they say, or say more than they hold: refused before memory or time is spent."""

import bz2
import gzip
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.formats import list_series, read_volume
from tests.io.images.nifti_files import saved
from tests.io.images.text_files import meta, nrrd

SMALL = np.zeros((128, 64, 64), np.int16)  # 1 MiB
HUGE = "2000 2000 1250"  # 10 GB of int16
MIB = b"\0" * (1 << 20)


def deflated(length: int) -> bytes:
    """A zlib stream of so many MiB without its end: one block that refers to nothing before it, again and again."""
    packer = zlib.compressobj(9)
    first = packer.compress(MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * (length - 1)


def nifti_bomb(folder: Path) -> Path:
    path = saved(folder / "bomb.nii", SMALL)
    header = path.read_bytes()[:352]
    packed = folder / "bomb.nii.gz"
    packed.write_bytes(gzip.compress(header) + gzip.compress(MIB * 16) * 64)
    return packed


BOMBS: dict[str, Callable[[Path], Path]] = {
    "nii.gz": nifti_bomb,
    "nrrd gzip": lambda f: nrrd(f / "b.nrrd", array=SMALL, encoding="gzip", data=gzip.compress(MIB * 16) * 64),
    "nrrd bzip2": lambda f: nrrd(f / "b.nrrd", array=SMALL, encoding="bzip2", data=bz2.compress(MIB * 16) * 64),
    "mha zlib": lambda f: meta(f / "b.mha", "CompressedData = True", array=SMALL, data=deflated(1024)),
}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("read", [read_volume, list_series])
def test_a_stream_of_a_gigabyte_behind_a_header_of_a_megabyte_is_refused_at_once(
    tmp_path: Path, kind: str, read: Callable[[Path], object]
) -> None:
    path = BOMBS[kind](tmp_path)
    began = time.process_time()
    with pytest.raises(UnreadableInputError, match="longer than its header says"):
        read(path)
    assert time.process_time() - began < 1
    assert peak_of(read, path) < 24 << 20


CLAIMS: dict[str, Callable[[Path], Path]] = {
    "nii": lambda f: saved(f / "c.nii", SMALL[:4, :4, :4], dim=[3, 2000, 2000, 1250, 1, 1, 1, 1]),
    "nii.gz": lambda f: saved(f / "c.nii.gz", SMALL[:4, :4, :4], dim=[3, 2000, 2000, 1250, 1, 1, 1, 1]),
    **{
        f"nrrd {encoding}": lambda f, encoding=encoding, data=data: nrrd_claim(f / "c.nrrd", encoding, data)  # type: ignore[misc]
        for encoding, data in (
            ("raw", b"\0" * 600),
            ("gzip", gzip.compress(b"\0" * 600)),
            ("bzip2", bz2.compress(b"\0" * 600)),
            ("hex", b"00" * 300),
            ("ascii", b"0 " * 300),
        )
    },
    "mha": lambda f: meta_claim(f / "c.mha", "False", b"\0" * 600),
    "mha zlib": lambda f: meta_claim(f / "c.mha", "True", zlib.compress(b"\0" * 600)),
}


def nrrd_claim(path: Path, encoding: str, data: bytes) -> Path:
    whole = nrrd(path, encoding=encoding, data=data).read_bytes()
    path.write_bytes(whole.replace(b"sizes: 2 3 4", f"sizes: {HUGE}".encode()))
    return path


def meta_claim(path: Path, packed: str, data: bytes) -> Path:
    whole = meta(path, f"CompressedData = {packed}", data=data).read_bytes()
    path.write_bytes(whole.replace(b"DimSize = 2 3 4", f"DimSize = {HUGE}".encode()))
    return path


@pytest.mark.parametrize("kind", CLAIMS)
@pytest.mark.parametrize("read", [read_volume, list_series])
def test_ten_gigabytes_in_a_kilobyte_are_refused_before_memory_is_asked_for(
    tmp_path: Path, kind: str, read: Callable[[Path], object]
) -> None:
    path = CLAIMS[kind](tmp_path)
    assert path.stat().st_size < 1200
    began = time.process_time()
    assert peak_of(read, path) < 4 << 20
    assert time.process_time() - began < 1


def peak_of(read: Callable[[Path], object], path: Path) -> int:
    """Bytes that Python and numpy held at most while the file was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableInputError, match=r"(longer|shorter) than its header says"):
            read(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
