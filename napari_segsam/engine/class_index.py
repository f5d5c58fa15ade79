"""ClassIndex: finds a class by anything that a person may call it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from napari_segsam.core.terminology import Vocabulary, spelled

_NO_MATCH = 9
_AS_ALIAS, _AS_MEANING = 1, 4
"""How much worse than by its own name a class is found by another one, or by the meaning of its code."""


@dataclass(frozen=True)
class Hit:
    """A class that was found.

    Attributes:
        name: of the class.
        by: the other spelling or the code's meaning that was found, empty where it was the name itself.
    """

    name: str
    by: str = ""


@dataclass(frozen=True)
class _Spelling:
    """One way to call a class, taken apart once: searching shall take no time that a person notices."""

    text: str
    joined: str
    words: tuple[str, ...]
    malus: int

    @classmethod
    def of(cls, text: str, malus: int) -> _Spelling:
        joined = spelled(text)
        return cls(text if malus else "", joined, tuple(joined.split("_")), malus)

    def rank(self, words: list[str], joined: str) -> int:
        """0: so and not otherwise, 2: begins so, 3: every word begins one of its words, 5: is somewhere in it."""
        if joined == self.joined:
            return self.malus
        if self.joined.startswith(joined):
            return self.malus + 2
        if all(any(own.startswith(word) for own in self.words) for word in words):
            return self.malus + 3
        return self.malus + (5 if joined in self.joined else _NO_MATCH)


class ClassIndex:
    """Classes by name, other spellings, and the meaning of their code.

    Args:
        vocabulary: the classes, with their other spellings and the kinds of picture in which they are seen.
        meanings: name -> what its code means, where it has one.
    """

    def __init__(self, vocabulary: Vocabulary, meanings: Mapping[str, str]) -> None:
        self._vocabulary = vocabulary
        self._spellings = {name: [_Spelling.of(name, 0)] for name in vocabulary.names}
        called = [(name, alias, _AS_ALIAS) for alias, name in vocabulary.aliases.items()]
        called += [(name, meaning, _AS_MEANING) for name, meaning in meanings.items()]
        for name, text, malus in called:
            if name in self._spellings:
                self._spellings[name].append(_Spelling.of(text, malus))

    def named(self, text: str) -> str | None:
        """The class that is called exactly so, in whatever spelling."""
        return self._vocabulary.canonical(text)

    def find(self, text: str, modality: str, likely: Sequence[str] = ()) -> list[Hit]:
        """The classes that fit, best first; case, punctuation and the order of words do not matter.

        What is called so comes before what begins so, names before other spellings, those before meanings of codes;
        among equals, what a picture of this modality can show comes first, and of that what is ``likely``, best first.
        """
        joined = spelled(text)
        if not joined:
            return []
        words, found = joined.split("_"), []
        for name, possible in zip(self._vocabulary.names, self._vocabulary.possible(modality), strict=True):
            rank, by = min((s.rank(words, joined), s.text) for s in self._spellings[name])
            if rank < _NO_MATCH:
                place = likely.index(name) if name in likely else len(likely)
                found.append((rank, not possible, place, name, by))
        return [Hit(name, by) for *_, name, by in sorted(found)]
