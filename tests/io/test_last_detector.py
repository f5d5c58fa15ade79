from pathlib import Path

import pytest

from napari_segsam.core.errors import WriteError
from napari_segsam.io.last_detector import last_detector, remember_detector


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGSAM_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_the_detector_that_was_chosen_last_is_remembered(tmp_path, monkeypatch):
    assert last_detector() is None
    for name in ("first.onnx", "größer.onnx"):
        (tmp_path / name).touch()
        remember_detector(tmp_path / name)
        assert last_detector() == tmp_path / name
    monkeypatch.chdir(tmp_path)
    remember_detector(Path("first.onnx"))
    monkeypatch.chdir("/")
    assert last_detector() == tmp_path / "first.onnx"


def test_its_file_is_not_looked_for_as_that_may_take_long_on_a_network(tmp_path, monkeypatch):
    remember_detector(tmp_path / "away.onnx")
    monkeypatch.setattr(Path, "stat", lambda self, **_: 1 / 0)
    assert last_detector() == tmp_path / "away.onnx"


def test_what_cannot_be_a_path_is_none(tmp_path, state):
    remember_detector(tmp_path / "first.onnx")
    for nonsense in (b"\xff\xfe\x00", b"a\x00b", b""):
        (state / "detector.txt").write_bytes(nonsense)
        assert last_detector() is None


def test_a_folder_that_takes_no_file_is_said(tmp_path, state):
    state.write_text("a file in the folder's place")
    with pytest.raises(WriteError, match=r"detector\.txt was not written"):
        remember_detector(tmp_path / "first.onnx")
