"""A reading process that can also be asked to go wrong in every way that a file may make it."""

import ctypes
import mmap
import os
import socket
import time
from pathlib import Path

import numpy as np

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.io.sandbox import child, memory
from napari_segsam.io.series_info import SeriesInfo

kept: list[mmap.mmap] = []


def crash(path: Path) -> None:
    ctypes.string_at(0)


def compute(path: Path) -> None:
    while True:
        pass


def wait(path: Path) -> None:
    time.sleep(1e6)


def leave(path: Path) -> None:
    os._exit(3)


def fill(path: Path) -> None:
    kept = []
    while True:
        kept.append(np.empty(1 << 26, np.uint8))


def fail(path: Path) -> None:
    raise KeyError("Doe^John")


def crash_at_the_second(path: Path) -> None:
    for file in sorted(path.iterdir())[:2]:
        file.read_bytes()
    crash(path)


def print_and_write(path: Path) -> list[SeriesInfo]:
    os.write(1, b"Warning: strange huffman table\n")
    try:
        (path.parent / "written").write_bytes(b"x")
    except OSError:
        return answer("refused")
    return answer("written")


def take_turns(path: Path) -> list[SeriesInfo]:
    """Return once another process has taken up such a question, too."""
    (path.parent / str(os.getpid())).touch()
    while len(list(path.parent.iterdir())) < 3:
        time.sleep(0.001)
    return answer("together")


def pid(path: Path) -> list[SeriesInfo]:
    return answer(str(os.getpid()))


def keep_memory(path: Path) -> Volume:
    """Say that the memory is filled, but be able to write to it still."""
    memory.fill = lambda questions, _: kept.append(
        mmap.mmap(socket.recv_fds(socket.socket(fileno=questions), 6, 1)[1][0], 0)
    )
    return Volume(Grid((1, 1, 1), np.eye(4)), np.zeros((1, 1, 1)))


def answer(word: str) -> list[SeriesInfo]:
    return [SeriesInfo(word, "", "", (1, 1, 1), (1.0, 1.0, 1.0), "")]


strange = (
    *(crash, compute, wait, leave, fill, fail, crash_at_the_second, print_and_write, take_turns, pid),
    keep_memory,
)
child.COMPUTING_S = child.COMPUTING_S_PER_MB = 0.3
child.WAITING_S = float(os.environ.get("STRANGE_WAITING_S", "60"))
child.IDLE_S = float(os.environ.get("STRANGE_IDLE_S", "60"))

if __name__ == "__main__":
    child.main({call.__name__: call for call in strange}.__getitem__)
