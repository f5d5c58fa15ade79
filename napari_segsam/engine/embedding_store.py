"""EmbeddingStore: embeddings that took long to make, on disk for the next time that the same picture is opened."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from napari_segsam.core.slices import SliceView
from napari_segsam.core.volume import Window
from napari_segsam.engine.protocols import Embedding, Predictor

WORTH_SECONDS = 0.1
"""An embedding that is made faster is made again: finding it by its pixels, reading and checking it takes a good part
of that."""
_SUFFIX, _PART = ".safetensors", ".part"
_ABANDONED_S = 3600
"""A file that is not whole after so long never will be."""
_SEAL, _SECONDS = "seal", "seconds"

Arrays = dict[str, NDArray]  # type: ignore[type-arg]


class EmbeddingStore:
    """One file of raw arrays for each embedding; the least recently used one goes first.

    Any number of programs may share the folder: files appear whole, and one that is not what it should be is removed
    and counts as none. Where nothing can be written, that is said once and what lies there is still read.

    Args:
        folder: where the files lie; made when it is needed, for its owner only.
        max_bytes: of all files together; other programs that write at the same moment may exceed it for a while.
        worth_seconds: a model that was ever faster than this is asked again, and its embeddings are neither stored nor
            looked for.
    """

    def __init__(self, folder: Path, max_bytes: int = 4 << 30, worth_seconds: float = WORTH_SECONDS) -> None:
        self.folder, self.max_bytes, self.worth_seconds = folder, max_bytes, worth_seconds
        self._fast: set[tuple[str, str]] = set()  # weights and device of models that are not worth it
        self._room = 0  # bytes that may be written before looking at the folder again
        self._is_writable = True
        self._trouble = ""

    def take_trouble(self) -> str:
        """Why nothing is written any more, a sentence for the person; empty but once."""
        said, self._trouble = self._trouble, ""
        return said

    def get_or_make(self, predictor: Predictor, view: SliceView, window: Window | None) -> Embedding:
        """The slice's embedding from disk where it is worth looking there, else made, and stored where that took long.

        Runs on the thread that runs the model.
        """
        who = predictor.sha256, predictor.device
        if who in self._fast:
            return predictor.embed(view, window)
        key = predictor.digest(view, window)
        arrays = self._read(key)
        if arrays is not None:
            return predictor.from_arrays(view, window, arrays, float(arrays.pop(_SECONDS)[0]))
        made = predictor.embed(view, window)
        if made.seconds < self.worth_seconds:
            self._fast.add(who)
        elif predictor.device == who[1]:  # a fault moves it to the CPU, and what it made there is no GPU's
            self._write(key, predictor.to_arrays(made), made.seconds)
        return made

    # -- files
    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _read(self, key: str) -> Arrays | None:
        """What :meth:`_write` was given, None where that is not there whole."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        try:
            arrays = load(data)  # refuses bytes too few or too many
        except (SafetensorError, ValueError, KeyError):
            arrays = {}
        seal = arrays.pop(_SEAL, None)
        if seal is None or seal.tobytes() != _seal(key, arrays):
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        return arrays

    def _write(self, key: str, arrays: Mapping[str, NDArray], seconds: float) -> None:  # type: ignore[type-arg]
        if not self._is_writable:
            return
        sealed = {**arrays, _SECONDS: np.array([seconds])}
        data = save({**sealed, _SEAL: np.frombuffer(_seal(key, sealed), np.uint8)})
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)  # it may have been there
            self._make_room(len(data))
            _write_whole(self._path(key), data)
        except OSError as error:
            self._is_writable = False
            why = (error.strerror or type(error).__name__).lower()
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            remedy = "free some space there" if full else "make it a folder that you may write to"
            self._trouble = (
                f"What the model makes of slices is no longer kept on the disk ({self.folder}: {why}), so it is made "
                f"anew next time; {remedy}, or let SEGSAM_CACHE name another folder."
            )

    def _make_room(self, size: int) -> None:
        """Remove what was not used for longest, and what a killed program left, down to nine tenths of the bound."""
        self._room -= size
        if self._room >= 0:
            return
        files = sorted(_files(self.folder))
        total = size + sum(n for _, n, _ in files)
        if total > self.max_bytes:
            for _, n, path in files:
                if total <= 0.9 * self.max_bytes:
                    break
                with suppress(FileNotFoundError):  # another program was faster
                    path.unlink()
                total -= n
        self._room = self.max_bytes - total


def _seal(key: str, arrays: Mapping[str, NDArray]) -> bytes:  # type: ignore[type-arg]
    """SHA-256 over a file's name and all that it holds."""
    digest = sha256(key.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.digest()


def _files(folder: Path) -> list[tuple[float, int, Path]]:
    """Time of last use, size and path of each file of a store.

    Other things in the folder are left alone, and so is what another program may be writing.
    """
    found, begun = [], time.time() - _ABANDONED_S
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            known = path.stat()
            if path.suffix == _SUFFIX or (path.suffix == _PART and known.st_mtime < begun):
                found.append((known.st_mtime, known.st_size, path))
    return found


def _write_whole(path: Path, data: bytes) -> None:
    """The file appears whole; that it is on the disk at once does not matter, a torn one counts as none."""
    beside = path.with_name(f"{uuid4().hex}{_PART}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
