"""Loading a model inside napari's process."""

import sys

import pytest

from napari_segsam.gui.loading import keep_triton_from_mesa


@pytest.fixture
def without_triton(monkeypatch):
    monkeypatch.delitem(sys.modules, "triton", raising=False)


@pytest.mark.parametrize(("mapped", "kept_out"), [("/usr/lib/libLLVM-15.so.1", True), ("/usr/lib/libGL.so", False)])
def test_triton_is_kept_out_where_mesas_llvm_is_loaded(tmp_path, without_triton, mapped, kept_out):
    maps = tmp_path / "maps"
    maps.write_text(f"7f00 r-xp 0 08:01 1 {mapped}\n")
    assert keep_triton_from_mesa(maps) is kept_out
    assert ("triton" in sys.modules) is kept_out
    sys.modules.pop("triton", None)


def test_a_triton_that_is_loaded_already_is_left_alone(tmp_path, monkeypatch):
    maps = tmp_path / "maps"
    maps.write_text("libLLVM")
    monkeypatch.setitem(sys.modules, "triton", sys)
    assert not keep_triton_from_mesa(maps)
    assert sys.modules["triton"] is sys


def test_systems_without_proc_have_no_such_trouble(tmp_path, without_triton):
    assert not keep_triton_from_mesa(tmp_path / "nothing")
