"""Arrays handed over in memory that both processes see, where the system can (Linux); elsewhere they go by pipe.

The program that asks makes the memory, of the size that it has checked, and the reading process fills it. Before the
program looks, the system has confirmed that nobody can write there any more, so what was checked stays as it was.
"""

from __future__ import annotations

import mmap
import os
import socket
import stat
from collections.abc import Iterable

import numpy as np

from napari_segsam.io.sandbox import wire

CAN_SHARE = hasattr(os, "memfd_create")
"""Whether this system makes memory that can be handed over and closed to writing."""
_ALIGNED = 64
_SENT = b"memory"


def made(size: int) -> int:
    """A file descriptor of ``size`` bytes of memory, which can grow and shrink no more.

    Raises:
        MemoryError: the system does not give it.
    """
    import fcntl

    try:
        handle = os.memfd_create("segsam", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(handle, size)
    except OSError as error:
        raise MemoryError(str(error)) from error
    fcntl.fcntl(handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    return handle


def send(to: socket.socket, handle: int) -> None:
    """Give the other process a descriptor of the memory, too."""
    socket.send_fds(to, [_SENT], [handle])


def comes_by(questions: int) -> bool:
    """Whether questions come on a socket, which memory can be sent by, and no pipe."""
    return stat.S_ISSOCK(os.fstat(questions).st_mode)


def fill(questions: int, arrays: Iterable[wire.Array]) -> None:
    """Copy arrays into the memory whose descriptor comes next on the socket ``questions``."""
    with socket.socket(fileno=os.dup(questions)) as channel:
        (handle,) = socket.recv_fds(channel, len(_SENT), 1)[1]
    at = 0
    for array in arrays:
        at = _aligned(at)
        for part in wire.parts(array):
            start = at - at % mmap.ALLOCATIONGRANULARITY
            # Only the part is mapped, as what is mapped counts against the limit of this process.
            with mmap.mmap(handle, at + len(part) - start, offset=start) as window:
                window[at - start :] = part
            at += len(part)
    os.close(handle)


def total(sizes: Iterable[int]) -> int:
    """Bytes of memory for arrays of these sizes."""
    end = 0
    for size in sizes:
        end = _aligned(end) + size
    return end


def taken(handle: int, described: Iterable[wire.Described]) -> list[wire.Array]:
    """The arrays in memory that was filled; writing to them changes only what this process sees.

    Raises:
        ValueError: the other process can still write there.
        MemoryError: the system does not map it.
    """
    import fcntl

    try:
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    except OSError as error:
        raise ValueError("still written to") from error
    try:
        space = mmap.mmap(handle, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    except OSError as error:
        raise MemoryError(str(error)) from error
    arrays, at = [], 0
    for one in described:
        at = _aligned(at)
        count = one.size // one.dtype.itemsize
        arrays.append(one.arranged(np.frombuffer(space, one.dtype, count, at)))
        at += one.size
    return arrays


def _aligned(place: int) -> int:
    return -(-place // _ALIGNED) * _ALIGNED
