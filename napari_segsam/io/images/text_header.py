"""What NRRD and MetaImage share: a header of text lines, and voxels behind it or in a file beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_segsam.core.errors import UnreadableInputError

_LARGEST = 1 << 22
_LARGEST_NUMBER = 1e15


def header_lines(path: Path) -> Iterator[tuple[str, int]]:
    """Each line without its end, and the byte behind it; no more than 4 MiB of them.

    Bytes become the characters of the same number (ISO 8859-1), so that none is refused.
    """
    with path.open("rb") as file:
        while (at := file.tell()) < _LARGEST and (line := file.readline(_LARGEST - at)):
            yield line.rstrip(b"\r\n").decode("latin-1"), file.tell()


def put_once(fields: dict[str, str], key: str, value: str, name: str) -> None:
    """Add a field to those read so far.

    Raises:
        UnreadableInputError: it is there already, and no two programs agree on which one counts.
    """
    if key in fields:
        raise UnreadableInputError(f"{name}: the header says '{key}' twice; convert the image again.")
    fields[key] = value


def voxels_beside(path: Path, name: str) -> Path:
    """The file that a header at ``path`` names, which must lie in the header's own folder or below it.

    Raises:
        UnreadableInputError: it is absolute, leads out of the folder, is several files, or is not there.
    """
    if "%" in name or name.split()[:1] == ["LIST"]:
        raise UnreadableInputError(f"{path.name} keeps its voxels in several files; save it as one.")
    folder = path.parent.resolve()
    try:
        data = (folder / name).resolve()
        inside = not Path(name).is_absolute() and data.is_relative_to(folder) and data.is_file()
    except (OSError, RuntimeError, ValueError):  # too long, links in a circle, a NUL
        inside = False
    if not inside:
        raise UnreadableInputError(
            f"{path.name} keeps its voxels in another file, which is not beside it; copy both into one folder."
        )
    return data


def numbers(text: str, count: int, what: str, name: str) -> tuple[float, ...]:
    """``count`` floating point numbers with blanks between, which may be NaN but not infinite or as good as that.

    Raises:
        UnreadableInputError: there are others.
    """
    try:
        found = tuple(float(word) for word in text.split())
    except ValueError:
        found = ()
    if len(found) != count or "_" in text or any(abs(n) > _LARGEST_NUMBER for n in found):
        raise bad_field(what, name)
    return found


def sizes(text: str, count: int, what: str, name: str) -> tuple[int, ...]:
    """``count`` whole numbers from 1 with blanks between.

    Raises:
        UnreadableInputError: there are others.
    """
    words = text.split()
    if len(words) != count or not all(w.isascii() and w.isdecimal() and len(w) <= 18 for w in words):
        raise bad_field(what, name)
    found = tuple(int(w) for w in words)
    if not found or min(found) < 1:
        raise bad_field(what, name)
    return found


def whole(text: str, what: str, name: str) -> int:
    """One whole number.

    Raises:
        UnreadableInputError: it is none.
    """
    digits = text.strip().removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        raise bad_field(what, name)
    return int(text)


def bad_field(what: str, name: str) -> UnreadableInputError:
    """The refusal of a header for one of its fields."""
    return UnreadableInputError(f"{name}: the header has no usable '{what}'; convert the image again.")
