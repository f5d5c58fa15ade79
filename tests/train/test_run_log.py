import errno

import pytest

from napari_segsam.core.errors import WriteError
from napari_segsam.train.run_log import append, keep_rows_before


def test_rows_are_added_under_their_names(tmp_path):
    log = tmp_path / "log.csv"
    for step in range(2):
        append(log, {"step": step, "total": 1 / 3})
    assert log.read_text().splitlines() == ["step,total", "0,0.333333", "1,0.333333"]


@pytest.mark.parametrize("damage", ["2,0.", "2", "2,0.5,3,0.4", "2,x", "\x00\xff", '"2'])
def test_resuming_drops_what_comes_again_and_what_is_damaged(tmp_path, damage):
    log = tmp_path / "log.csv"
    log.write_bytes(f"step,total,size\n0,1,1\n{damage}\n1,1,1\n3,1,1\n".encode("latin-1"))
    keep_rows_before(log, 3)
    kept = log.read_text().splitlines()
    assert kept == ["step,total,size", "0,1,1", "1,1,1"][: 2 if damage == '"2' else 3]  # an open quote takes the rest


@pytest.mark.parametrize("text", ["", "ste", "step,total\n3,1\n"])
def test_a_log_without_a_whole_row_begins_anew(tmp_path, text):
    log = tmp_path / "log.csv"
    log.write_text(text)
    keep_rows_before(log, 3)
    append(log, {"step": 3, "total": 1.0})
    assert log.read_text().splitlines() == ["step,total", "3,1"]


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.open", full)
    with pytest.raises(WriteError, match=r"log\.csv: step 4 was not logged .*No space left"):
        append(tmp_path / "log.csv", {"step": 4})
