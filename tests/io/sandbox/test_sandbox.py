"""Reading in another process: the same answers, and no harm whatever the file does."""

import inspect
import json
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from napari_segsam.core.errors import SegsamError, UnknownNameError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import Label, LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.io import formats, sandbox
from napari_segsam.io.sandbox import asking, child, memory, process
from napari_segsam.io.sandbox.limits import MEMORY_VARIABLE, limits_here
from napari_segsam.io.series_info import SeriesInfo
from tests.core.grids import affine_of
from tests.io.dicom.dicom_files import SERIES, ct_series

HEAVY = ("torch", "napari.", "qtpy", "PyQt6", "huggingface_hub")
Ask = Callable[..., list[SeriesInfo]]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii"
    formats.write_labels(path, LabelMap(Grid((3, 4, 5), affine_of("RSA"))))
    (tmp_path / "scan.nii.labels.json").unlink()
    return path


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ask]:
    """``strange("crash", path)`` asks a process of its own, which does just that."""
    asking.end_waiting()
    monkeypatch.syspath_prepend(Path(__file__).parent)
    monkeypatch.setattr(process, "MODULE", "strange_child")
    yield lambda call, path: asking.ask(list[SeriesInfo], call, path)
    asking.end_waiting()


@pytest.mark.parametrize("name", sorted(child.CALLS.keys() - {"limits_here"}))
def test_each_function_is_called_like_the_one_that_it_asks_for(name):
    assert inspect.signature(getattr(sandbox, name)) == inspect.signature(child.reading(name))


def test_the_process_says_what_the_system_forbids_it():
    there = sandbox.limits()
    assert there.pid != os.getpid()
    assert (there.memory, there.writing) == (sys.platform == "linux", sys.platform != "win32")
    assert not limits_here(Path()).writing


def test_a_volume_of_each_read_is_told_apart(scan):
    assert sandbox.read_volume(scan).id != sandbox.read_volume(scan).id


def test_a_label_map_keeps_its_names_and_can_be_painted(tmp_path):
    labels = LabelMap(Grid((3, 4, 5), affine_of("RSA")), labels={7: Label(7, "Leber ß")})
    labels.voxels[1, 2, 3] = 7
    formats.write_labels(tmp_path / "a.nrrd", labels)
    found = sandbox.read_labels(tmp_path / "a.nrrd")
    assert found.labels == labels.labels and np.array_equal(found.voxels, labels.voxels)
    found.voxels[0, 0, 0] = 1


def test_without_shared_memory_voxels_come_by_pipe(scan, monkeypatch):
    asking.end_waiting()
    monkeypatch.setattr(memory, "CAN_SHARE", False)
    voxels = sandbox.read_volume(scan).voxels
    asking.end_waiting()
    assert voxels.shape == (3, 4, 5) and voxels.dtype == np.uint8 and not voxels.any()


@pytest.mark.skipif(not memory.CAN_SHARE, reason="no memory that two processes share")
def test_memory_that_can_still_be_written_is_not_looked_at():
    handle = memory.made(8)
    with mmap.mmap(handle, 8), pytest.raises(ValueError, match="still written to"):
        memory.taken(handle, [])
    with pytest.raises(PermissionError):
        os.ftruncate(handle, 4)
    os.close(handle)


@pytest.mark.skipif(not memory.CAN_SHARE, reason="no memory that two processes share")
def test_a_process_that_keeps_the_memory_open_is_not_believed(scan, strange):
    with pytest.raises(UnreadableInputError, match=r"^scan\.nii ended the process that was reading it"):
        asking.ask(Volume, "keep_memory", scan)


def test_errors_keep_their_class_and_their_sentence(tmp_path, monkeypatch):
    ct_series(tmp_path / "scan")
    (tmp_path / "scan" / "003.dcm").unlink()
    (tmp_path / "empty.nii.gz").touch()
    monkeypatch.chdir(tmp_path)
    for ask in (
        lambda io: io.read_volume(Path("gone.dcm")),
        lambda io: io.read_volume(Path("scan"), series="1.2"),
        lambda io: io.read_volume(tmp_path / "scan"),
        lambda io: io.list_series(Path("empty.nii.gz")),
        lambda io: io.read_labels(tmp_path / "empty.nii.gz"),
    ):
        with pytest.raises(SegsamError) as here:
            ask(formats)
        with pytest.raises(SegsamError) as there:
            ask(sandbox)
        assert str(there.value) == str(here.value)
        assert isinstance(here.value, type(there.value)) and type(there.value) is not SegsamError
    with pytest.raises(UnknownNameError):
        sandbox.read_volume(tmp_path / "scan", series=f"{SERIES}1")


def test_a_relative_path_means_the_folder_of_the_one_who_asks(scan, monkeypatch):
    sandbox.list_series(scan)
    monkeypatch.chdir(scan.parent)
    assert sandbox.read_volume(Path("scan.nii")).grid.shape == (3, 4, 5)


def test_one_process_serves_one_file_after_another(scan, strange):
    assert (
        strange("pid", scan) == strange("pid", scan) != [SeriesInfo(str(os.getpid()), "", "", (1,) * 3, (1.0,) * 3, "")]
    )


def test_two_threads_that_read_together_do_not_wait_for_each_other(scan, strange):
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: strange("take_turns", scan), range(2))
    assert first[0].uid == second[0].uid == "together"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("call", "said"),
    [
        ("crash", r"scan\.nii ended the process that was reading it \(SIGSEGV\); it is probably damaged: .*\."),
        ("leave", r"scan\.nii ended the process that was reading it \(exit code 3\); .*\."),
        ("compute", r"scan\.nii was given up, as reading it came to no end; .*\."),
        (
            "fail",
            r"scan\.nii could not be read, as the reader failed on it \(KeyError in child\.py:\d+\); .*\.",
        ),
    ],
)
def test_a_file_that_ends_the_process_is_one_sentence_and_the_next_file_is_read(scan, strange, call, said):
    with pytest.raises(UnreadableInputError, match=f"^{said}$"):
        strange(call, scan)
    assert strange("pid", scan)


def test_a_file_that_never_comes_is_given_up(scan, strange, monkeypatch):
    monkeypatch.setenv("STRANGE_WAITING_S", "0.05")
    with pytest.raises(UnreadableInputError, match=r"scan\.nii was given up"):
        strange("wait", scan)


@pytest.mark.skipif(sys.platform != "linux", reason="no limit on memory elsewhere")
def test_a_file_that_asks_for_too_much_memory_is_refused(scan, strange, monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, "0.5")
    with pytest.raises(UnreadableInputError, match=r"scan\.nii needs more memory than the 0\.5 GB .*SEGSAM_READ_GB"):
        strange("fill", scan)
    assert strange("pid", scan)


@pytest.mark.parametrize("text", ["much", "0", "-1", "nan", "inf", "1e400"])
def test_a_memory_limit_that_is_none_is_refused(scan, monkeypatch, text):
    monkeypatch.setenv(MEMORY_VARIABLE, text)
    with pytest.raises(SegsamError, match=r"SEGSAM_READ_GB='.*' is no number of gigabytes; set it to one"):
        sandbox.list_series(scan)


def test_the_file_of_a_folder_that_ends_the_process_is_named(tmp_path, strange, monkeypatch):
    monkeypatch.chdir(ct_series(tmp_path / "scan"))
    for folder in (tmp_path / "scan", Path(), Path("..", "scan")):
        with pytest.raises(UnreadableInputError, match=r"^002\.dcm .*ended the process"):
            strange("crash_at_the_second", folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_what_a_codec_prints_is_no_answer_and_nothing_can_be_written(scan, strange):
    assert strange("print_and_write", scan)[0].uid == "refused"


def test_a_process_that_ended_in_between_is_replaced(scan, strange):
    (info,) = strange("pid", scan)
    os.kill(int(info.uid), signal.SIGTERM)
    os.waitid(os.P_PID, int(info.uid), os.WEXITED | os.WNOWAIT)
    assert strange("pid", scan)[0].uid != info.uid


def test_a_process_that_nobody_asks_ends(scan, strange, monkeypatch):
    monkeypatch.setenv("STRANGE_IDLE_S", "0.05")
    (info,) = strange("pid", scan)
    os.waitid(os.P_PID, int(info.uid), os.WEXITED | os.WNOWAIT)
    assert strange("pid", scan)[0].uid != info.uid


def test_ctrl_c_ends_the_reading(scan, strange, monkeypatch):
    class Interrupted(process.ReadingProcess):
        def _line(self):
            super()._line()
            raise KeyboardInterrupt

    monkeypatch.setattr(asking, "ReadingProcess", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        strange("wait", scan)
    assert not asking._waiting


def test_a_process_that_does_not_start_is_said(scan, strange, monkeypatch):
    monkeypatch.setattr(process, "MODULE", "tests.no_such_module")
    with pytest.raises(
        SegsamError, match=r"^The process that reads files did not start \(exit code 1\); run .* why\.$"
    ):
        strange("pid", scan)


def test_without_a_python_to_start_the_file_is_read_here_and_the_volume_says_so(scan, monkeypatch):
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert sandbox.read_volume(scan).warnings[-1] == asking.UNGUARDED
    assert sandbox.list_series(scan) == formats.list_series(scan)
    monkeypatch.delattr(sys, "frozen")
    monkeypatch.setattr(sys, "executable", "/Applications/viewer.app/Contents/MacOS/viewer")
    assert asking._python() == str(Path(sys.prefix, "bin", "python3"))


def test_a_file_costs_only_the_libraries_that_it_needs(scan):
    script = (
        "import sys\nfrom pathlib import Path\nfrom napari_segsam.io.formats import read_volume\n"
        "read_volume(Path(sys.argv[1]))\nprint(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", script, scan], capture_output=True, text=True, check=True, timeout=120)
    others = ("SimpleITK", "highdicom", "pydantic", "scipy.ndimage", "napari_segsam.io.dicom", *HEAVY)
    assert [m for m in run.stdout.split() if m.startswith(others)] == []


def test_a_library_that_a_file_is_the_first_to_need_is_not_taken_for_a_part_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(child, "end_after", lambda waiting_s, computing_s: None)
    said = BytesIO()
    progress = child.Progress(said)
    progress.begin(tmp_path)
    for name in ("site-packages/codec.py", "site-packages/codec.abi3.so", "1.dcm"):
        progress.heed("open", (str(tmp_path / name), "rb", 0))
    assert [json.loads(line)["at"] for line in said.getvalue().splitlines()] == [tmp_path.name, "1.dcm"]


def test_the_child_is_light():
    script = "import sys\nfrom napari_segsam.io.sandbox.child import *\n[*map(reading, CALLS)]\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert [m for m in run.stdout.split() if m.startswith(HEAVY)] == []


def test_asking_needs_no_reader_here():
    script = "import sys, napari_segsam.io.sandbox\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert [m for m in run.stdout.split() if m.startswith(("pydicom", "SimpleITK", "nibabel", "PIL", *HEAVY))] == []


VOXELS = {"dtype": "|u1", "shape": [2, 2, 2], "order": [2, 1, 0]}


@pytest.mark.parametrize(
    "lie",
    [
        b"",
        b"\n",
        b"nonsense\n",
        b"[1]\n",
        b"{}\n",
        b"[" * 100_000 + b"\n",
        b'{"at": 3}\n',
        b'{"refused": ["KeyboardInterrupt", "a"]}\n',
        b'{"refused": ["Path", "a"]}\n',
        b'{"refused": ["UnreadableInputError", 3]}\n',
        b'{"refused": ["UnreadableInputError"]}\n',
        b'{"refused": 3}\n',
        b'{"failed": [1, 2]}\n',
        b'{"value": [], "arrays": 3}\n',
        b'{"value": [3], "arrays": []}\n',
        b'{"value": [{}], "arrays": []}\n',
        *(
            json.dumps({"value": [], "arrays": [VOXELS | change]}).encode() + b"\n"
            for change in (
                {"dtype": "|O"},
                {"dtype": "<M8[ns]"},
                {"dtype": 3},
                {"dtype": []},
                {"shape": [1 << 40, 1 << 40, 1 << 40]},
                {"shape": [2, 2, 0]},
                {"shape": [2, 2, -2]},
                {"shape": [2, 2, 2.0]},
                {"shape": 8},
                {"order": [0, 1]},
                {"order": [0, 0, 0]},
                {"order": [0, 1, "2"]},
                {},  # and then no voxels
            )
        ),
    ],
)
def test_a_process_that_was_taken_over_can_only_be_refused(monkeypatch, lie):
    class Liar:
        returncode = 0

        def __init__(self, *_, **__):
            self.stdin, self.stdout = BytesIO(), BytesIO(b'{"at": "scan"}\n' + lie)

        def wait(self, timeout=None):
            return 0

        def kill(self):
            pass

    asking.end_waiting()
    monkeypatch.setattr(memory, "CAN_SHARE", False)
    monkeypatch.setattr(process.subprocess, "Popen", Liar)
    with pytest.raises(UnreadableInputError, match=r"^scan ended the process that was reading it \(a wrong answer\)"):
        sandbox.list_series(Path("scan"))
    assert not asking._waiting
