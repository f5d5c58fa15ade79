"""Kill a process that works and journals, and compare what comes back with what one has that was not killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from napari_segsam.engine.journal.fingerprint import Identity
from napari_segsam.engine.journal.journal import read
from napari_segsam.engine.journal.replay import restore
from napari_segsam.engine.journal.unfinished import unfinished
from tests.engine.journal.journalled import SHAPE, differs, facts
from tests.engine.journal.keep_working import begin
from tests.fakes import block_volume

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Killed:
    """What became of one process.

    Attributes:
        said: deeds that were said to be on the disk before the kill.
        kept: deeds that came back.
        torn: bytes of a write that the kill cut short.
        differs: where the restored session is not the one that was worked on; empty where it is.
    """

    said: int
    kept: int
    torn: int
    differs: str

    @property
    def lost(self) -> int:
        """Deeds that were on the disk and did not come back."""
        return max(self.said - self.kept, 0)


@contextmanager
def nursery() -> Iterator[subprocess.Popen[str]]:
    """A process that has imported everything, so that a fork of it works at once."""
    child = [sys.executable, "-m", "tests.engine.journal.keep_working"]
    with subprocess.Popen(child, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield process
        process.stdin.close()


def kill_one(process: subprocess.Popen[str], seed: int, folder: Path, lines: int, pause_s: float = 0.0) -> Killed:
    """Have a process work; kill it ``pause_s`` after it has said ``lines`` times what is on the disk."""
    said = _last_said(process, f"{seed} {folder}\n", lines, pause_s)
    (found,) = unfinished(folder)
    contents = read(found.journal)
    kept = len(contents.payloads) - 1
    back = restore(found.journal, Identity(block_volume(SHAPE)))
    back.journal.close()
    return Killed(said, kept, contents.torn, differs(_after(seed, folder / "not killed", kept), facts(back.session)))


def _last_said(process: subprocess.Popen[str], order: str, lines: int, pause_s: float) -> int:
    process.stdin.write(order)
    process.stdin.flush()
    pid, said, killed = 0, [], False
    while (line := process.stdout.readline().strip()) != "gone":
        assert line, "the nursery died"
        if line.startswith("pid"):
            pid = int(line.split()[1])
        else:
            said.append(int(line))
        if pid and len(said) >= lines and not killed:
            time.sleep(pause_s)
            os.kill(pid, signal.SIGKILL)
            killed = True
    assert killed, "the process died by itself"
    return said[-1]


def _after(seed: int, folder: Path, deeds: int) -> dict[str, object]:
    """What a process that was not killed has after so many deeds."""
    walk = begin(seed, folder)
    counted, found = [0], {}

    def count(_deed: str, _step: object) -> None:
        counted[0] += 1
        if counted[0] == deeds:
            found.update(facts(walk.session) | {"voxels": walk.session.labels.voxels.copy()})

    walk.session.happened.connect(count)
    walk.click()
    while counted[0] < deeds:
        walk.go(1)
    return found
