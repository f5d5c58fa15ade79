"""Class names: the cards that describe them, and the ordered vocabulary that a model can answer with."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Literal, get_args
from unicodedata import category, normalize

from napari_segsam.core.errors import UnknownNameError

_NEVER_IN_COLOUR = {"ct", "mr", "pet"}
_WORDS = re.compile(r"[^\W_]+")
UNION = "union_"
"""What data sets begin the names of masks of several classes with; no class is called so."""
Kind = Literal["ct", "mr", "pet", "us", "xray", "dermoscopy", "endoscopy", "fundus", "microscopy", "octa", "pathology"]
KINDS: tuple[str, ...] = get_args(Kind)
"""Kinds of picture that a card may name: those of ``volume.MODALITIES``, with colour pictures told apart."""
ASPECTS = ("location", "shape", "appearance", "texture", "lookalike")


@dataclass(frozen=True)
class Code:
    """A coded concept: its value in a coding scheme (SCT = SNOMED CT), and what it means."""

    value: str
    meaning: str
    scheme: str = "SCT"


@dataclass(frozen=True)
class Coding:
    """What a segment is in DICOM's codes (PS3.3 C.8.20.4): its property category, property type and their modifier.

    Attributes:
        region: where in the body it lies, unless the type says that already; ``region_modifier``: on which side.
    """

    category: Code
    type: Code
    modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None


CATEGORIES = {
    "anatomy": Code("91723000", "Anatomical Structure"),
    "abnormal": Code("49755003", "Morphologically Abnormal Structure"),
}
"""Categories that a card may name -> DICOM PS3.16, CID 7150."""
SIDES = {"left": Code("7771000", "Left"), "right": Code("24028007", "Right")}
"""DICOM PS3.16, CID 244."""


@dataclass(frozen=True)
class ClassCard:
    """What a class looks like, in five sentences, with its codes; see ``weights/class_cards.toml``."""

    name: str
    modalities: tuple[str, ...]
    aliases: tuple[str, ...]
    laterality: str
    snomed: tuple[str, ...]
    sentences: tuple[str, ...]
    category: str = ""

    @property
    def coding(self) -> Coding | None:
        """The class in DICOM's codes, None where the card has none.

        The side is a modifier unless the code itself says it, as that of "Left kidney structure" does.
        """
        if not self.snomed or self.category not in CATEGORIES:
            return None
        value, meaning = self.snomed
        said = self.laterality in _WORDS.findall(meaning.lower())
        return Coding(CATEGORIES[self.category], Code(value, meaning), None if said else SIDES.get(self.laterality))

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object]) -> ClassCard:
        """One table of the cards' file."""

        def words(key: str) -> tuple[str, ...]:
            value = table[key]
            return tuple(str(v) for v in value) if isinstance(value, list) else ()

        sentences = tuple(str(table[a]) for a in ASPECTS)
        side, category = str(table["laterality"]), str(table.get("category", ""))
        return cls(name, words("modalities"), words("aliases"), side, words("snomed"), sentences, category)


def read_cards(text: str) -> dict[str, ClassCard]:
    """The text of ``class_cards.toml`` -> cards by name, in the file's order."""
    tables = tomllib.loads(text)["class"]
    return {name: ClassCard.from_table(name, table) for name, table in tables.items()}


@dataclass(frozen=True)
class Vocabulary:
    """The classes a model can name, in the order of its logits; a class id is its position + 1.

    Attributes:
        names: in order.
        aliases: other spellings -> name.
        modalities: in which kinds of picture a class is seen, as its card says; a class that is not here, in any.
    """

    names: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    modalities: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, cards: Iterable[ClassCard]) -> Vocabulary:
        """The vocabulary of these cards, in their order."""
        listed = tuple(cards)
        names = tuple(c.name for c in listed)
        aliases = {a: c.name for c in listed for a in c.aliases if a not in names}
        return cls(names, aliases, {c.name: c.modalities for c in listed})

    def __len__(self) -> int:
        return len(self.names)

    def canonical(self, name: str) -> str | None:
        """This class's own name for ``name`` (any case, any punctuation between words, known synonyms), or None."""
        key = spelled(name)
        return key if key in self.names else self.aliases.get(key)

    def possible(self, modality: str) -> tuple[bool, ...]:
        """For each class whether a picture of this modality (see ``volume.MODALITIES``) can show it.

        An unknown modality rules nothing out; colours rule out what only CT, MR or PET shows.
        """
        if modality == "unknown":
            return (True,) * len(self.names)
        seen = [set(self.modalities.get(name, (modality,))) for name in self.names]
        return tuple(bool(s - _NEVER_IN_COLOUR) if modality == "rgb" else modality in s for s in seen)

    def id_of(self, name: str) -> int:
        """Class id of a name or synonym.

        Raises:
            UnknownNameError: names the nearest classes.
        """
        found = self.id_or_zero(name)
        if not found:
            raise UnknownNameError("class", name, self.names)
        return found

    def id_or_zero(self, name: str | None) -> int:
        """Class id of a name or synonym; 0, which is no class, where there is none."""
        found = None if name is None else self.canonical(name)
        return 0 if found is None else self.names.index(found) + 1

    def name_of(self, class_id: int) -> str:
        """Name of a class id (1..K).

        Raises:
            UnknownNameError: no class has this id.
        """
        if not 1 <= class_id <= len(self.names):
            raise UnknownNameError("class id", str(class_id), (f"1 to {len(self.names)}",))
        return self.names[class_id - 1]


def spelled(name: str) -> str:
    """A class's name as all are written here: lower-case words of letters and digits, of any script, joined by ``_``.

    ``Left Kidney`` is ``left_kidney``; empty where there is no letter and no digit.
    """
    # A vowel sign or an accent may be a character of its own (M); it belongs to its letter (L).
    kept = (c if category(c)[0] in "LMN" else " " for c in normalize("NFC", name.casefold()))
    return "_".join("".join(kept).split())


def told_apart(names: Iterable[str]) -> tuple[str, ...]:
    """Names that somebody else gave to classes, :func:`spelled`, each another one.

    What would have none, or the same as one before it, is ``class_K``: K is its place, from 0.
    """
    given, made = tuple(names), list[str]()
    for k, name in enumerate(map(spelled, given)):
        others = (f"class_{n}" for n in count(k, len(given)))
        made.append(name if name and name not in made else next(n for n in others if n not in made))
    return tuple(made)


def spoken(name: str) -> str:
    """A class's name for a person: ``kidney_left`` -> ``kidney left``."""
    return name.replace("_", " ")
