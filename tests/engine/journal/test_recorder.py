"""What happens to a session reaches the disk off the thread that works, and whatever the disk does, work goes on."""

from random import Random

import numpy as np
import pytest

from napari_segsam.core.errors import WriteError
from napari_segsam.core.prompts import Click, Prompts
from napari_segsam.engine.executor import ImmediateExecutor
from napari_segsam.engine.journal.fingerprint import Identity, fingerprint
from napari_segsam.engine.journal.folder import orphans
from napari_segsam.engine.journal.journal import Journal, read
from napari_segsam.engine.journal.recorder import Recorder, Surroundings
from napari_segsam.engine.journal.replay import restore
from napari_segsam.engine.journal.unfinished import unfinished
from napari_segsam.engine.session import Session
from napari_segsam.io.formats import read_volume
from tests.engine.journal.journalled import SHAPE, Walk, differs, facts
from tests.fakes import ManualExecutor, block_volume
from tests.io.dicom.dicom_files import ct_series


@pytest.fixture
def walk(tmp_path):
    return Walk(Random(1), tmp_path / "journals")


def records(walk):
    return len(read(walk.recorder.path).payloads) - 1


def test_nothing_is_packed_or_written_on_the_thread_that_works(walk, tmp_path):
    walk.click()
    walk.commit()
    assert not (tmp_path / "journals").exists()
    walk.disk.run_all()
    assert records(walk) == len(walk.session.undo_names)


def test_steps_that_wait_are_written_together(walk):
    for _ in range(5):
        walk.click()
    assert len(walk.disk.waiting) == 1
    walk.disk.run_next()
    assert records(walk) == 5


def test_every_step_is_durable_before_it_counts_as_written(walk, monkeypatch):
    order = []
    monkeypatch.setattr(Journal, "add", lambda *_: order.append("add"))
    monkeypatch.setattr(Journal, "sync", lambda *_: order.append("sync"))
    walk.click()
    walk.click()
    walk.disk.run_next()
    assert order == ["add", "add", "add", "sync"]


def test_a_disk_that_fails_is_told_once_and_nothing_is_lost_when_it_works_again(walk, monkeypatch):
    walk.click()
    walk.disk.run_all()
    write = Journal._write

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "_write", full)
    for _ in range(3):
        walk.click()
        walk.disk.run_all()
    assert len(walk.failures) == 1 and "the disk is full" in walk.failures[0]
    assert records(walk) == 1
    monkeypatch.setattr(Journal, "_write", write)
    walk.click()
    walk.disk.run_all()
    expected = facts(walk.session)
    walk.recorder.end(finished=False)
    back = restore(walk.recorder.path, Identity(block_volume(SHAPE)))
    back.journal.close()
    assert differs(expected, facts(back.session)) == ""
    assert len(walk.failures) == 1


def test_where_no_journal_can_be_made_work_goes_on(tmp_path):
    (tmp_path / "file").touch()
    walk = Walk(Random(1), tmp_path / "file" / "journals")
    for _ in range(3):
        walk.click()
        walk.disk.run_all()
    walk.recorder.end(finished=True)
    assert len(walk.failures) == 1 and walk.recorder.path is None
    assert len(walk.session.undo_names) == 3


def test_a_journal_whose_first_record_finds_no_room_is_begun_again(walk, monkeypatch, tmp_path):
    write, tries = Journal._write, []

    def full_at_first(self, data):
        tries.append(len(data))
        if len(tries) == 2:
            raise OSError(28, "No space left on device")
        write(self, data)

    monkeypatch.setattr(Journal, "_write", full_at_first)
    walk.click()
    walk.disk.run_all()
    assert walk.recorder.path is None and len(walk.failures) == 1
    walk.click()
    walk.disk.run_all()
    assert records(walk) == 2
    assert orphans(tmp_path / "journals") == []


def test_work_that_was_finished_is_offered_no_more(walk, tmp_path):
    walk.click()
    walk.recorder.end(finished=True)
    assert unfinished(tmp_path / "journals") == []
    assert [p.suffix for p in (tmp_path / "journals").iterdir()] == [".closed"]


def test_unfinished_work_says_when_it_was_and_how_much_there_is(tmp_path):
    walk = Walk(Random(1), tmp_path, with_labels=True)
    walk.click()
    walk.recorder.end(finished=False)
    (found,) = unfinished(tmp_path, fingerprint(block_volume(SHAPE)))
    assert found.objects == 2 and found.journal == walk.recorder.path and found.time.tzinfo is not None
    assert unfinished(tmp_path, "00" * 32) == []


def test_work_that_is_open_now_is_not_offered(walk, tmp_path):
    walk.click()
    walk.disk.run_all()
    assert unfinished(tmp_path / "journals") == []


def test_a_journal_in_which_nothing_was_done_is_put_aside(walk, tmp_path):
    walk.click()
    walk.recorder.end(finished=False)
    path, whole = walk.recorder.path, walk.recorder.path.read_bytes()
    path.write_bytes(whole[: whole.rindex(b"\x89REC")])
    assert unfinished(tmp_path / "journals") == []
    assert not path.exists()


def test_a_journal_that_is_damaged_from_its_start_is_offered_as_such(walk, tmp_path):
    walk.click()
    walk.recorder.end(finished=False)
    walk.recorder.path.write_bytes(b"nothing")
    (found,) = unfinished(tmp_path / "journals")
    assert found.objects is None


def test_what_was_done_after_the_end_is_not_heard(walk):
    walk.click()
    walk.recorder.end(finished=False)
    walk.click()
    walk.recorder.end(finished=True)
    assert not walk.disk.waiting or walk.disk.run_all() is None
    assert records(walk) == 1


def test_a_session_that_is_gone_leaves_its_journal_to_be_found(tmp_path):
    session = Session(block_volume(SHAPE))
    around = Surroundings(tmp_path, ImmediateExecutor(), lambda: None, lambda _: None)
    recorder = Recorder(session, Identity(session.volume), around)
    session.change_prompts(Prompts((Click(1, 1),)), "point")
    path = recorder.path
    assert orphans(tmp_path) == []
    del session, recorder
    assert orphans(tmp_path) == [path]


def test_seconds_are_those_since_the_deed_before(tmp_path):
    now = [100.0]
    session = Session(block_volume(SHAPE))
    around = Surroundings(tmp_path, ManualExecutor(), lambda: None, lambda _: None, lambda: now[0])
    recorder = Recorder(session, Identity(session.volume), around)
    for seconds in (2.5, 4.25):
        now[0] += seconds
        session.change_prompts(Prompts((Click(1, 1),)), "point")
    assert [told.head["seconds"] for told in recorder._waiting] == [2.5, 4.25]
    recorder.end(finished=False)


def test_a_type_that_cannot_be_journalled_is_told_and_writes_nothing_wrong(walk):
    walk.click()
    walk.disk.run_all()
    walk.session.change_prompts(Prompts((Click(slice(1), 2),)), "odd")
    for _ in range(2):
        walk.session.mark_saved()
        walk.disk.run_all()
    assert len(walk.failures) == 1 and "slice" in walk.failures[0]
    assert records(walk) == 1


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_fingerprint_is_of_the_voxels_whatever_their_order_in_memory(order):
    blocks = block_volume((40, 33, 21))
    other = type(blocks)(blocks.grid, np.asarray(blocks.voxels, order=order), modality="mr", name="another name")
    assert fingerprint(other) == fingerprint(blocks)
    assert fingerprint(block_volume((40, 33, 21), spacing=2.1)) != fingerprint(blocks)
    changed = blocks.voxels.copy()
    changed[-1, -1, -1] += 1
    assert fingerprint(type(blocks)(blocks.grid, changed)) != fingerprint(blocks)
    assert fingerprint(type(blocks)(blocks.grid, blocks.voxels.astype(np.int32))) != fingerprint(blocks)


def test_an_error_that_is_no_person_s_to_mend_keeps_its_traceback_in_the_log(walk, monkeypatch, caplog):
    def broken(self, data):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Journal, "_write", broken)
    walk.click()
    walk.disk.run_all()
    assert "a bug" in caplog.text and len(walk.failures) == 1


def test_the_end_says_so_where_the_rest_cannot_be_written(walk, monkeypatch):
    def gone(self, data):
        raise OSError(5, "Input/output error")

    walk.click()
    walk.disk.run_all()
    monkeypatch.setattr(Journal, "_write", gone)
    walk.click()
    with pytest.raises(WriteError):
        walk.recorder.flush()
    walk.recorder.end(finished=False)
    assert len(walk.failures) == 1 and "input/output error" in walk.failures[0]


def test_no_journal_and_no_name_of_one_tells_who_the_patient_is(tmp_path):
    folder = ct_series(tmp_path / "scan", PatientID="secret-id", PatientBirthDate="19010203")
    volume = read_volume(folder)
    session = Session(volume)
    around = Surroundings(tmp_path / "journals", ManualExecutor(), lambda: None, lambda _: None)
    recorder = Recorder(session, Identity(volume, folder, volume.series_uid), around)
    session.change_prompts(Prompts((Click(1, 1),)), "point")
    session.choose_class("liver")
    recorder.end(finished=False)
    contents = read(recorder.path)
    held = b"".join(contents.payload(n) for n in range(len(contents.payloads))) + recorder.path.read_bytes()
    names = " ".join(p.name for p in (tmp_path / "journals").iterdir())
    for secret in ("Secret", "secret-id", "19010203"):
        assert secret.encode() not in held and secret not in names
    assert volume.series_uid.encode() in held, "or the scan could not be opened again"
