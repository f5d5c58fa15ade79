"""``segsam doctor``: what is wrong on this machine, and the one line that mends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from napari_segsam.cli.console import answer
from napari_segsam.cli.gui import why_no_window
from napari_segsam.core.errors import SegsamError

_ENOUGH_DISK = 2 * 10**9
_WINDOW_TIMEOUT_S = 60


@dataclass(frozen=True)
class Check:
    """One line of the doctor's answer.

    Attributes:
        required: whether `segsam predict` cannot work without it.
        found: what was found.
        remedy: the one line that mends it, empty where all is well.
    """

    name: str
    ok: bool
    required: bool
    found: str
    remedy: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check Python, torch, GPU, the process that reads files, Qt, OpenGL, weights, disk and cache."""
    checks = [check() for check in CHECKS]
    if as_json:
        answer({"checks": [asdict(c) for c in checks]})
    else:
        for check in checks:
            typer.echo(_line(check))
    broken = [c.name for c in checks if c.required and not c.ok]
    if broken:
        raise SegsamError(f"{', '.join(broken)} must be mended before segsam can work; the lines above say how.")


def _line(check: Check) -> str:
    mark = "ok  " if check.ok else ("BAD " if check.required else "note")
    return f"{mark} {check.name:8} {check.found}" + (f"  ->  {check.remedy}" if check.remedy else "")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    return Check("python", ok, True, version, "" if ok else "install Python 3.11 or newer")


def _torch() -> Check:
    try:
        import torch
        import torchvision
    except (ImportError, OSError, RuntimeError) as error:  # a torchvision of another build raises RuntimeError
        return Check("torch", False, True, _first_line(error), "pip install --force-reinstall torch torchvision")
    return Check("torch", True, True, f"{torch.__version__}, torchvision {torchvision.__version__}")


def _cuda() -> Check:
    try:
        import torch
    except (ImportError, OSError):
        return Check("gpu", False, False, "unknown without torch")
    if torch.cuda.is_available():
        return Check("gpu", True, False, torch.cuda.get_device_name(0))
    return Check("gpu", True, False, "no CUDA device; the CPU does the work")


def _reading() -> Check:
    from napari_segsam.io import sandbox
    from napari_segsam.io.sandbox.limits import memory_limit

    try:
        there, memory = sandbox.limits(), memory_limit()
    except SegsamError as error:
        what, _, remedy = str(error).partition("; ")
        return Check("reading", False, True, what, remedy)
    if there.pid == os.getpid():
        found = "scans are read inside this program, without limits"
        return Check("reading", False, False, found, "run segsam with an installed Python, which it can start again")
    room = f"at most {memory / 1e9:.1f} GB" if there.memory else "no limit on memory on this system"
    writing = "writes no file" if there.writing else "may write files"
    return Check("reading", True, True, f"scans are read by a process of its own: {room}, {writing}")


def _window() -> Check:
    if (missing := why_no_window()) is not None:
        what, _, remedy = missing.partition("; ")
        return Check("qt", False, False, what, remedy)
    ran = _in_a_process(_TRY_QT)
    if ran.returncode == 0:
        return Check("qt", True, False, ran.stdout.strip())
    return Check("qt", False, False, _last_line(ran.stderr) or "Qt could not start", _QT_PACKAGES)


def _opengl() -> Check:
    if why_no_window() is not None:
        return Check("opengl", False, False, "not tried without a window")
    ran = _in_a_process(_TRY_OPENGL)
    if ran.returncode == 0:
        return Check("opengl", True, False, ran.stdout.strip())
    return Check(
        "opengl",
        False,
        False,
        _last_line(ran.stderr) or "no OpenGL context",
        "apt-get install libegl1 libgl1 libgl1-mesa-dri",
    )


# In a process of their own: a Qt that finds no platform plugin aborts the program that asked it.
_TRY_QT = """
from qtpy.QtWidgets import QApplication
import qtpy
app = QApplication([])
print(f"{qtpy.API_NAME} {qtpy.QT_VERSION} on {app.platformName()}")
"""
_TRY_OPENGL = """
from qtpy.QtGui import QOffscreenSurface, QOpenGLContext
from qtpy.QtWidgets import QApplication
app = QApplication([])
surface, context = QOffscreenSurface(), QOpenGLContext()
surface.create()
if not (context.create() and context.makeCurrent(surface)):
    raise SystemExit("no OpenGL context")
print(f"OpenGL {context.format().majorVersion()}.{context.format().minorVersion()}")
"""
_QT_PACKAGES = (
    "apt-get install libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-xinerama0 libxkbcommon-x11-0 libdbus-1-3"
)


def _in_a_process(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=_WINDOW_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer in {_WINDOW_TIMEOUT_S} s")


def _weights() -> Check:
    from napari_segsam.io.registry import DEFAULT_MODEL, locate

    try:
        path = locate(DEFAULT_MODEL)
    except SegsamError as error:
        return Check("weights", False, True, str(error), "pip install --force-reinstall --no-deps napari-segsam")
    return Check("weights", True, True, f"{DEFAULT_MODEL}, {path.stat().st_size / 1e6:.1f} MB, sha256 as registered")


def _cache() -> Check:
    folder = _existing(_cache_folder())
    ok = os.access(folder, os.W_OK)
    remedy = "" if ok else "set SEGSAM_CACHE to a folder that you may write to"
    return Check("cache", ok, False, f"{_cache_folder()}{'' if ok else ' cannot be written'}", remedy)


def _disk() -> Check:
    free = shutil.disk_usage(_existing(_cache_folder())).free
    ok = free >= _ENOUGH_DISK
    return Check(
        "disk",
        ok,
        False,
        f"{free / 1e9:.1f} GB free",
        "" if ok else "free some space, or set SEGSAM_CACHE to another disk",
    )


def _cache_folder() -> Path:
    from napari_segsam.io.hub import cache_folder

    return cache_folder()


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    return next(f for f in (folder, *folder.absolute().parents) if f.exists())


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1]


CHECKS: tuple[Callable[[], Check], ...] = (_python, _torch, _cuda, _reading, _window, _opengl, _weights, _disk, _cache)
