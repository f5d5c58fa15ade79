"""Kill a process that works on a session at random moments; count what was on the disk and did not come back.

    python benchmarks/crashes/kills.py [--kills 200] [--seed 0]

The process does anything that a person can do to a session, as fast as it can, while another of its threads writes the
journal. It says how many deeds are on the disk; then SIGKILL. What is restored is compared with a process that did the
same and was not killed: voxels, names, the whole history both ways, and which objects are one and the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from random import Random

sys.path.append(str(Path(__file__).parents[2]))  # the tests have the process that is killed
from tests.engine.journal.killing import Killed, kill_one, nursery

_MOST_LINES, _LONGEST_PAUSE_S = 150, 0.02


def kill(count: int, seed: int, folder: Path) -> list[Killed]:
    """Kill so many processes, each after another amount of work; what became of each."""
    random = Random(seed)
    with nursery() as process:
        return [
            kill_one(
                process,
                seed * count + number,
                folder / str(number),
                random.randrange(1, _MOST_LINES),
                random.random() * _LONGEST_PAUSE_S,
            )
            for number in range(count)
        ]


def main() -> int:
    """Print the figures; 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        killed = kill(asked.kills, asked.seed, Path(folder))
    lost, wrong = sum(k.lost for k in killed), [k.differs for k in killed if k.differs]
    print(f"kills: {len(killed)}, {sum(k.torn > 0 for k in killed)} of them in the middle of a write")
    print(f"deeds said to be on the disk: {sum(k.said for k in killed)}; restored: {sum(k.kept for k in killed)}")
    print(f"lost: {lost}; sessions that came back otherwise: {len(wrong)}", *wrong, sep="\n  ")
    return int(bool(lost or wrong))


if __name__ == "__main__":
    sys.exit(main())
