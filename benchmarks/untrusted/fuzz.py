"""Damaged and hostile files through every reader: how many end in anything but an image or one sentence?

    SEGSAM_SHARED=../shared python benchmarks/untrusted/fuzz.py [--minutes 30] [--inputs 100000] [--seed 1] [--out fuzz]

Every truncation of a small file of each kind, and random damage to these and to real files: flipped bits, wrong
numbers, lengths, types and places of DICOM elements, nesting, splices, evil names, bombs. A worker process with half
a gigabyte of memory and 5 s of processor time (and 2 s for each megabyte) reads each; a run that is ended goes on from
``OUT/state.json``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

from fuzz_inputs import Inputs

sys.path.append(str(Path(__file__).parents[1]))  # pages.py lies above the rooms
from pages import command, write_between

SHARED = Path(os.environ.get("SEGSAM_SHARED", "../shared"))
OUTCOMES = ("parsed", "refused", "crash", "hang", "memory", "silent", "leak", "lost")
FAULTS = OUTCOMES[2:]
_WORKER = Path(__file__).with_name("fuzz_worker.py")
_TELL_S = 30.0
_FRAMES = re.compile(r'File "([^"]+)", line (\d+) in')


class Run:
    """Counts and findings so far, in ``state.json`` of a folder."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._file = folder, folder / "state.json"
        self.state: dict[str, Any] = {"seed": number, "next": 0, "seconds": 0.0, "slowest_ms": 0, "found": {}}
        self.state |= {"outcomes": {}, "damages": {}, "families": {}}
        if self._file.is_file():
            self.state = json.loads(self._file.read_text())
            if self.state["seed"] != number:
                raise SystemExit(f"{self._file} belongs to seed {self.state['seed']}; choose another --out.")

    def count(self, result: dict[str, Any]) -> None:
        """One input is done."""
        outcome = result["outcome"]
        self.state["next"] = result["n"] + 1
        self.state["slowest_ms"] = max(self.state["slowest_ms"], result["ms"])
        for table, key in (("outcomes", outcome), ("damages", result["damage"]), ("families", result["family"])):
            counts = self.state[table]
            counts[key] = counts.get(key, 0) + 1

    def keep(self, result: dict[str, Any], inputs: Inputs) -> bool:
        """Keep the first input of each kind of fault, with its traceback; whether it is a new kind."""
        key = f"{result['outcome']}: {result['what'].partition(': ')[2].partition(chr(10))[0]}"
        known = self.state["found"].setdefault(key, {"count": 0, "first": result["n"], "name": result["name"]})
        known["count"] += 1
        if known["count"] > 1:
            return False
        one = inputs[result["n"]]
        stem = f"{result['outcome']}-{hashlib.sha1(key.encode(), usedforsecurity=False).hexdigest()[:8]}"
        known["file"] = f"{stem}{one.seed.suffix}"
        (self._folder / known["file"]).write_bytes(one.content)
        text = f"input {one.number}: {one.damage} of {one.seed.family} {result['name']}\n{result['what']}\n"
        (self._folder / f"{stem}.txt").write_text(text, errors="replace")
        return True

    def save(self, seconds: float) -> None:
        """Write the state in one piece."""
        self.state["seconds"] = round(self.state["seconds"] + seconds, 1)
        beside = self._file.with_suffix(".tmp")
        beside.write_text(json.dumps(self.state, indent=1))
        beside.replace(self._file)

    def line(self) -> str:
        """The figures as one line of Markdown."""
        counts, kinds = Counter(self.state["outcomes"]), Counter(k.partition(":")[0] for k in self.state["found"])
        told = [f"{sum(counts.values())} inputs in {self.state['seconds'] / 60:.0f} min (seed {self.state['seed']})"]
        told += [f"{counts[o]} {o}" for o in OUTCOMES[:2]]
        told += [f"{counts[o]} {o}" + (f" ({kinds[o]} kinds)" if counts[o] else "") for o in FAULTS]
        told.append(f"slowest {self.state['slowest_ms'] / 1000:.1f} s")
        return f"| {' | '.join(told)} |"


class Worker:
    """The worker process, and what it says of input after input; ``errors`` is a file for its last words."""

    def __init__(self, number: int, root: Path | None, first: int, errors: IO[str]) -> None:
        self._errors, self._next = errors, first
        errors.seek(0)
        errors.truncate()
        command = [sys.executable, str(_WORKER), str(number), str(root or ""), str(first)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._errors, text=True)

    def result(self, inputs: Inputs) -> tuple[dict[str, Any], bool]:
        """Of the next input, and whether the worker has survived it."""
        line = self._process.stdout.readline() if self._process.stdout else ""
        if line:
            self._next += 1
            return json.loads(line), True
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read()[-6000:]
        if code > 0:
            raise SystemExit(f"The worker failed:\n{said}")
        one = inputs[self._next]
        outcome = "hang" if code in (-27, -14) else "crash"
        frames = [f"{Path(file).name}:{line}" for file, line in _FRAMES.findall(said) if "benchmarks" not in file]
        what = f"{outcome}: signal {-code} {' '.join(frames[:2])}\n{said}"
        labels = {"family": one.seed.family, "name": one.seed.name, "damage": one.damage}
        return {
            "n": one.number,
            "outcome": outcome,
            "what": what,
            "ms": 5000 if outcome == "hang" else 0,
            **labels,
        }, False

    def end(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()


def fuzz(run: Run, root: Path | None, number: int, minutes: float, most: int) -> None:
    """Read inputs until the time is over or there are enough."""
    inputs = Inputs(number, root)
    begun = told = time.monotonic()
    with tempfile.TemporaryFile("w+") as errors:
        worker = Worker(number, root, run.state["next"], errors)
        try:
            while run.state["next"] < most and time.monotonic() - begun < 60 * minutes:
                result, alive = worker.result(inputs)
                run.count(result)
                if result["outcome"] in FAULTS and run.keep(result, inputs):
                    print(f"{result['n']}: {result['what'].partition(chr(10))[0]}", flush=True)
                if not alive:
                    worker.end()
                    worker = Worker(number, root, run.state["next"], errors)
                if time.monotonic() - told > _TELL_S:
                    run.save(time.monotonic() - told)
                    told = time.monotonic()
                    print(run.line(), flush=True)
        finally:
            worker.end()
            run.save(time.monotonic() - told)


def main() -> None:
    """Run, and print the line of figures; the exit code says whether there was a fault."""
    parser = command(__doc__, "fuzz")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz"))
    parser.add_argument("--made-only", action="store_true", help="start from the files made here alone")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    root = None if asked.made_only else SHARED / "data"
    run = Run(asked.out, asked.seed)
    fuzz(run, root, asked.seed, asked.minutes, asked.inputs)
    print(run.line())
    (asked.out / "figures.md").write_text(run.line() + "\n")
    if asked.page:
        write_between(asked.page, "fuzz", run.line().strip("| ").replace(" | ", ", ") + ".")
    raise SystemExit(any(run.state["outcomes"].get(o) for o in FAULTS))


if __name__ == "__main__":
    main()
