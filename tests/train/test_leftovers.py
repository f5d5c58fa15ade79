import signal
import subprocess
import sys

import pytest

from napari_segsam.train.leftovers import remove_leftovers

KILLED = """
import resource, signal, sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from napari_segsam.io.atomic import replacing

signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
with replacing(Path("log.csv"), Path("curves.png"), Path("state.safetensors")) as (log, curves, state):
    log.write_text("step")
    curves.write_bytes(b"PNG")
    if sys.argv[1] == "by safetensors":
        save_file({"a": np.zeros(1 << 20)}, state)
    state.write_bytes(bytes(1 << 20))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="kills a program where its file grows too large")
@pytest.mark.parametrize("written", ["by us", "by safetensors"])
def test_what_a_killed_save_left_is_removed(tmp_path, written):
    (tmp_path / "state.safetensors").write_text("the last one")
    killed = subprocess.run([sys.executable, "-c", KILLED, written], cwd=tmp_path, check=False)
    assert killed.returncode == -signal.SIGXFSZ
    assert len(list(tmp_path.iterdir())) == 4
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]


def test_what_is_left_of_a_model_that_was_being_calibrated_is_removed(tmp_path):
    for name in ("model.safetensors", "model.safetensors.part", ".0123456789ab.safetensors.part"):
        (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize("name", [
    "log.csv", ".lock", "notes.csv", "0123456789ab.csv", ".0123456789ab", ".0123456789ab.txt", ".0123456789abc.csv",
    ".0123456789AB.csv", ".0123456789ab.csv.old", "mine.safetensors.part", ".tmp", ".tmp12345", ".tmp1234567",
    ".tmp12-456", "x.tmp123456",
])  # fmt: skip
def test_no_other_file_is_touched(tmp_path, name):
    (tmp_path / name).write_text("x")
    remove_leftovers(tmp_path)
    assert (tmp_path / name).read_text() == "x"


def test_neither_folders_nor_links_nor_what_lies_deeper_is_touched(tmp_path):
    folder, file = tmp_path / ".0123456789ab.csv", tmp_path / "deeper" / ".0123456789ab.csv"
    folder.mkdir()
    file.parent.mkdir()
    file.write_text("x")
    link = tmp_path / ".ba9876543210.csv"
    link.symlink_to(file)
    remove_leftovers(tmp_path)
    assert folder.is_dir() and link.is_symlink() and file.read_text() == "x"
