import json
import sys
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from napari_segsam.cli import demo, doctor, gui
from napari_segsam.io.sandbox.limits import MEMORY_VARIABLE


def test_the_window_is_a_process_of_this_python_with_whole_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gui.window_command([Path("scan.nii.gz")]) == [
        *(sys.executable, "-m", "napari_segsam.gui.window"),
        str(tmp_path.resolve() / "scan.nii.gz"),
    ]


@pytest.fixture
def windows(monkeypatch):
    """Commands of windows that would have opened."""
    started = []
    monkeypatch.setattr(gui, "why_no_window", lambda: None)
    monkeypatch.setattr(gui, "run_window", lambda command, model: started.append(command) or 0)
    return started


def _of_contours(path):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = RTStructureSetStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    ds = Dataset()
    ds.file_meta, ds.SOPClassUID = meta, RTStructureSetStorage
    ds.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize("kind", ["text", "empty folder", "cut short", "contours"])
def test_what_is_no_scan_is_refused_in_one_sentence_before_a_window_opens(run, scan, tmp_path, windows, kind):
    path = tmp_path / {"cut short": "cut.nii.gz"}.get(kind, "it")
    if kind == "text":
        path.write_text("no scan")
    elif kind == "empty folder":
        path.mkdir()
    elif kind == "cut short":
        path.write_bytes(scan.read_bytes()[:200])
    else:
        _of_contours(path)
    done = run("gui", path)
    assert (done.exit_code, done.stderr.count("\n"), windows) == (2, 1, [])
    assert path.name in done.stderr


def test_contours_open_beside_their_scan(run, scan, tmp_path, windows):
    _of_contours(tmp_path / "rt.dcm")
    assert run("gui", scan, tmp_path / "rt.dcm").exit_code == 0
    assert len(windows) == 1


def test_napari_is_started_with_the_model_in_its_environment(run, scan, monkeypatch):
    started = []
    monkeypatch.setattr(gui, "why_no_window", lambda: None)
    monkeypatch.setattr(gui, "run_window", lambda command, model: started.append((command, model)) or 0)
    assert run("gui", scan).exit_code == 0
    assert started[0][1] is None
    assert str(scan) in started[0][0]


def test_the_exit_code_and_environment_of_the_window_are_its_own(monkeypatch):
    script = "import os, sys; sys.exit(7 if os.environ['SEGSAM_MODEL'] == 'nano' else 1)"
    assert gui.run_window([sys.executable, "-c", script], "nano") == 7


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_window_that_crashes_says_so(capsys):
    assert gui.run_window([sys.executable, "-c", "import os; os.kill(os.getpid(), 15)"]) == 143
    assert "SIGTERM" in capsys.readouterr().err


def test_a_missing_scan_is_refused_before_a_window_opens(run, tmp_path):
    assert run("gui", tmp_path / "none.nii.gz").exit_code == 2


def test_without_napari_the_line_that_installs_it_is_said(run, monkeypatch):
    monkeypatch.setattr(gui, "find_spec", lambda name: None)
    done = run("gui")
    assert (done.exit_code, 'pip install "napari-segsam[gui]"' in done.stderr) == (2, True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only X11 and Wayland name their display")
def test_without_a_display_the_user_hears_why(run, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    done = run("gui")
    assert (done.exit_code, "display" in done.stderr) == (2, True)


def test_the_demo_opens_a_window_where_one_can_open(run, monkeypatch):
    started = []
    monkeypatch.setattr(demo, "why_no_window", lambda: None)
    monkeypatch.setattr(demo, "run_window", lambda command, model: started.append(command) or 0)
    assert run("demo").exit_code == 0
    assert started == [[sys.executable, "-m", "napari_segsam.gui.demo"]]


def test_a_window_that_fails_says_what_else_there_is(run, monkeypatch):
    monkeypatch.setattr(demo, "why_no_window", lambda: None)
    monkeypatch.setattr(demo, "run_window", lambda command, model: 1)
    done = run("demo")
    assert (done.exit_code, "--no-window" in done.stderr) == (2, True)


def test_the_doctor_names_every_part_and_mends_what_is_required(run, monkeypatch):
    checks = (
        lambda: doctor.Check("python", True, True, "3.11"),
        lambda: doctor.Check("gpu", False, False, "no driver", "install one"),
    )
    monkeypatch.setattr(doctor, "CHECKS", checks)
    done = run("doctor")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["ok   python   3.11", "note gpu      no driver  ->  install one"]
    monkeypatch.setattr(doctor, "CHECKS", (*checks, lambda: doctor.Check("weights", False, True, "gone", "reinstall")))
    done = run("doctor")
    assert (done.exit_code, "BAD  weights  gone  ->  reinstall" in done.stdout) == (2, True)
    assert "weights must be mended" in done.stderr


def test_the_doctor_looks_at_this_machine(run, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    checks = {c["name"]: c for c in json.loads(run("doctor", "--json").stdout)["checks"]}
    assert set(checks) == {"python", "torch", "gpu", "reading", "qt", "opengl", "weights", "disk", "cache"}
    assert checks["python"]["ok"]
    assert checks["torch"]["ok"]
    assert checks["disk"]["ok"] or checks["disk"]["remedy"]


def test_a_reading_process_that_answers_is_said_with_its_limits_and_one_that_does_not_with_what_to_do(monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, "1.5")
    check = doctor._reading()
    assert check.ok
    assert "1.5 GB" in check.found or sys.platform != "linux"
    monkeypatch.setenv(MEMORY_VARIABLE, "much")
    check = doctor._reading()
    assert (check.ok, check.required, check.remedy) == (False, True, "set it to one, for example 8.")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.delenv(MEMORY_VARIABLE)
    assert (doctor._reading().ok, doctor._reading().required) == (False, False)


@pytest.mark.gui
@pytest.mark.skipif(gui.why_no_window() is not None, reason="no display: run it under xvfb-run")
def test_the_doctor_finds_qt_and_opengl_on_a_display():
    assert doctor._window().ok
    assert doctor._opengl().ok


def test_a_qt_that_aborts_is_one_bad_line_and_no_crash(monkeypatch):
    monkeypatch.setattr(doctor, "why_no_window", lambda: None)
    monkeypatch.setattr(doctor, "_TRY_QT", "import os; os.abort()")
    check = doctor._window()
    assert (check.ok, check.required) == (False, False)
    assert check.remedy.startswith("apt-get install")


def test_a_cache_that_cannot_be_written_is_named(monkeypatch):
    monkeypatch.setattr("os.access", lambda *a: False)
    assert "SEGSAM_CACHE" in doctor._cache().remedy
