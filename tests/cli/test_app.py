import json
import os
import signal
import subprocess
import sys

import pytest

COMMANDS = ("classes", "convert", "demo", "gui", "info", "predict", "suggest", "evaluate", "train", "models", "doctor")


def segsam(*arguments, **variables):
    command = [sys.executable, "-m", "napari_segsam.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | variables, timeout=120)


def test_help_names_every_command_and_none_that_is_missing(run):
    listed = run("--help").stdout.split("Commands:")[1]
    assert {line.split()[0] for line in listed.strip().splitlines()} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    assert run(command, "--help").exit_code == 0


def test_the_version_is_printed(run):
    from napari_segsam import __version__

    assert run("--version").stdout.strip() == f"segsam {__version__}"


BAD_INPUT = {
    "a truncated file": (lambda p: p.write_bytes(b"\x1f\x8b\x08\x00garbage"), "cut.nii.gz"),
    "no image": (lambda p: p.write_text("hello"), "text.nii"),
    "an empty folder": (lambda p: p.mkdir(), "empty"),
    "an empty file": (lambda p: p.touch(), "empty.nii.gz"),
    "nothing": (lambda p: None, "missing.nii.gz"),
}


@pytest.mark.parametrize("what", BAD_INPUT)
@pytest.mark.parametrize("command", ["info", "predict", "suggest"])
def test_bad_input_is_one_sentence_and_exit_code_2(run, prompts, liver, tmp_path, command, what):
    make, name = BAD_INPUT[what]
    make(tmp_path / name)
    out = tmp_path / "out.nii.gz"
    options = {"info": [], "suggest": ["--out", out], "predict": ["--prompts", prompts(liver), "--out", out]}
    done = run(command, tmp_path / name, *options[command])
    assert done.exit_code == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert name in done.stderr
    assert not out.exists()


def test_a_real_process_ends_with_2_and_one_line(tmp_path):
    done = segsam("info", tmp_path / "missing.nii.gz")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("segsam: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("while_", ["importing", "running"])
def test_ctrl_c_and_a_termination_end_it_alike(monkeypatch, capsys, while_, sent):
    from napari_segsam.cli import app

    class Commands:
        def __getattr__(self, name):
            if while_ == "importing":
                signal.raise_signal(sent)
            return lambda prog_name: signal.raise_signal(sent)

    monkeypatch.setitem(sys.modules, "napari_segsam.cli.commands", Commands())
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started without it
    try:
        with pytest.raises(SystemExit) as ended:
            app.main()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert (ended.value.code, capsys.readouterr().err) == (130, f"{app.INTERRUPTED_MESSAGE}\n")


def test_a_terminated_command_leaves_nothing_behind(scan, prompts, liver, tmp_path):
    """A real one: it is told to end while its outputs are staged."""
    script = (
        "import os, signal, sys\n"
        "from napari_segsam.cli import app, loading\n"
        "loading.load_model = lambda name, device: os.kill(os.getpid(), signal.SIGTERM)\n"
        "app.main()"
    )
    arguments = ["predict", scan, "--prompts", prompts(liver), "--out", tmp_path / "l.nii.gz"]
    before = {p.name for p in tmp_path.iterdir()}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr.count("\n")) == (130, 1)
    assert {p.name for p in tmp_path.iterdir()} == before


def test_a_wrong_checkpoint_is_refused_before_anything_is_written(run, scan, prompts, liver, tmp_path):
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    out = tmp_path / "out.nii.gz"
    done = run("predict", scan, "--prompts", prompts(liver), "--out", out, "--model", wrong)
    assert (done.exit_code, out.exists()) == (2, False)
    assert "wrong" in done.stderr


def test_an_unknown_model_is_refused_with_the_nearest_one(run, scan, prompts, liver, tmp_path):
    done = run("predict", scan, "--prompts", prompts(liver), "--out", tmp_path / "o.nii.gz", "--model", "nan")
    assert (done.exit_code, "nano" in done.stderr) == (2, True)


def test_a_missing_option_is_exit_code_2(run, scan):
    assert run("predict", scan).exit_code == 2


def test_info_lists_what_is_found(run, scan):
    (series,) = json.loads(run("info", scan, "--json").stdout)["series"]
    assert (series["shape"], series["spacing_mm"], series["refused"]) == ([24, 20, 8], [2.0, 2.0, 2.0], None)
    assert {"uid", "modality", "description", "orientation", "transfer_syntax", "warnings"} < set(series)
    assert "24 x 20 x 8" in run("info", scan).stdout


def test_info_names_a_dicom_series(run, shared_data):
    listed = json.loads(run("info", shared_data / "dicom" / "mr_series_btp", "--json").stdout)["series"]
    assert [s["modality"] for s in listed] == ["mr"]
    assert listed[0]["uid"]


def test_only_failures_of_the_user_are_swallowed(run, tmp_path, monkeypatch):
    from napari_segsam.io import sandbox

    def broken(path):
        raise RuntimeError("a bug")

    monkeypatch.setattr(sandbox, "list_series", broken)
    with pytest.raises(RuntimeError):
        run("info", tmp_path)
