"""Tables that a command measures and writes into a page of the documentation, between two markers of its name."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from napari_segsam.core.errors import SegsamError
from napari_segsam.io.atomic import replacing


def command(doc: str | None, mark: str) -> argparse.ArgumentParser:
    """The options of a command that can write its figures between a page's markers."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, help=f"a page with the markers '{mark}'")
    return parser


def write_between(page: Path, mark: str, text: str) -> None:
    """Replace what stands between ``<!-- mark: begin -->`` and ``<!-- mark: end -->``.

    Raises:
        SegsamError: the page is not there, or lacks a marker.
    """
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    try:
        before, rest = page.read_text(encoding="utf-8").split(begin)
        _, after = rest.split(end)
    except (OSError, ValueError) as error:
        raise SegsamError(f"{page}: no page with the markers '{begin}' and '{end}'; restore it.") from error
    with replacing(page) as (part,):
        part.write_text(f"{before}{begin}\n{text.rstrip()}\n{end}{after}", encoding="utf-8")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table, its first column as text and the others to the right."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "".join("| " + " | ".join(str(cell) for cell in line) + " |\n" for line in lines)
