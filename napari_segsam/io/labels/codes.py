"""Codes for names: from the class cards, from a person's own file, or refused; never guessed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, ValidationError, model_validator

from napari_segsam.core.errors import BadLabelsError, UnreadableInputError
from napari_segsam.core.labels import Label
from napari_segsam.core.terminology import Code, Coding, Vocabulary
from napari_segsam.io.class_cards import package_cards
from napari_segsam.io.faults import first_fault

_LARGEST = 1 << 22
_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def nameless(label: Label) -> bool:
    """Whether nobody gave the label a name: readers call value 7 ``label 7`` then."""
    return label.name.strip() in ("", f"label {label.value}")


def with_codes(labels: Iterable[Label], own: Mapping[str, Coding], file: str) -> list[Label]:
    """The labels, each with its codes: a person's own, those that it was read with, those of its class card.

    Args:
        labels: each with a name.
        own: name -> codes, before all others.
        file: what an error calls the output.

    Raises:
        BadLabelsError: names every class that has no code.
    """
    coded = [replace(label, coding=_coding(label, own)) for label in labels]
    without = sorted({label.name for label in coded if label.coding is None})
    if without:
        raise BadLabelsError(
            f"{file} was not written: no code is known for {', '.join(without)}; give each one in a file of codes "
            "(--codes, or Codes in the window), as docs/how-to/export.md shows."
        )
    return coded


def with_known_codes(labels: Iterable[Label], own: Mapping[str, Coding]) -> list[Label]:
    """The labels, with codes where they have some."""
    return [replace(label, coding=_coding(label, own)) for label in labels]


def read_codes(path: Path) -> dict[str, Coding]:
    """A file of codes, TOML or JSON: ``{name: {"category": {...}, "type": {...}, "modifier": {...}}}``.

    Raises:
        UnreadableInputError: names the place in the file and what is wrong there.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise UnreadableInputError(f"{path.name} is too large for a file of codes; choose another.")
        text = path.read_text("utf-8-sig")
        said = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
        entries = _CodeFile.model_validate(said).root
    except ValidationError as error:
        where, what = first_fault(error)
        raise UnreadableInputError(f"{path.name}: '{where}': {what}; see docs/how-to/export.md.") from error
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error
    except (ValueError, RecursionError) as error:  # both parsers', and bytes that are no UTF-8
        raise UnreadableInputError(f"{path.name} is neither TOML nor JSON; correct it.") from error
    return {name: entry.coding() for name, entry in entries.items()}


def _coding(label: Label, own: Mapping[str, Coding]) -> Coding | None:
    if label.name in own:
        return own[label.name]
    if label.coding is not None:
        return label.coding
    name = _vocabulary().canonical(label.name)
    return package_cards()[name].coding if name else None


@cache
def _vocabulary() -> Vocabulary:
    return Vocabulary.of(package_cards().values())


def _printable(text: str) -> str:
    if not text.strip() or not text.isprintable() or "\\" in text:
        raise ValueError("must be printable and without backslash")
    return text


def _is_snomed(code: str) -> bool:
    """Whether the last digit is Verhoeff's check digit over the others, as in every SNOMED CT identifier."""
    if not (code.isascii() and code.isdecimal() and 6 <= len(code) <= 18):
        return False
    total = 0
    for place, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(place % 8):
            value = _PERMUTED[value]
        turned = total >= 5  # addition in the dihedral group of order ten
        total = (total + (-value if turned else value)) % 5 + 5 * (turned != (value >= 5))
    return total == 0


class _CodeEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    value: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
    meaning: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_printable)]
    scheme: Annotated[str, Field(min_length=1, max_length=16), AfterValidator(_printable)] = "SCT"

    @model_validator(mode="after")
    def _without_a_slip(self) -> _CodeEntry:
        if self.scheme == "SCT" and not _is_snomed(self.value):
            raise ValueError(f"'{self.value}' is no SNOMED CT code: its check digit is wrong")
        return self

    def code(self) -> Code:
        return Code(self.value, self.meaning, self.scheme)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    category: _CodeEntry
    type: _CodeEntry
    modifier: _CodeEntry | None = None

    def coding(self) -> Coding:
        return Coding(self.category.code(), self.type.code(), self.modifier.code() if self.modifier else None)


class _CodeFile(RootModel[dict[str, _Entry]]):
    """The whole file."""
