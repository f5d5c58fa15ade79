"""Whether an NRRD or MetaImage file holds all the bytes that its header asks for; ITK does not always say."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

from napari_segsam.core.errors import UnreadableInputError

_HEADER_BYTES = 1 << 20
_BLOCK = 1 << 20
_SIZES = {
    **dict.fromkeys(("signed char", "int8", "int8_t", "uchar", "unsigned char", "uint8", "uint8_t"), 1),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), 2),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), 2),
    **dict.fromkeys(
        ("int", "signed int", "int32", "int32_t", "uint", "unsigned int", "uint32", "uint32_t", "float"), 4
    ),
    **dict.fromkeys(("longlong", "long long", "int64", "int64_t", "ulonglong", "uint64", "uint64_t", "double"), 8),
    **dict.fromkeys(("unsigned long long", "long long int", "unsigned long long int", "signed long long"), 8),
    **dict.fromkeys(("MET_CHAR", "MET_UCHAR"), 1),
    **dict.fromkeys(("MET_SHORT", "MET_USHORT"), 2),
    **dict.fromkeys(("MET_INT", "MET_UINT", "MET_FLOAT"), 4),
    **dict.fromkeys(("MET_LONG", "MET_ULONG", "MET_LONG_LONG", "MET_ULONG_LONG", "MET_DOUBLE"), 8),
}


def check_whole(path: Path) -> None:
    """Refuse a file that is no NRRD or MetaImage, that is cut short, or whose checksum is wrong.

    Raises:
        UnreadableInputError: says which.
    """
    fields, start = _header(path)
    data = _voxel_file(path, fields)
    _check_data(path, data, start if data == path else 0, fields)


def voxel_file(path: Path) -> Path:
    """The file that holds the voxels: ``path`` itself, or the one beside it that its header names.

    Raises:
        UnreadableInputError: it is no NRRD or MetaImage, or that file is not there.
    """
    return _voxel_file(path, _header(path)[0])


def _voxel_file(path: Path, fields: dict[str, str]) -> Path:
    beside = fields.get("data file") or fields.get("elementdatafile", "LOCAL")
    return path if beside.upper() == "LOCAL" else _detached(path, beside)


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Its fields, and where the voxels begin if they are in the same file."""
    with path.open("rb") as file:
        head = file.read(_HEADER_BYTES)
    fields, start = _nrrd(head) if head.startswith(b"NRRD") else _meta(head)
    if not fields:
        raise UnreadableInputError(f"{path.name} is not an NRRD or MetaImage file; check it or convert it again.")
    return fields, start


def _check_data(path: Path, data: Path, start: int, fields: dict[str, str]) -> None:
    encoding = fields.get("encoding", "raw").lower()
    packed = encoding in ("gzip", "gz") or fields.get("compresseddata", "false").lower() == "true"
    if packed:
        found = _unpacked_bytes(data, start)
    elif encoding == "raw":
        found = data.stat().st_size - start
    else:
        raise UnreadableInputError(f"{path.name}: NRRD encoding '{encoding}' is not supported; save it as gzip or raw.")
    if found < _wanted_bytes(path, fields):
        raise UnreadableInputError(f"{path.name} is cut short; copy it again.")


def _wanted_bytes(path: Path, fields: dict[str, str]) -> int:
    kind = fields.get("type") or fields.get("elementtype", "")
    sizes = fields.get("sizes") or fields.get("dimsize", "")
    channels = fields.get("elementnumberofchannels", "1")
    try:
        return math.prod(int(n) for n in sizes.split()) * int(channels) * _SIZES[kind]
    except (KeyError, ValueError) as error:
        raise UnreadableInputError(
            f"{path.name}: the header does not say size and type of the voxels; convert it."
        ) from error


def _nrrd(head: bytes) -> tuple[dict[str, str], int]:
    text, blank, _ = head.partition(b"\n\n")
    if b"\r\n\r\n" in head[: len(text)] or not blank:
        text, blank, _ = head.partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in text.decode("latin-1").splitlines() if not line.startswith("#"))
    fields = {
        key.strip().lower().replace("datafile", "data file"): value.strip() for key, colon, value in lines if colon
    }
    return fields, len(text) + len(blank)


def _meta(head: bytes) -> tuple[dict[str, str], int]:
    fields: dict[str, str] = {}
    start = 0
    for line in head.splitlines(keepends=True):
        start += len(line)
        key, equals, value = line.decode("latin-1").partition("=")
        if not equals:
            return {}, 0
        fields[key.strip().lower()] = value.strip()
        if key.strip().lower() == "elementdatafile":
            return fields, start
    return {}, 0


def _detached(path: Path, name: str) -> Path:
    """The data file beside the header; one anywhere else is not followed."""
    data = path.with_name(name) if name and Path(name).name == name else None
    if data is None or not data.is_file():
        raise UnreadableInputError(f"{path.name} keeps its voxels in another file, which is not beside it; copy both.")
    return data


def _unpacked_bytes(data: Path, start: int) -> int:
    """Length of the gzip or zlib stream at ``start``, whose checksum is verified on the way."""
    count = 0
    unpacker = zlib.decompressobj(47)  # gzip or zlib, whichever is there
    with data.open("rb") as file:
        file.seek(start)
        try:
            while block := file.read(_BLOCK):
                while block and not unpacker.eof:
                    count += len(unpacker.decompress(block, _BLOCK))
                    block = unpacker.unconsumed_tail
        except zlib.error as error:
            raise UnreadableInputError(f"{data.name} is damaged (checksum or data); copy it again.") from error
    if not unpacker.eof:
        raise UnreadableInputError(f"{data.name} is cut short; copy it again.")
    return count
