import logging

import pytest

from napari_segsam.train import loop


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train.toml"
    path.write_text('run = "run"\n[data]\nroot = "data"\n')
    return path


def test_a_configuration_must_exist(run, tmp_path):
    done = run("train", tmp_path / "none.toml")
    assert done.exit_code == 2
    assert "none.toml: there is no such configuration file" in done.stderr


def test_what_training_logs_is_said_aloud_and_the_checkpoint_named(run, config, tmp_path, monkeypatch):
    def trained(path, resume, watch):
        logging.getLogger("napari_segsam.train.loop").info("step %d of %d", 50, 100 if resume else 200)
        return tmp_path / "run" / "model.safetensors"

    monkeypatch.setattr(loop, "train", trained)
    done = run("train", config)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.splitlines() == ["step 50 of 200", f"done: {tmp_path / 'run' / 'model.safetensors'}"]
    assert run("train", config, "--resume").stderr.splitlines()[0] == "step 50 of 100"


def test_a_run_that_is_there_is_refused_in_one_line(run, config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / loop.STATE).write_bytes(b"hours of work")
    done = run("train", config)
    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        f"segsam: {tmp_path / 'run'} already holds a run ({loop.STATE}); pass --resume or choose another folder."
    ]
    assert (tmp_path / "run" / loop.STATE).read_bytes() == b"hours of work"
