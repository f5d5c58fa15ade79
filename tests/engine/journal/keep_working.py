"""Processes to be killed: each line on standard input, "SEED FOLDER", forks one that works and journals until it dies.

Standard output says, a line each: ``pid N``; how many deeds are on the disk, ever more; ``gone``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Hashable
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from tests.engine.journal.journalled import Walk

_BEHIND = 20


def say(text: object) -> None:
    os.write(1, f"{text}\n".encode())


class Disk:
    """Writes on a thread of its own, as fast as it can."""

    def __init__(self) -> None:
        self.heard, self.written, self._due = 0, 0, threading.Event()
        self._flush: Callable[[], None] = lambda: None

    def submit(
        self, job: Callable[[], None], done: Callable[[Any], Any], failed: Callable[[Any], Any], *, key: Hashable
    ) -> None:
        self._flush = job
        self.heard += 1
        self._due.set()

    def run_all(self) -> None:
        """The thread does, in its own time."""

    def run(self) -> None:
        while self._due.wait():
            self._due.clear()
            heard = self.heard
            self._flush()
            self.written = heard
            say(heard)


def begin(seed: int, folder: Path, disk: Any = None) -> Walk:
    """The work of this seed, before its first deed; the same in every process."""
    return Walk(Random(seed), folder, with_labels=seed % 2 == 1, disk=disk)


def work(seed: int, folder: Path) -> None:
    disk = Disk()
    walk = begin(seed, folder, disk)
    threading.Thread(target=disk.run, daemon=True).start()
    walk.click()
    for _ in count():
        walk.go(1)
        while disk.heard - disk.written > _BEHIND:  # on a busy machine, too, the kill finds a short history
            time.sleep(0.001)


if __name__ == "__main__":
    for line in sys.stdin:
        seed, folder = line.split(maxsplit=1)
        pid = os.fork()
        if pid == 0:
            work(int(seed), Path(folder.strip()))
        say(f"pid {pid}")
        os.waitpid(pid, 0)
        say("gone")
