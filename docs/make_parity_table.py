"""The parity table of docs/reference/model-zoo.md: each published model against what it answered, measured anew.

python docs/make_parity_table.py [GOLDEN...]

Without names every golden is measured, which takes minutes: models at 1024 px are among them. With names only these
rows are, and the others stay as they are. Needs the folder that SEGSAM_SHARED names, ../shared by default.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
if TYPE_CHECKING:
    from tests.model.zoo.parity import Parity

PAGE = ROOT / "docs" / "reference" / "model-zoo.md"
BEGIN, END = "<!-- parity: begin -->", "<!-- parity: end -->"
HEAD = (
    "| row | golden | tensors | largest difference | what must break it | and does, by |",
    "|---|---|---|---|---|---|",
)


def parities() -> Iterator[Parity]:
    """What the families' test files offer, in the order of their names."""
    for path in sorted((ROOT / "tests" / "model" / "zoo").glob("test_*.py")):
        module = importlib.import_module(f"tests.model.zoo.{path.stem}")
        yield from getattr(module, "PARITY", ())


def measured(parity: Parity) -> str:
    """One row: build, compare, break, compare."""
    model = parity.build()
    found, of = parity.consumed(model)
    difference = parity.difference(model)
    words, mutate = next(iter(parity.mutations.items()))
    mutate(model)
    broken = parity.difference(model)
    return f"| {parity.row} | `{parity.golden}` | {found} of {of} | {difference:.1e} | {words} | {broken:.2g} |"


def rows(page: str) -> dict[str, str]:
    """The rows of a page's table by their goldens."""
    table = page.split(BEGIN)[1].split(END)[0].strip().splitlines()[len(HEAD) :]
    return {row.split("`")[1]: row for row in table}


def written(page: str, measured_rows: dict[str, str]) -> str:
    """The page with these rows in the place of the old ones, sorted by what they are called."""
    table = sorted({**rows(page), **measured_rows}.values(), key=str.casefold)
    before, rest = page.split(BEGIN)
    return "\n".join([before + BEGIN, *HEAD, *table, END]) + rest.split(END)[1]


def main(asked: list[str]) -> None:
    """Measure, a row at a time, and keep each as soon as it is there."""
    offered = {parity.golden: parity for parity in parities()}
    for unknown in set(asked) - offered.keys():
        raise SystemExit(f"no test file offers {unknown}; there are {', '.join(offered)}")
    for name in asked or offered:
        began = time.perf_counter()
        row = measured(offered[name])
        print(f"{row}  ({time.perf_counter() - began:.0f} s)", flush=True)
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), {name: row}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
