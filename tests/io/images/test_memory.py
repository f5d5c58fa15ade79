"""What does not fit is refused with what it needs and what there is."""

import os
from pathlib import Path

import numpy as np
import pytest

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.io.formats import read_volume
from napari_segsam.io.images import memory
from tests.io.images.nifti_files import saved

needs_holes = pytest.mark.skipif(not hasattr(os, "truncate"), reason="this system makes no files with holes")


@needs_holes
def test_a_scan_larger_than_the_memory_is_refused_with_both_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 4_000_000_000)
    path = saved(tmp_path / "large.nii", np.zeros((2, 2, 2), np.int16), dim=[3, 2000, 2000, 2500, 1, 1, 1, 1])
    os.truncate(path, 352 + 20_000_000_000)  # a hole: it takes no room on the disk
    with pytest.raises(UnreadableInputError, match=r"needs 20\.0 GB of memory, and 4\.0 GB are free"):
        read_volume(path)


@needs_holes
def test_of_several_volumes_only_the_one_that_is_read_must_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 100_000)
    path = saved(tmp_path / "long.nii", np.zeros((2, 2, 2), np.int16), dim=[4, 20, 20, 25, 1000, 1, 1, 1])
    os.truncate(path, 352 + 20 * 20 * 25 * 1000 * 2)
    with path.open("r+b") as file:
        file.seek(352 + 20 * 20 * 25 * 2 * 998)
        file.write(b"\x07\x00")
    assert read_volume(path, series="#999").voxels.flat[0] == 7 and not read_volume(path, series="#998").voxels.any()


def test_memory_that_the_system_does_not_give_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing_left(*_: object) -> None:
        raise MemoryError

    path = saved(tmp_path / "scan.nii", np.zeros((20, 20, 20), np.int16))
    monkeypatch.setattr(np, "empty", nothing_left)
    with pytest.raises(UnreadableInputError, match=r"GB of memory, more than there is"):
        read_volume(path)


def test_free_memory_is_known_on_linux_and_unknown_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = tmp_path / "meminfo"
    lines.write_text("MemTotal:       100 kB\nMemFree:        1 kB\nMemAvailable:   50 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", lines)
    assert memory.free_bytes() == 51200
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "nothing")
    assert memory.free_bytes() is None
    memory.check_memory(1 << 60, "scan.nii")
