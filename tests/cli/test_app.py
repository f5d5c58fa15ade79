import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from tests.io.dicom.dicom_files import ct_series, with_a_gap

COMMANDS = (
    "classes",
    "convert",
    "demo",
    "detector",
    "gui",
    "info",
    "predict",
    "suggest",
    "priors",
    "evaluate",
    "train",
    "finetune",
    "models",
    "doctor",
)


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("predict",), "Missing argument"),
        (("predict", "scan.nii"), "Missing option"),
        (("info", "a", "b"), "unexpected extra argument"),
        (("info", "a", "--bogus"), "No such option: --bogus. See segsam info --help."),
        (("inof", "a"), "No such command 'inof'. Did you mean 'info'? See segsam --help."),
        (("--bogus",), "No such option: --bogus. See segsam --help."),
        (("models", "lst"), "No such command 'lst'. Did you mean 'list'? See segsam models --help."),
        (("evaluate", "a", "--prompt", "box", "--limit", "many"), "Invalid value for '--limit'"),
    ],
)
def test_a_command_line_that_says_something_else_is_one_line_and_exit_code_2(run, arguments, said):
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("segsam: ") and said in line and line.endswith(" --help.")


@pytest.mark.parametrize("arguments", [(), ("classes",)])
def test_where_no_command_is_named_there_is_help(run, arguments):
    done = run(*arguments)
    assert done.exit_code == 2 and "Commands:" in done.output


@pytest.mark.parametrize(
    "arguments",
    [("info", ""), ("suggest", "", "--out", "x.nii"), ("convert", "x.nii", "--source", "", "--to", "nifti"), ("",)],
)
def test_an_empty_argument_is_not_taken_for_the_folder_at_hand(run, arguments, tmp_path, monkeypatch):
    ct_series(tmp_path)
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"segsam: Argument {arguments.index('') + 1} is empty; {FILL_IT}\n"


FILL_IT = "write there what was meant, such as a file or a folder."


@pytest.mark.parametrize("name", ["evil\n\x1b[31mred", "\u202egnp.nii.gz", "a\udcffb"])
def test_what_is_in_a_files_name_cannot_make_a_line_of_its_own(run, tmp_path, name):
    (tmp_path / f"{name}.nii.gz").write_bytes(b"nothing")
    done = run("info", tmp_path / f"{name}.nii.gz")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1 and done.stderr[:-1].isprintable()


def test_info_lists_what_is_found(run, scan):
    (series,) = json.loads(run("info", scan, "--json").stdout)["series"]
    assert (series["shape"], series["spacing_mm"], series["refused"]) == ([24, 20, 8], [2.0, 2.0, 2.0], None)
    assert {"uid", "modality", "description", "orientation", "transfer_syntax", "warnings"} < set(series)
    assert "24 x 20 x 8" in run("info", scan).stdout


def test_info_names_a_dicom_series(run, shared_data):
    listed = json.loads(run("info", shared_data / "dicom" / "mr_series_btp", "--json").stdout)["series"]
    assert [s["modality"] for s in listed] == ["mr"]
    assert listed[0]["uid"]


def test_info_says_what_a_series_may_have_lost(run, tmp_path):
    folder = ct_series(tmp_path)
    (folder / "001.dcm").write_bytes((folder / "001.dcm").read_bytes()[:-4])
    good, cut = json.loads(run("info", folder, "--json").stdout)["series"]
    assert good["shape"][2] == 4 and good["refused"] is None
    assert good["warnings"] == [f"1 file that cannot be read was left out, because {cut['refused']}"]
    assert "note     1 file that cannot be read" in run("info", folder).stdout


def test_info_makes_no_figures_up_for_what_is_refused(run, tmp_path):
    folder = with_a_gap(tmp_path / "gap", np.zeros((4, 3, 6), np.int16), 2)
    (folder / "9.dcm").write_bytes((folder / "1.dcm").read_bytes()[:600])
    uneven, damaged = json.loads(run("info", folder, "--json").stdout)["series"]
    assert (uneven["shape"], uneven["spacing_mm"]) == ([4, 3, 5], [2.0, 2.0, None])
    assert (damaged["shape"], damaged["spacing_mm"]) == ([None] * 3, [None] * 3)
    printed = run("info", folder).stdout
    assert "4 x 3 x 5 voxels of 2 x 2 x ? mm  Abdomen" in printed
    assert "? x ? x ? voxels of ? x ? x ? mm\n" in printed


def test_info_says_that_a_gantry_was_tilted(run, tmp_path):
    ct_series(tmp_path / "a", step=(0, 2.5 * np.tan(np.radians(15)), 2.5))
    (series,) = json.loads(run("info", tmp_path / "a", "--json").stdout)["series"]
    (said,) = series["warnings"]
    assert "15.0° off a right angle" in said
    (straight,) = json.loads(run("info", ct_series(tmp_path / "b"), "--json").stdout)["series"]
    assert straight["warnings"] == []


def test_only_failures_of_the_user_are_swallowed(run, tmp_path, monkeypatch):
    from napari_segsam.io import sandbox

    def broken(path):
        raise RuntimeError("a bug")

    monkeypatch.setattr(sandbox, "list_series", broken)
    with pytest.raises(RuntimeError):
        run("info", tmp_path)
