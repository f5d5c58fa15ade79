"""PyTorch's two file formats read as data: a description of tensors, and the bytes that they are made of.

The zip format (torch 1.6 and later) holds ``NAME/data.pkl`` and one ``NAME/data/KEY`` for each storage, uncompressed;
the format before it holds five pickles and then the storages one after another, each with its length before it
(torch/serialization.py). Nothing of torch reads the file: only numbers that were checked reach it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Protocol
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from torch import Tensor

from napari_segsam.model.zoo.accounts import ModelFileError
from napari_segsam.model.zoo.files.pickled import PickleError, describe
from napari_segsam.model.zoo.files.stored_tensors import Storage, Stored, one_kind_each

ZIP_MAGIC = b"PK\x03\x04"
LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_CUT_SHORT = "it is cut short or damaged"


class TorchFile(Protocol):
    """An opened file of either format.

    Attributes:
        root: what the file describes; :func:`.stored_tensors.stored` finds the tensors in it.
    """

    root: object

    def bytes_of(self, storage: Storage) -> bytearray:
        """A storage's bytes."""


def read_all(file: TorchFile, tensors: Mapping[str, Stored]) -> dict[str, Tensor]:
    """The tensors of these descriptions; each storage is read once and nothing else is read."""
    storages = {t.storage.key: t.storage for t in tensors.values()}
    data = {key: file.bytes_of(storage) for key, storage in storages.items()}
    return {name: t.of(data[t.storage.key]) for name, t in tensors.items()}


def open_torch(path: Path, stream: IO[bytes]) -> TorchFile:
    """Read the description in a file of either format.

    Raises:
        ModelFileError: of neither format, cut short, compressed, or it describes one storage in two ways.
    """
    magic = stream.read(len(LEGACY_MAGIC))
    stream.seek(0)
    try:
        if magic.startswith(ZIP_MAGIC):
            return _ZipTorchFile(stream, path.stat().st_size)
        if magic == LEGACY_MAGIC:
            return _LegacyTorchFile(stream)
    except PickleError as error:
        raise ModelFileError(str(error)) from error
    raise ModelFileError("it is no file of tensors (safetensors, or what torch.save writes)")


class _ZipTorchFile:
    """torch.save since 1.6."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        try:
            self._zip = ZipFile(stream)
            self._entries = _plain_entries(self._zip, size)
            names = [name for name in self._entries if name.count("/") == 1 and name.endswith("/data.pkl")]
            if len(names) != 1:
                raise ModelFileError("it is a zip file, but not one that torch.save writes for tensors")
            self._folder = names[0].removesuffix("data.pkl")
            if self._folder + "constants.pkl" in self._entries:
                raise ModelFileError("it is a TorchScript program; save its state_dict() and pass that")
            if self._order() != b"little":
                raise ModelFileError("its numbers are in big-endian order")
            with self._zip.open(self._entries[names[0]]) as pickle:
                description = describe(pickle)
        except _ZIP_ERRORS as error:
            raise ModelFileError(_CUT_SHORT) from error
        self.root = description.root
        one_kind_each(description.references)

    def _order(self) -> bytes:
        entry = self._entries.get(self._folder + "byteorder")
        return b"little" if entry is None else self._zip.open(entry).read(16)

    def bytes_of(self, storage: Storage) -> bytearray:
        entry = self._entries.get(f"{self._folder}data/{storage.key}")
        if entry is None or entry.file_size != storage.nbytes:
            raise ModelFileError(_CUT_SHORT)
        data = bytearray(entry.file_size)
        try:
            with self._zip.open(entry) as source:
                filled = _fill(source, data)
        except _ZIP_ERRORS as error:
            raise ModelFileError(_CUT_SHORT) from error
        if not filled:
            raise ModelFileError(_CUT_SHORT)
        return data


_ZIP_ERRORS = (BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError, struct.error, UnicodeDecodeError)


def _plain_entries(archive: ZipFile, size: int) -> dict[str, ZipInfo]:
    """Entries by name: stored as they are, each once, none within another; so that no entry is larger than the file."""
    entries = archive.infolist()
    names = {entry.filename: entry for entry in entries}
    if any(entry.compress_type != ZIP_STORED or entry.compress_size != entry.file_size for entry in entries):
        raise ModelFileError("it is compressed, which torch.save never does")
    if len(names) != len(entries) or sum(entry.file_size for entry in entries) > size:
        raise ModelFileError("its parts lie within one another")
    return names


class _LegacyTorchFile:
    """torch.save before 1.6, or with ``_use_new_zipfile_serialization=False``."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        describe(stream)  # the magic number, which brought us here
        version, system = describe(stream).root, describe(stream).root
        if version != 1001 or not isinstance(system, dict) or system.get("little_endian") is not True:
            raise ModelFileError("it is of a version of torch.save that is not known here")
        description = describe(stream)
        self.root = description.root
        kinds = one_kind_each(description.references)
        self._starts = self._positions(describe(stream).root, kinds)

    def _positions(self, keys: object, kinds: Mapping[str, Storage]) -> dict[str, int]:
        """Where each storage's bytes begin."""
        starts: dict[str, int] = {}
        for key in keys if isinstance(keys, list) else ():
            kind = kinds.get(key) if isinstance(key, str) else None
            length = self._stream.read(8)
            if kind is None or length != struct.pack("<q", kind.numel):
                raise ModelFileError(_CUT_SHORT)
            starts[kind.key] = self._stream.tell()
            self._stream.seek(kind.nbytes, 1)
        return starts

    def bytes_of(self, storage: Storage) -> bytearray:
        start = self._starts.get(storage.key)
        end = self._stream.seek(0, 2)
        if start is None or start + storage.nbytes > end:
            raise ModelFileError(_CUT_SHORT)
        self._stream.seek(start)
        data = bytearray(storage.nbytes)
        if not _fill(self._stream, data):
            raise ModelFileError(_CUT_SHORT)
        return data


def _fill(source: IO[bytes], data: bytearray, chunk: int = 1 << 22) -> bool:
    """Whether the stream had as many bytes as ``data`` holds; at a zip entry's end its checksum is compared."""
    at = 0
    while at < len(data):
        part = source.read(min(chunk, len(data) - at))
        if not part:
            return False
        data[at : at + len(part)] = part
        at += len(part)
    return True
