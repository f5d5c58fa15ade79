"""Two processes learn what one does, as the guide on training says."""

import contextlib
import csv
import os
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from napari_segsam.train.run_log import LOG
from napari_segsam.train.trainer import STATE
from tests.conftest import ROOT
from tests.tiny import saved, tiny
from tests.train import sa_med2d

STEPS = 4
CONFIG = f"""
run = "{{run}}"
warm_start = "start.safetensors"
steps = {STEPS}
save_every = 2
images = 4
prompts = 2
warm_up = 2
learning_rate = 0.001
corrections = 0.5
threads = 1
device = "cpu"
calibrate = false
[data]
root = "data"
synthetic = 0.2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    sa_med2d.write(folder / "data")
    saved(tiny(), folder, "start")
    return folder


def start(folder, name, *options, told=None):
    """``segsam train`` in a process of its own."""
    (folder / f"{name}.toml").write_text(CONFIG.format(run=name))
    program = "from napari_segsam.cli.app import main; main()"
    command = [sys.executable, "-c", program, "train", str(folder / f"{name}.toml"), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | (told or {})
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def finish(*started):
    for process in started:
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said


@pytest.fixture(scope="module")
def one(folder):
    """The folder of a run in one process that nobody interrupted."""
    finish(start(folder, "one"))
    return folder / "one"


def launched(folder, name, processes):
    """So many processes, as a launcher starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [told | {"RANK": str(r), "LOCAL_RANK": str(r)} for r in range(processes)]
    finish(*[start(folder, name, told=rank) for rank in ranks])
    return folder / name


def losses_of(run):
    with (run / LOG).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {k: [float(r[k]) for r in rows] for k in rows[0] if k != "seconds"}


def test_two_processes_have_the_loss_and_the_weights_of_one_with_the_same_global_batch(folder, one):
    two = launched(folder, "two", 2)
    alone, together = losses_of(one), losses_of(two)
    assert alone["step"] == list(range(STEPS))
    for name, values in alone.items():
        assert together[name][0] == pytest.approx(values[0], rel=1e-5), name
        # Sums in another order differ in the last bit, which AdamW's first steps make larger.
        assert together[name] == pytest.approx(values, rel=1e-2), name
    a, b = load_file(one / STATE), load_file(two / STATE)
    names = [k for k in a if k.startswith("model.")]
    before = load_file(folder / "start.safetensors")
    moved = sum(float((a[k] - before[k.removeprefix("model.")]).abs().sum()) for k in names)
    apart = sum(float((a[k] - b[k]).abs().sum()) for k in names)
    assert apart < 0.03 * moved
    assert all(bool(torch.isfinite(v).all()) for v in b.values())


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(folder, one):
    """Not by an exception, which could tidy up, but by the signal that nothing can answer."""
    process = start(folder, "killed")
    state = folder / "killed" / STATE
    while not state.exists():
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert process.wait(timeout=0.02) == 0, process.stderr.read()
            break
    process.kill()
    process.communicate()
    before = len(losses_of(folder / "killed")["step"])
    assert 2 <= before <= STEPS
    finish(start(folder, "killed", "--resume"))
    assert losses_of(folder / "killed") == losses_of(one)
    a, b = load_file(one / STATE), load_file(state)
    assert [k for k in a if not torch.equal(a[k], b[k])] == []
