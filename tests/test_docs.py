"""The pages agree with the checkout: links lead somewhere, JSON and TOML examples parse."""

import json
import re
import runpy
from pathlib import Path

import pytest

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
