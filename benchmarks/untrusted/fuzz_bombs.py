"""Small files that claim or unpack to far more than they are."""

from __future__ import annotations

import gzip
import struct
import zlib
from collections.abc import Callable
from functools import cache
from random import Random

from fuzz_seeds import ct_slice, dicom_bytes, made_seeds
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless

_MEBIBYTE = 1 << 20
_SIZES = (2, 64, 2048, 10_240)  # unpacked MiB
_ZEROS = bytes(_MEBIBYTE)
_LARGE = (1, 4096, 30_000, 65_535)


def bomb(rng: Random) -> tuple[str, bytes]:
    """Name and content of a random one."""
    return rng.choice(_KINDS)(rng)


def _deflated(mebibytes: int) -> bytes:
    """A raw deflate stream of so many MiB of zeros, as quickly as it can be written: one full flush after another."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(_ZEROS) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * mebibytes + packer.flush()


def _gzipped(mebibytes: int) -> bytes:
    return gzip.compress(_ZEROS, mtime=0) * mebibytes


def _nifti(rng: Random) -> tuple[str, bytes]:
    """Dimensions of any size; behind them, packed, as much as they ask for, or any other amount of zeros."""
    header = bytearray(_seed("one.nii")[:352])
    dims = [3, *(rng.choice(_LARGE) for _ in range(3)), 1, 1, 1, 1]
    if rng.random() < 0.3:
        dims[0], dims[4] = 4, rng.choice(_LARGE)
    struct.pack_into("<8h", header, 40, *(d - 65_536 if d > 32_767 else d for d in dims))
    return "bomb.nii.gz", gzip.compress(bytes(header), mtime=0) + _gzipped(rng.choice(_SIZES))


def _text_header(rng: Random) -> tuple[str, bytes]:
    name, packed = rng.choice((("gzip.nrrd", _gzipped), ("packed.mha", lambda n: b"\x78\x9c" + _deflated(n))))
    head, mark, _ = _seed(name).partition(b"\n\n" if name.endswith("nrrd") else b"= LOCAL\n")
    size = " ".join(str(rng.choice(_LARGE)) for _ in range(3)).encode()
    return f"bomb{name[-5:]}", head.replace(b"4 3 2", size) + mark + packed(rng.choice(_SIZES[:3]))


def _dicom(rng: Random) -> tuple[str, bytes]:
    """Deflated, the data set unpacks without end; RLE, a frame does; else the dimensions alone are large."""
    rows, cols = rng.choice(_LARGE), rng.choice(_LARGE)
    if rng.random() < 0.4:
        whole = dicom_bytes(ct_slice(Rows=rows, Columns=cols), DeflatedExplicitVRLittleEndian)
        return "bomb.dcm", whole[:-2] + _deflated(rng.choice(_SIZES[:3]))
    run = b"\x81\0" * rng.choice((1000, 1_000_000))  # each repeats a zero 128 times
    segments = struct.pack("<16I", 2, 64, 64 + len(run), *([0] * 13)) + run * 2
    ds = ct_slice(Rows=rows, Columns=cols, NumberOfFrames=rng.choice((1, 1000, 2**31 - 1)))
    ds.PixelData = encapsulate([segments])
    ds["PixelData"].is_undefined_length = True
    return "bomb.dcm", dicom_bytes(ds, RLELossless)


def _codestream(rng: Random) -> tuple[str, bytes]:
    """The frame's own header says another size than the data set: JPEG's SOF, JPEG-LS's SOF55, JPEG 2000's SIZ."""
    name, marker, form, at = rng.choice((
        ("jpeg.dcm", b"\xff\xc0", ">2H", 5),
        ("jpegls.dcm", b"\xff\xf7", ">2H", 5),
        ("jpeg2000.dcm", b"\xff\x51", ">2I", 6),
    ))  # fmt: skip
    data = bytearray(_seed(name))
    most = 65_535 if form == ">2H" else 2**32 - 1
    struct.pack_into(form, data, data.index(marker) + at, *(min(rng.choice((*_LARGE, most)), most) for _ in range(2)))
    return "bomb.dcm", bytes(data)


def _picture(rng: Random) -> tuple[str, bytes]:
    """A PNG whose header says any size, over as much packed data, with right checksums."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(
        ">2I5B", rng.choice((*_LARGE, 2**31 - 1)), rng.choice(_LARGE), rng.choice((1, 8, 16)), 0, 0, 0, 0
    )
    body = b"\x78\x9c" + _deflated(rng.choice(_SIZES[:3]))
    extra = chunk(b"zTXt", b"Comment\0\0" + body) if rng.random() < 0.3 else b""
    content = chunk(b"IHDR", head) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    return "bomb.png", b"\x89PNG\r\n\x1a\n" + content


def _json(rng: Random) -> tuple[str, bytes]:
    """Brackets in brackets, very long numbers, and very many entries."""
    name = rng.choice(("prompts.json", "case.nii.gz.labels.json"))
    depth = rng.choice((1000, 100_000))
    texts = ["[" * depth, '{"a":' * depth, '{"1": ' + "9" * depth + "}", '{"' + "9" * depth + '": "a"}']
    texts.append("{" + ",".join(f'"{n}": "x"' for n in range(depth)) + "}")
    return name, rng.choice(texts).encode()


@cache
def _seeds() -> dict[str, bytes]:
    return {s.name: s.content for s in made_seeds()}


def _seed(name: str) -> bytes:
    return _seeds()[name]


_KINDS: tuple[Callable[[Random], tuple[str, bytes]], ...] = (_nifti, _text_header, _dicom, _codestream, _picture, _json)
