"""The pages agree with the checkout: links lead somewhere, JSON and TOML examples parse."""

import json
import re
import runpy
from pathlib import Path

import pytest

from tests.conftest import SHARED

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "weights").glob("*.md"), *(ROOT / "docs").rglob("*.md")],
    key=lambda page: page.as_posix(),
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_json_example_parses(page: Path):
    for example in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        json.loads(example)


def test_the_table_of_keys_is_the_program_s():
    page, script = ROOT / "docs" / "reference" / "keys.md", ROOT / "docs" / "make_key_table.py"
    made = runpy.run_path(str(script))["written"]
    text = page.read_text(encoding="utf-8")
    assert text == made(text), "run python docs/make_key_table.py"


@pytest.fixture(scope="module")
def parity_rows() -> dict[str, str]:
    page, script = ROOT / "docs" / "reference" / "model-zoo.md", ROOT / "docs" / "make_parity_table.py"
    rows: dict[str, str] = runpy.run_path(str(script))["rows"](page.read_text(encoding="utf-8"))
    return rows


def test_the_parity_table_has_every_golden(parity_rows):
    goldens = sorted(path.stem for path in (SHARED / "golden").glob("*.npz"))
    if not goldens:
        pytest.skip(f"no goldens: {SHARED / 'golden'} is absent; set SEGSAM_SHARED to the folder that holds golden/")
    assert sorted(parity_rows) == goldens, "run python docs/make_parity_table.py"


def test_every_row_of_the_parity_table_agrees_and_can_fail(parity_rows):
    for row in parity_rows.values():
        _, _, tensors, difference, _, broken = (cell.strip() for cell in row.strip("|").split("|"))
        found, of = tensors.split(" of ")
        assert 0 < int(found) <= int(of) and float(difference) <= 1e-4 and float(broken) >= 1e-2
