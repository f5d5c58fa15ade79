"""Class cards: those that come with the package, those of a file, and a person's own in a file of the same format."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from filelock import FileLock
from platformdirs import user_data_path
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_segsam.core.errors import UnreadableInputError, WriteError, one_line
from napari_segsam.core.terminology import ASPECTS, UNION, ClassCard, Kind, read_cards
from napari_segsam.io.atomic import replacing
from napari_segsam.io.faults import first_fault

_FILE = "classes.toml"
_HEAD = "# Classes that were added in the window; docs/how-to/add-a-class.md says what the keys mean.\n"
_NAME = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_SIDES = {"left", "right"}


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("must be lower-case words of a-z and 0-9 joined by '_', as in kidney_left")
    return text


def _no_union(name: str) -> str:
    if name.startswith(UNION):
        raise ValueError(f"must not begin with {UNION}, which data sets keep for masks of several classes")
    return name


Name = Annotated[str, AfterValidator(_name)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CardEntry(_Strict):
    """One ``[class.NAME]`` table that a person writes; what it says is described in docs/how-to/add-a-class.md."""

    modalities: Annotated[list[Kind], Field(min_length=1)]
    aliases: list[Name] = []
    laterality: Literal["", "left", "right"] = ""
    snomed: list[str] = []
    category: Literal["", "anatomy", "abnormal"] = ""
    location: Sentence
    shape: Sentence
    appearance: Sentence
    texture: Sentence
    lookalike: Sentence

    @model_validator(mode="after")
    def _coded(self) -> CardEntry:
        if len(self.snomed) not in (0, 2):
            raise ValueError("snomed is a code and its meaning, or empty")
        return self


class CardFile(_Strict):
    """The whole file."""

    classes: Annotated[dict[Annotated[Name, AfterValidator(_no_union)], CardEntry], Field(alias="class")] = {}

    @field_validator("classes")
    @classmethod
    def _one_side(cls, classes: dict[str, CardEntry]) -> dict[str, CardEntry]:
        for name, card in classes.items():
            sides = _SIDES.intersection(name.split("_"))
            if card.laterality and sides and card.laterality not in sides:
                raise ValueError(f"'{name}' has the laterality '{card.laterality}', which its name contradicts")
        return classes


@cache
def package_cards() -> dict[str, ClassCard]:
    """Those that come with the package, by name; parsed once, which takes some 30 ms."""
    return read_cards((files("napari_segsam.weights") / "class_cards.toml").read_text(encoding="utf-8"))


def read_card_file(path: Path) -> dict[str, ClassCard]:
    """The cards in a TOML file, by name, in its order; there may be none.

    Raises:
        UnreadableInputError: names the place in the file and what is wrong there.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error
    return _cards(_text(data, path.name), path.name)


def own_cards_path() -> Path:
    """Where a person's own ones are kept: in SEGSAM_STATE, or in the user's data folder of this system."""
    chosen = os.environ.get("SEGSAM_STATE")
    return (Path(chosen) if chosen else user_data_path("napari-segsam", appauthor=False)) / _FILE


def own_cards() -> dict[str, ClassCard]:
    """A person's own ones, by name, oldest first.

    Raises:
        UnreadableInputError: the file was edited so that it cannot be read; says where and why.
    """
    path = own_cards_path()
    return _cards(_own_text(path), str(path))


def keep_own(card: ClassCard) -> None:
    """Add a card to the person's own ones, in the place of one with its name; its sentences are kept on one line each.

    Raises:
        UnreadableInputError: the card, or the file as it is, could not be read again; nothing was changed.
        WriteError: nothing was changed.
    """
    _change(card.name, replace(card, sentences=_plain(card.sentences), snomed=_plain(card.snomed)))


def forget_own(name: str) -> None:
    """Take one of the person's own cards away.

    Raises:
        UnreadableInputError, WriteError: nothing was changed.
    """
    _change(name, None)


def _change(name: str, card: ClassCard | None) -> None:
    path = own_cards_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # another window may be adding one, too
            text = _changed(_own_text(path), name, card, str(path))
            with replacing(path) as (beside,):
                beside.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        why, folder = (error.strerror or "the system refused").lower(), path.parent
        raise WriteError(f"{path.name} was not written ({why}); check the permissions of {folder}.") from error


def _changed(text: str, name: str, card: ClassCard | None, where: str) -> str:
    """The file's text with this one table taken away or put at its end, and all else, the person's comments too, kept.

    Where the file is laid out so that this does not give the cards that it should, it is written anew.
    """
    cards = {n: c for n, c in _cards(text, where).items() if n != name} | ({name: card} if card else {})
    anew = _HEAD + "".join(_table(c) for c in cards.values())
    wanted = _cards(anew, where)
    changed = (_without(text, name) or _HEAD) + (_table(card) if card else "")
    try:
        return changed if _cards(changed, where) == wanted else anew
    except UnreadableInputError:
        return anew


def _without(text: str, name: str) -> str:
    """The text without the lines of a class's table; comments that come before the next one are that one's."""
    lines = text.splitlines(keepends=True)
    head = re.compile(rf"\s*\[\s*class\s*\.\s*([\"']?){re.escape(name)}\1\s*\]")
    begin = next((i for i, line in enumerate(lines) if head.match(line)), None)
    if begin is None:
        return text
    end = next((i for i in range(begin + 1, len(lines)) if lines[i].lstrip().startswith("[")), len(lines))
    while lines[end - 1].strip()[:1] in ("", "#"):
        end -= 1
    while begin and not lines[begin - 1].strip():
        begin -= 1
    return "".join(lines[:begin] + lines[end:])


def _table(card: ClassCard) -> str:
    """One ``[class."NAME"]`` table."""
    values: dict[str, Iterable[str] | str] = {
        "modalities": card.modalities,
        "aliases": card.aliases,
        "laterality": card.laterality,
        "snomed": card.snomed,
        "category": card.category,
        **dict(zip(ASPECTS, card.sentences, strict=True)),
    }
    lines = [f"{key} = {_literal(value)}" for key, value in values.items()]
    return "\n".join(["", f"[class.{_literal(card.name)}]", *lines, ""])


def _literal(value: Iterable[str] | str) -> str:
    """JSON's strings and lists of strings are TOML's, but for the one control character that JSON does not escape."""
    text = json.dumps(value if isinstance(value, str) else list(value), ensure_ascii=False)
    return text.replace("\x7f", "\\u007f")


def _plain(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(one_line(word) for word in words)


def _own_text(path: Path) -> str:
    """The text of the person's file, empty where there is none yet."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error
    return _text(data, str(path))


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableInputError(f"{where} is no UTF-8 text (at line {line}); correct it there.") from error


def _cards(text: str, where: str) -> dict[str, ClassCard]:
    """The one reader of the format; ``where`` names the file in an error."""
    try:
        entries = CardFile.model_validate(tomllib.loads(text)).classes
    except ValidationError as error:
        key, what = first_fault(error)
        key = key.removesuffix(".[key]")  # pydantic's mark for the name of a table
        raise UnreadableInputError(f"{where}: '{one_line(key)}': {what}; see docs/how-to/add-a-class.md.") from error
    except tomllib.TOMLDecodeError as error:
        why = str(error).replace("at end of document", f"at line {text.count(chr(10)) + 1}, the last one")
        raise UnreadableInputError(f"{where} cannot be read as TOML ({one_line(why)}); correct it there.") from error
    return {name: ClassCard.from_table(name, entry.model_dump()) for name, entry in entries.items()}
