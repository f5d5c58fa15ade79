"""Class cards: those that come with the package, and a person's own in a file of the same format."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Iterable
from functools import cache
from importlib.resources import files
from pathlib import Path

from filelock import FileLock
from platformdirs import user_data_path

from napari_segsam.core.errors import UnreadableInputError, WriteError, one_line
from napari_segsam.core.terminology import ASPECTS, ClassCard, read_cards
from napari_segsam.io.atomic import replacing

_FILE = "classes.toml"
_HEAD = "# Classes that were added in the window; docs/how-to/add-a-class.md says what the keys mean.\n"
_OPTIONAL: dict[str, object] = {"aliases": [], "laterality": "", "snomed": []}


@cache
def package_cards() -> dict[str, ClassCard]:
    """Those that come with the package, by name; parsed once, which takes some 30 ms."""
    return read_cards((files("napari_segsam.weights") / "class_cards.toml").read_text(encoding="utf-8"))


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
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("class", {})
        return {name: ClassCard.from_table(name, {**_OPTIONAL, **table}) for name, table in tables.items()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UnreadableInputError.not_opened(path, error) from error
    except KeyError as error:
        raise UnreadableInputError(f"{path}: a class has no {error}; see docs/how-to/add-a-class.md.") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise UnreadableInputError(f"{path} cannot be read ({one_line(str(error))}); correct it there.") from error


def keep_own(card: ClassCard) -> None:
    """Add a card to the person's own ones, in the place of one with its name.

    Raises:
        UnreadableInputError, WriteError: nothing was changed.
    """
    _change(lambda cards: cards | {card.name: card})


def forget_own(name: str) -> None:
    """Take one of the person's own cards away.

    Raises:
        UnreadableInputError, WriteError: nothing was changed.
    """
    _change(lambda cards: {n: c for n, c in cards.items() if n != name})


def _change(change: Callable[[dict[str, ClassCard]], dict[str, ClassCard]]) -> None:
    path = own_cards_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_suffix(".lock")):  # another window may be adding one, too
            text = _HEAD + "".join(_table(card) for card in change(own_cards()).values())
            with replacing(path) as (beside,):
                beside.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        why, folder = (error.strerror or "the system refused").lower(), path.parent
        raise WriteError(f"{path.name} was not written ({why}); check the permissions of {folder}.") from error


def _table(card: ClassCard) -> str:
    """One ``[class.NAME]`` table. JSON's strings and lists of strings are TOML's."""
    values: dict[str, Iterable[str] | str] = {
        "modalities": card.modalities,
        "aliases": card.aliases,
        "laterality": card.laterality,
        "snomed": card.snomed,
        **dict(zip(ASPECTS, card.sentences, strict=True)),
    }
    lines = [f"{key} = {_literal(value)}" for key, value in values.items()]
    return "\n".join(["", f"[class.{card.name}]", *lines, ""])


def _literal(value: Iterable[str] | str) -> str:
    plain = one_line(value) if isinstance(value, str) else [one_line(word) for word in value]
    return json.dumps(plain, ensure_ascii=False)
