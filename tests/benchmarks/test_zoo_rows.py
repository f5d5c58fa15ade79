"""Every row of the zoo was used, on the command line and in the window, and its figures stand in the page."""

import runpy
from pathlib import Path

import pytest

from napari_segsam.io.registry import registry
from napari_segsam.model.zoo.table import FAMILIES

ROOT = Path(__file__).resolve().parents[2]
MADE = runpy.run_path(str(ROOT / "benchmarks" / "zoo" / "rows_files.py"))
ROWS = MADE["ROWS"]
TRAINED_HERE = "db_sam"  # no file of it is published; the row of two branches is ours


def test_every_family_has_a_row():
    assert {row.family for row in ROWS} - {""} == {family.name for family in FAMILIES} - {TRAINED_HERE}


def test_a_row_is_prompted_with_what_its_family_takes():
    takes = {family.name: family.abilities for family in FAMILIES}
    for row in (row for row in ROWS if row.family):
        assert (row.points, row.boxes) == (takes[row.family].points, takes[row.family].boxes), row.name


def test_a_row_that_a_person_fetches_from_a_page_has_that_row_s_file_and_side():
    for row in (row for row in ROWS if row.entry):
        published = registry()[row.entry]
        assert (row.file, row.side, row.family) == (published.file_name, published.side, published.family)


@pytest.mark.parametrize("mark", ["rows", "window"])
def test_the_page_has_every_row(mark):
    page = (ROOT / "docs" / "speed-zoo.md").read_text(encoding="utf-8")
    table = page.split(f"<!-- {mark}: begin -->")[1].split(f"<!-- {mark}: end -->")[0].strip().splitlines()[2:]
    assert [line.split("|")[1].strip() for line in table] == [row.name for row in ROWS]
