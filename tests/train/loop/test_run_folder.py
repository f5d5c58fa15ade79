"""The folder of a run: nothing that is there is lost, to a new run, a full disk or a second program."""

import shutil

import pytest
from filelock import FileLock
from safetensors import SafetensorError

from napari_segsam.core.errors import WriteError
from napari_segsam.model import checkpoint
from napari_segsam.train import trainer as training
from napari_segsam.train.loop import LOCK, LOG, train
from napari_segsam.train.trainer import MODEL, STATE
from tests.train.loop.runs import OPTIONS, STEPS, config_at


@pytest.mark.parametrize(("name", "way_out"), [(STATE, "pass --resume or"), (MODEL, f"{MODEL}.; choose another")])
def test_a_new_run_does_not_overwrite_one_that_is_there(root, name, way_out):
    run = root.parent / "taken"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir()
    for kept in (name, LOG):
        (run / kept).write_text("hours of work")
    with pytest.raises(WriteError, match=rf"taken already holds a run .*{way_out}"):
        train(config_at(root, "taken"))
    assert {p.name: p.read_text() for p in run.iterdir()} == dict.fromkeys((name, LOG), "hours of work")


def test_a_run_folder_that_cannot_be_made_is_refused_by_name(root):
    (root.parent / "file").write_text("no folder")
    with pytest.raises(WriteError, match=r"file.*choose another folder"):
        train(config_at(root, "file"))


def test_two_programs_do_not_train_in_one_folder(root):
    run = root.parent / "shared"
    run.mkdir()
    with FileLock(run / LOCK), pytest.raises(WriteError, match="another program is training there"):
        train(config_at(root, "shared"))


@pytest.mark.parametrize("module", [training, checkpoint])
def test_a_full_disk_ends_the_run_in_one_sentence_and_leaves_what_was_saved(root, trained, monkeypatch, module):
    run = root.parent / f"full-{module.__name__.rsplit('.', 1)[-1]}"
    shutil.copytree(trained, run)
    before = {p.name: p.read_bytes() for p in run.iterdir()}
    longer = OPTIONS.replace(f"steps = {STEPS}", f"steps = {STEPS + 1}")

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("Error while serializing: No space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(WriteError, match=r"step 6 was not saved .*No space left.*--resume"):
        train(config_at(root, run.name, longer), resume=True)
    after = {p.name: p.read_bytes() for p in run.iterdir()}
    assert after.pop(LOG).startswith(before.pop(LOG))
    assert after == before


def test_a_disk_that_is_full_at_the_very_end_leaves_the_trained_model(root, trained, monkeypatch):
    run = root.parent / "end"
    shutil.copytree(trained, run)
    before = (run / MODEL).read_bytes()

    def full(path, model, header):
        raise SafetensorError("Error while serializing: No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(WriteError, match=r"scores were not saved .*No space left.*--resume"):
        train(config_at(root, "end"), resume=True)
    assert (run / MODEL).read_bytes() == before
