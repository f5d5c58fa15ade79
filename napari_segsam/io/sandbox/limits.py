"""What the reading process may use: memory, time and rights, each taken away by the system and not by promises."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from napari_segsam.core.errors import SegsamError

MEMORY_VARIABLE = "SEGSAM_READ_GB"
"""Environment variable: gigabytes that reading one scan may take; half of the machine's memory without it."""
_LIBRARIES = 1 << 28
"""Bytes of address space beside these for the readers' libraries, which are loaded when a file first needs them."""


def memory_limit() -> int:
    """Bytes that reading may take: what :data:`MEMORY_VARIABLE` says, or half of what this machine or container has.

    Raises:
        SegsamError: the variable is no positive number.
    """
    asked = os.environ.get(MEMORY_VARIABLE)
    if not asked:
        return _memory() // 2  # the other half is for the copy that the program keeps
    try:
        limit = int(float(asked) * 1e9)
    except (ValueError, OverflowError):
        limit = 0
    if limit <= 0:
        raise SegsamError(f"{MEMORY_VARIABLE}='{asked}' is no number of gigabytes; set it to one, for example 8.")
    return limit


def _memory() -> int:
    """Bytes that this machine has, or that the container may use in which this runs."""
    if sys.platform == "win32":
        return sys.maxsize
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        allowed = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return machine
    return min(machine, int(allowed)) if allowed.isdecimal() else machine


@dataclass(frozen=True)
class Limits:
    """What the system forbids a process.

    Attributes:
        pid: of the process.
        memory: whether it gets no more than a number of bytes.
        writing: whether it can write into no file.
    """

    pid: int
    memory: bool
    writing: bool


def limits_here(_: Path) -> Limits:
    """What the system forbids this process; a question to the reading process, each of which names a path."""
    if sys.platform == "win32":
        return Limits(os.getpid(), memory=False, writing=False)
    import resource

    most, largest = (resource.getrlimit(of)[0] for of in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE))
    return Limits(os.getpid(), sys.platform == "linux" and most != resource.RLIM_INFINITY, largest == 0)


def _mapped() -> int:
    """Bytes of address space of this process (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def give_up_rights(memory: int) -> None:
    """From now on a file gets ``memory`` bytes here (on Linux), nothing is written into files or as a core dump."""
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":  # macOS takes the number or refuses it, and heeds it in neither case
        before, most = resource.getrlimit(resource.RLIMIT_AS)[1], _mapped() + memory + _LIBRARIES
        most = most if before == resource.RLIM_INFINITY else min(most, before)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def end_after(waiting_s: float, computing_s: float) -> None:
    """Have this process ended after so long on the clock or on the processor, even inside a codec; counts anew."""
    if sys.platform == "win32":
        faulthandler.dump_traceback_later(waiting_s, exit=True)
        return
    for number in (signal.SIGALRM, signal.SIGPROF):  # a program may have left them ignored or blocked
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGALRM, signal.SIGPROF))
    signal.setitimer(signal.ITIMER_REAL, waiting_s)
    signal.setitimer(signal.ITIMER_PROF, computing_s)


def came_to_no_end(exit_code: int) -> bool:
    """Whether this is how :func:`end_after` ends a process."""
    if sys.platform == "win32":
        return exit_code == 1
    return exit_code in (-signal.SIGALRM, -signal.SIGPROF)
