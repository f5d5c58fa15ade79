"""Files are the old one or the new one."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from napari_segsam.core.errors import WriteError
from napari_segsam.io import atomic
from napari_segsam.io.atomic import replacing, write_bytes


def save(*paths: Path, content: bytes = b"new") -> None:
    with replacing(*paths) as beside:
        for path in beside:
            write_bytes(path, content)


def test_files_take_their_places_together(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"old")
    save(tmp_path / "a.nii.gz", tmp_path / "b.json")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.json").read_bytes() == b"new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii.gz", "b.json"]


def test_the_temporary_file_keeps_the_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "Case 1.NII.GZ") as (beside,):
        assert beside.name.endswith(".nii.gz")
        write_bytes(beside, b"x")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("step", ["write_bytes", "_sync", "replace"])
def test_an_error_at_any_step_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    path = tmp_path / "labels.nii"
    path.write_bytes(b"old")

    def fails(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    if step == "write_bytes":
        monkeypatch.setitem(globals(), "write_bytes", fails)
    elif step == "replace":
        monkeypatch.setattr(Path, "replace", fails)
    else:
        monkeypatch.setattr(atomic, "_sync", fails)
    with pytest.raises(WriteError, match=r"labels\.nii was not written: .*unchanged\.$"):
        save(path)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["labels.nii"]


@pytest.mark.parametrize("linked", [True, False])
@pytest.mark.parametrize("at", range(3))
@pytest.mark.parametrize("failure", [OSError(errno.EIO, "broken"), KeyboardInterrupt()])
def test_what_was_given_its_place_before_another_could_not_be_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int, linked: bool, failure: BaseException
) -> None:
    paths = [tmp_path / name for name in ("labels.nii.gz", "new.json", "labels.nii.gz.labels.json")]
    for path in (paths[0], paths[2]):
        path.write_bytes(path.name.encode())
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    move = Path.replace

    def stops(path: Path, target: Path) -> Path:
        if target == paths[at] and path.read_bytes() == b"new":
            raise failure
        return move(path, target)

    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(Path, "replace", stops)
    if not linked:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises((WriteError, KeyboardInterrupt)):
        save(*paths)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_flushed_leaves_the_old_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.nii"
    path.write_bytes(b"old")

    def fails(_: Path) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(atomic, "sync_folder", fails)
    with pytest.raises(WriteError, match="unchanged"):
        save(path, tmp_path / "new")
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("second", "said"),
    [("x" * 256, "x: its name is too long"), ("folder", "folder: a folder of that name is there")],
)
def test_a_place_that_cannot_be_taken_is_named_before_anything_is_written(
    tmp_path: Path, second: str, said: str
) -> None:
    (tmp_path / "folder").mkdir()
    path, begun = tmp_path / "labels.nii", False
    path.write_bytes(b"old")
    refused = pytest.raises(WriteError, match=rf"^labels\.nii was not written: .*{said}; .*unchanged\.$")
    with refused, replacing(path, tmp_path / second):
        begun = True
    assert not begun and path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 2


def test_a_program_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.nii"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as (beside,):
        write_bytes(beside, b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_folder_and_a_folder_in_the_way_are_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="does not exist; make it first"):
        save(tmp_path / "gone" / "labels.nii")
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(WriteError, match="a folder of that name"):
        save(tmp_path / "folder.nii")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.nii").write_bytes(b"old")
    (tmp_path / "link.nii").symlink_to(tmp_path / "real.nii")
    save(tmp_path / "link.nii")
    assert (tmp_path / "link.nii").is_symlink()
    assert (tmp_path / "real.nii").read_bytes() == b"new"


_WRITE_UNDER_A_LIMIT = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from napari_segsam.core.errors import WriteError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.io.labels.files import write_labels
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
voxels = np.random.default_rng(0).integers(0, 60000, (40, 40, 40)).astype(np.uint16)
labels = LabelMap(Grid(voxels.shape, np.eye(4)), voxels)
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
try:
    write_labels(Path(sys.argv[1]), labels, {})
except WriteError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("name", ["labels.nii.gz", "labels.nii", "labels.nrrd", "labels.mha"])
def test_a_real_refusal_of_the_system_loses_nothing(tmp_path: Path, name: str) -> None:
    assert resource.RLIMIT_FSIZE is not None
    path = tmp_path / name
    path.write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-c", _WRITE_UNDER_A_LIMIT, str(path)], capture_output=True, text=True, cwd=Path.cwd()
    )
    assert "larger than the system allows" in done.stderr
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == [name]
