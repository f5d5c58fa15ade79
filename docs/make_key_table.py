"""The key table of docs/reference/keys.md, written from the one that the program uses.

python docs/make_key_table.py
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from napari_segsam.gui.keys import KEYS, Key

PAGE = Path(__file__).parent / "reference" / "keys.md"
BEGIN, END = "<!-- keys: begin -->", "<!-- keys: end -->"


def table() -> str:
    """Markdown, a section for each group in the order in which the groups first appear."""
    groups = list(dict.fromkeys(key.group for key in KEYS))
    rows = sorted(KEYS, key=lambda key: groups.index(key.group))
    parts = []
    for group, keys in groupby(rows, key=lambda key: key.group):
        parts += [f"\n**{group}**\n", "| key | what it does | on `labels` |", "|---|---|---|", *map(_row, keys)]
    return "\n".join(parts).lstrip("\n")


def written(page: str) -> str:
    """The page with the table as it should be between its markers."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def _row(key: Key) -> str:
    return f"| {key.press.replace('-', '+')} | {key.text} | {'yes' if key.on_labels else 'napari’s own'} |"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
