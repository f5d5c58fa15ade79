import errno
import os
import tempfile
from pathlib import Path

import pytest

from napari_segsam.cli.outputs import Staging, check_label_maps
from napari_segsam.core.errors import WriteError


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


def test_outputs_appear_together_when_they_are_committed(tmp_path):
    with Staging([tmp_path / "a", tmp_path / "b.json"]) as staging:
        staging.write_bytes(tmp_path / "a", b"one")
        staging.write_json(tmp_path / "b.json", {"x": 1})
        assert not {"a", "b.json"} & names(tmp_path)
        staging.commit()
    assert names(tmp_path) == {"a", "b.json"}
    assert (tmp_path / "a").read_bytes() == b"one"


def test_without_a_commit_nothing_is_left_and_nothing_is_lost(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), Staging([tmp_path / "a"]) as staging:
        staging.write_bytes(tmp_path / "a", b"new")
        raise KeyboardInterrupt
    assert names(tmp_path) == {"a"}
    assert (tmp_path / "a").read_bytes() == b"old"


def test_if_the_second_file_cannot_be_moved_the_first_one_is_as_before(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"old")
    move = Path.replace

    def full(self, target):
        if Path(target).name == "b":
            raise OSError(errno.ENOSPC, "No space left on device")
        return move(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(WriteError, match="nothing was changed"), Staging([tmp_path / "a", tmp_path / "b"]) as staging:
        staging.write_bytes(tmp_path / "a", b"new")
        staging.write_bytes(tmp_path / "b", b"new")
        staging.commit()
    assert names(tmp_path) == {"a"}
    assert (tmp_path / "a").read_bytes() == b"old"


def test_an_interrupt_between_two_moves_leaves_everything_as_before(tmp_path, monkeypatch):
    (tmp_path / "b").write_bytes(b"old")
    move = Path.replace

    def interrupted(self, target):
        if Path(target) == tmp_path / "c":
            raise KeyboardInterrupt
        return move(self, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    targets = [tmp_path / name for name in "abc"]
    with pytest.raises(KeyboardInterrupt), Staging(targets) as staging:
        for target in targets:
            staging.write_bytes(target, b"new")
        staging.commit()
    assert names(tmp_path) == {"b"}
    assert (tmp_path / "b").read_bytes() == b"old"


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError, match="No space left on device"), Staging([tmp_path / "a"]) as staging:
        staging.write_bytes(tmp_path / "a", b"new")
    assert names(tmp_path) == set()


def test_a_folder_that_takes_no_files_is_refused_at_once(tmp_path, monkeypatch):
    (tmp_path / "open").mkdir()
    (tmp_path / "shut").mkdir()
    make = tempfile.mkdtemp

    def refuse(prefix, dir):
        if Path(dir).name == "shut":
            raise OSError(errno.EACCES, "Permission denied")
        return make(prefix=prefix, dir=dir)

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(WriteError, match="choose another folder"):
        Staging([tmp_path / "open" / "a", tmp_path / "shut" / "b"]).__enter__()
    assert names(tmp_path / "open") == set()


def test_a_link_keeps_pointing_to_the_file_that_it_names(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with Staging([tmp_path / "link"]) as staging:
        staging.write_bytes(tmp_path / "link", b"new")
        staging.commit()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_outputs_that_cannot_work_are_refused_before_anything_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    for there in ("input", "folder/slice.dcm", "folder/map.nii.labels.json"):
        (tmp_path / there).touch()
    for targets in (
        [tmp_path / "folder"],
        [tmp_path / "none" / "a"],
        [tmp_path / "a", tmp_path / "folder" / ".." / "a"],
        [tmp_path / "a", tmp_path / "a.labels.json"],
        [tmp_path / "input"],
        [tmp_path / "folder" / "slice.dcm"],
        [tmp_path / "folder" / "map.nii"],
        [Path(os.devnull)],
    ):
        with pytest.raises(WriteError):
            Staging(targets, inputs=[tmp_path / "input", tmp_path / "folder"])
    Staging([tmp_path / "folder" / "new.nii"], inputs=[tmp_path / "folder"])
    assert names(tmp_path) == {"folder", "input"}


def test_an_input_is_known_by_whatever_link(tmp_path):
    (tmp_path / "folder").mkdir()
    for name in ("one", "folder/two", "stored", "folder/DICOMDIR"):
        (tmp_path / name).write_text(name)
    os.link(tmp_path / "one", tmp_path / "hard")
    os.link(tmp_path / "folder" / "two", tmp_path / "hard in folder")
    (tmp_path / "folder" / "linked").symlink_to(tmp_path / "stored")
    (tmp_path / "folder" / "broken").symlink_to(tmp_path / "nothing")
    for place in ("hard", "hard in folder", "stored"):
        for folder in (tmp_path / "folder", tmp_path / "folder" / "DICOMDIR"):
            with pytest.raises(WriteError, match="is an input or a part of one"):
                Staging([tmp_path / place], inputs=[tmp_path / "one", folder])
    Staging([tmp_path / "other"], inputs=[tmp_path / "one", tmp_path / "folder", tmp_path / "not there"])


def test_a_label_map_of_an_unknown_kind_is_refused(tmp_path):
    check_label_maps(tmp_path / "a.nii.gz", None)
    with pytest.raises(WriteError, match=r"\.nii\.gz"):
        check_label_maps(tmp_path / "a.png")
