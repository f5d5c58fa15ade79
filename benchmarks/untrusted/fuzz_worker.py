"""The process that reads damaged files, with little memory and little time; the one that started it may lose it.

python benchmarks/untrusted/fuzz_worker.py SEED ROOT FIRST    a line of JSON for each input, until it is ended
"""

from __future__ import annotations

import faulthandler
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from traceback import format_exception, walk_tb
from typing import Any

import numpy as np
from fuzz_inputs import Input, Inputs
from fuzz_seeds import INTACT, INTACT_SLICES, SECRET, Seed

from napari_segsam.cli.prompt_file import read_prompts
from napari_segsam.core.errors import SegsamError
from napari_segsam.core.grid import Grid
from napari_segsam.core.labels import LabelMap
from napari_segsam.core.volume import Volume
from napari_segsam.io import formats
from napari_segsam.io.dicom.headers import read_headers
from napari_segsam.io.labels.names import parse_names
from napari_segsam.io.labels.rtstruct import read_rtstruct

MEMORY = 1 << 29
"""Bytes that reading may take beyond what the process has at first."""
HANG_S, HANG_S_PER_MB = 5.0, 2.0
"""Processor time after which an input counts as a hang; a packed megabyte may unpack to a gigabyte."""
_WAIT_S = 120.0
_OUTPUT = 1

Reading = tuple[str, Callable[[Path], Any]]


def main() -> None:
    """Read one input after another."""
    number, root, first = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    inputs = Inputs(number, Path(root) if root else None)
    results = os.fdopen(os.dup(_OUTPUT), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), _OUTPUT)  # codecs print
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)
    known: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for seed in inputs.made:
            known[seed.name] = outcomes(seed, seed.content, Path(scratch))
        limit_memory()
        while True:
            results.write(json.dumps(judge(inputs[first], Path(scratch), known)) + "\n")
            first += 1


def limit_memory() -> None:
    """Take away all memory but :data:`MEMORY`."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def judge(one: Input, scratch: Path, known: dict[str, dict[str, str]]) -> dict[str, Any]:
    """What became of an input: parsed, refused, crash, memory, silent, leak or lost; and how long it took."""
    begun = time.process_time()
    signal.setitimer(signal.ITIMER_PROF, HANG_S + HANG_S_PER_MB * len(one.content) / 1e6)
    signal.setitimer(signal.ITIMER_REAL, _WAIT_S)
    found = outcomes(one.seed, one.content, scratch)
    signal.setitimer(signal.ITIMER_PROF, 0)
    outcome, what = worst(one, found, known.get(one.seed.name, {}))
    seconds = time.process_time() - begun
    return {"n": one.number, "outcome": outcome, "what": what, "ms": round(1000 * seconds), **_labels(one)}


def _labels(one: Input) -> dict[str, str]:
    return {"family": one.seed.family, "name": one.seed.name.encode(errors="replace").decode(), "damage": one.damage}


def worst(one: Input, found: dict[str, str], known: dict[str, str]) -> tuple[str, str]:
    """One of parsed, refused, crash, memory, silent, leak or lost, and what was said; ``known``: of the whole file."""
    for outcome in ("crash", "memory", "leak", "lost"):
        for told in found.values():
            if told.startswith(outcome):
                return outcome, told
    read = {name: told for name, told in found.items() if told.startswith("parsed")}
    if one.damage == "every truncation":
        for name, told in read.items():
            if told != known.get(name):
                return (
                    "silent",
                    f"silent: {name} of {one.seed.name}\ncut to {len(one.content)} of {len(one.seed.content)} bytes",
                )
    return ("parsed", "") if read else ("refused", "")


def outcomes(seed: Seed, content: bytes, scratch: Path) -> dict[str, str]:
    """What each reader says of a file: ``parsed`` and a hash, ``refused``, or what went wrong."""
    folder = scratch / "case"
    folder.mkdir()
    try:
        path = Input(0, seed, "", content).put(folder)
        found = {name: _told(read, path) for name, read in _readings(seed, path)}
        if "0.dcm" in seed.beside and INTACT.encode() not in content:
            found["beside"] = _beside(folder)
        return found
    except (OSError, ValueError):  # a name that this system cannot have
        return {}
    finally:
        shutil.rmtree(folder)


def _readings(seed: Seed, path: Path) -> Iterator[Reading]:
    if seed.suffix == ".labels.json" or path.name.endswith(".labels.json"):
        yield "names", parse_names
    elif seed.suffix.endswith(".json"):
        yield "prompts", read_prompts
    else:
        yield "list", formats.list_series
        yield "volume", _volumes
        if seed.suffix.endswith((*formats.LABEL_SUFFIXES, ".dcm")):
            yield "labels", formats.read_labels
        if seed.suffix == ".dcm":
            yield "source", _source
        if seed.suffix == ".dcm" and b"1.2.840.10008.5.1.4.1.1.481.3" in seed.content[:2000]:
            yield "structures", _structures


def _volumes(path: Path) -> list[Volume]:
    """The first volumes of a file."""
    listed = [s for s in formats.list_series(path) if s.refused is None]
    return [formats.read_volume(path, series=s.uid or None) for s in listed[:2]] or [formats.read_volume(path)]


def _source(path: Path) -> Any:
    return read_headers(path).grid


def _structures(path: Path) -> Any:
    return read_rtstruct(path, None, Grid((64, 64, 16), np.diag([4.0, 4.0, 5.0, 1.0]))).voxels


def _told(read: Callable[[Path], Any], path: Path) -> str:
    try:
        return f"parsed {_hash(read(path))}"
    except SegsamError as error:
        said = str(error)
        return f"leak: {said}" if SECRET in said else "refused"
    except MemoryError as error:
        return f"memory: {_traceback(error)}"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"crash: {_traceback(error)}"


def _traceback(error: BaseException) -> str:
    """The key of its kind on the first line, then all of it."""
    lines = [f"{Path(f.f_code.co_filename).name}:{line}" for f, line in walk_tb(error.__traceback__)]
    files = [f.f_code.co_filename for f, _ in walk_tb(error.__traceback__)]
    ours = [place for place, file in zip(lines, files, strict=True) if "napari_segsam" in file]
    key = f"{type(error).__name__} {' '.join(dict.fromkeys([*ours[-1:], lines[-1]]))}"
    return f"{key}\n{''.join(format_exception(error, limit=-14))[:6000]}"


def _hash(value: Any) -> str:
    """Of all that must be the same where a file is cut behind its voxels."""
    digest = hashlib.sha1(usedforsecurity=False)
    for part in value if isinstance(value, list) else [value]:
        voxels = getattr(part, "voxels", part)
        grid = getattr(part, "grid", None)
        if isinstance(voxels, np.ndarray):
            digest.update(repr((voxels.shape, voxels.dtype)).encode() + np.ascontiguousarray(voxels).tobytes())
        if isinstance(grid, Grid) or isinstance(part, Grid):
            digest.update((grid or part).affine.tobytes())
        if isinstance(part, LabelMap):
            digest.update(repr(part.labels).encode())
        if isinstance(part, dict) or hasattr(part, "objects"):
            digest.update(repr(part).encode())
    return digest.hexdigest()[:16]


def _beside(folder: Path) -> str:
    """Whether the undamaged series in the folder of a damaged file, which does not claim to be of it, can be read."""
    try:
        listed = [s.uid for s in formats.list_series(folder) if s.refused is None]
        if INTACT not in listed:
            return "lost: the series beside a damaged file is not listed"
        slices = formats.read_volume(folder, series=INTACT).grid.shape[2]
        return "kept" if slices == INTACT_SLICES else "lost: slices of the series beside a damaged file"
    except SegsamError as error:
        return f"lost: the series beside a damaged file\n{error}"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        return f"crash: {_traceback(error)}"


if __name__ == "__main__":
    main()
