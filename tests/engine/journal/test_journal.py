"""The file: whatever a crash leaves of it, what stands before the damage comes back, and nothing else does."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_segsam.core.errors import UnreadableInputError, WriteError
from napari_segsam.engine.journal import folder as journal_folder
from napari_segsam.engine.journal.folder import new_path, orphans, remove_old, retire
from napari_segsam.engine.journal.journal import Journal, read

RECORDS = [b"the header", b"one", b"two " * 100, b"three", b"f"]
FINGERPRINT = "ab" * 32


def written(path, records=RECORDS):
    journal = Journal.create(path)
    for record in records:
        journal.add(journal.frame([record]))
    journal.sync()
    journal.close()
    return path.read_bytes()


def payloads(path):
    contents = read(path)
    return [contents.payload(n) for n in range(len(contents.payloads))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return written(tmp_path_factory.mktemp("whole") / "a.journal")


def lengths(whole, tmp_path):
    """How much of the file each number of records takes."""
    sizes = []
    for count in range(len(RECORDS) + 1):
        written(tmp_path / f"{count}.journal", RECORDS[:count])
        sizes.append((tmp_path / f"{count}.journal").stat().st_size)
    assert sizes[-1] == len(whole)
    return sizes


def test_records_come_back_in_order(tmp_path):
    written(tmp_path / "a.journal")
    assert payloads(tmp_path / "a.journal") == RECORDS
    assert (read(tmp_path / "a.journal").torn, read(tmp_path / "a.journal").beyond) == (0, 0)


@pytest.mark.parametrize("rest", [b"", b"\0" * 40, b"\0" * 5000, b"\x89REC", bytes(range(256))])
def test_a_file_cut_at_any_byte_gives_all_records_before_the_cut(whole, tmp_path, rest):
    sizes, path = lengths(whole, tmp_path), tmp_path / "cut.journal"
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut] + rest)
        complete = sum(size <= cut for size in sizes[1:])
        if not complete:
            with pytest.raises(UnreadableInputError, match="damaged from its start"):
                read(path)
        else:
            assert payloads(path) == RECORDS[:complete]
            assert read(path).beyond == 0


@given(bit=st.integers(min_value=0), width=st.integers(1, 40))
def test_flipped_bits_never_give_another_record(whole, tmp_path_factory, bit, width):
    path = tmp_path_factory.getbasetemp() / "flipped.journal"
    data = bytearray(whole)
    for at in range(bit, bit + width):
        data[at // 8 % len(data)] ^= 1 << at % 8
    path.write_bytes(data)
    try:
        found = payloads(path)
    except UnreadableInputError:
        return
    assert found == RECORDS[: len(found)] and len(found) < len(RECORDS)


def test_a_damaged_record_in_the_middle_is_told_from_a_torn_end(whole, tmp_path):
    sizes, path = lengths(whole, tmp_path), tmp_path / "damaged.journal"
    path.write_bytes(whole[: sizes[2] + 50] + b"?" + whole[sizes[2] + 51 :])
    contents = read(path)
    assert (len(contents.payloads), contents.beyond) == (2, 2)
    Journal.go_on(path)[0].close()
    assert payloads(path) == RECORDS[:2]
    assert (tmp_path / "damaged.damaged").stat().st_size == len(whole), "what was found is kept beside it"
    assert read(tmp_path / "damaged.damaged").beyond == 2


def test_a_record_that_is_missing_in_the_middle_is_not_passed_over(whole, tmp_path):
    sizes = lengths(whole, tmp_path)
    (tmp_path / "gap.journal").write_bytes(whole[: sizes[2]] + whole[sizes[3] :])
    assert payloads(tmp_path / "gap.journal") == RECORDS[:2]
    assert read(tmp_path / "gap.journal").beyond == 2


def test_records_of_another_journal_on_the_same_blocks_of_the_disk_are_not_ours(whole, tmp_path):
    other = written(tmp_path / "other.journal")
    cut = lengths(whole, tmp_path)[2]
    (tmp_path / "mixed.journal").write_bytes(whole[:cut] + other[cut:])
    assert payloads(tmp_path / "mixed.journal") == RECORDS[:2]


def test_going_on_adds_behind_the_last_whole_record(whole, tmp_path):
    path = tmp_path / "torn.journal"
    path.write_bytes(whole[:-2] + b"\0" * 100)
    journal, contents = Journal.go_on(path)
    assert len(contents.payloads) == 4 and contents.torn
    journal.add(journal.frame([b"again ", b"five"]))
    journal.close()
    assert payloads(path) == [*RECORDS[:4], b"again five"]


def test_one_writer_at_a_time(tmp_path):
    path = tmp_path / "a.journal"
    journal = Journal.create(path)
    journal.add(journal.frame([b"header"]))
    with pytest.raises(UnreadableInputError, match="open in another window"):
        Journal.go_on(path)
    assert orphans(tmp_path) == []
    journal.close()
    assert orphans(tmp_path) == [path]
    Journal.go_on(path)[0].close()


def test_a_writer_that_is_forgotten_gives_its_lock_back(tmp_path):
    journal = Journal.create(tmp_path / "a.journal")
    journal.add(journal.frame([b"header"]))
    del journal
    assert orphans(tmp_path) == [tmp_path / "a.journal"]


def test_another_thread_may_close_it(tmp_path):
    journal = Journal.create(tmp_path / "a.journal")
    thread = threading.Thread(target=journal.close)
    thread.start()
    thread.join()
    assert orphans(tmp_path) == [tmp_path / "a.journal"]


@pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")
def test_nobody_else_may_read_it_whatever_the_umask_and_the_folder_were(tmp_path):
    folder, umask = tmp_path / "state" / "journals", os.umask(0)
    folder.mkdir(parents=True, mode=0o777)
    try:
        written(folder / "a.journal")
    finally:
        os.umask(umask)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in folder.iterdir()} == {0o600}


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"could not be written \(not a directory|\(file exists"):
        Journal.create(tmp_path / "file" / "a.journal")


FULL = """
import resource, sys
from pathlib import Path
from napari_segsam.core.errors import WriteError
from napari_segsam.engine.journal.journal import Journal, read
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
path = Path(sys.argv[1])
journal = Journal.create(path)
journal.add(journal.frame([b"header"]))
large = journal.frame([bytes(range(256)) * 4, __import__("os").urandom(9000)])
for _ in range(2):
    try:
        journal.add(large)
    except WriteError as error:
        print(error)
assert len(read(path).payloads) == 1 and read(path).torn == 0
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.add(large)
journal.sync()
print(len(read(path).payloads))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs setrlimit")
def test_a_full_disk_leaves_what_was_written_and_lets_the_same_record_be_tried_again(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.journal")], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    *said, records = done.stdout.splitlines()
    assert records == "2" and len(said) == 2
    assert said[0] == (
        "The journal could not be written (the disk is full): work goes on, but a crash would lose it; save often."
    )


def test_names_of_files_say_nothing_of_the_scan(tmp_path):
    path = new_path(tmp_path, FINGERPRINT)
    assert path.name.startswith("ab" * 12 + "-") and path.suffix == ".journal"
    assert new_path(tmp_path, FINGERPRINT) != path, "every viewer has its own"


def test_unfinished_work_is_found_by_its_scan_newest_first(tmp_path):
    first, other, second = (
        new_path(tmp_path, FINGERPRINT),
        new_path(tmp_path, "cd" * 32),
        new_path(tmp_path, FINGERPRINT),
    )
    for age, path in enumerate([second, other, first]):
        written(path)
        os.utime(path, (1e9 - age, 1e9 - age))
    assert orphans(tmp_path, FINGERPRINT) == [second, first]
    assert orphans(tmp_path) == [second, other, first]
    assert orphans(tmp_path / "nowhere") == []


def test_finished_work_is_kept_for_its_audit_trail_and_removed_by_age_and_size(tmp_path, monkeypatch):
    monkeypatch.setattr(journal_folder, "KEPT_BYTES", 1000)
    now = journal_folder.time.time()
    kept, large, old, live = (new_path(tmp_path, c * 64) for c in "abcd")
    for path, size, days in ((kept, 400, 1), (large, 700, 2), (old, 10, 91), (live, 5000, 400)):
        path.write_bytes(b"x" * size)
        os.utime(path, (now - days * 86400,) * 2)
    for path in (kept, large, old):
        retire(path)
    remove_old(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {kept.with_suffix(".closed").name, live.name}


def test_the_folder_is_the_user_s_own_or_the_chosen_one(monkeypatch, tmp_path):
    monkeypatch.setenv("SEGSAM_STATE", str(tmp_path))
    assert journal_folder.journal_folder() == tmp_path / "journals"
    monkeypatch.delenv("SEGSAM_STATE")
    assert Path.home() in journal_folder.journal_folder().parents


def test_a_record_of_many_voxels_is_packed_piece_by_piece(tmp_path):
    journal = Journal.create(tmp_path / "a.journal")
    piece = np.zeros(1 << 20, np.uint8).data
    journal.add(journal.frame(piece for _ in range(64)))
    journal.close()
    assert (tmp_path / "a.journal").stat().st_size < 1 << 20
    assert payloads(tmp_path / "a.journal") == [bytes(1 << 26)]
