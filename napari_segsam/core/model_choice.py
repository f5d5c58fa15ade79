"""ModelChoice: which model a person asks for, in one text that every command, the dock and a log can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_segsam.core.errors import SegsamError

_BASE = "base="


@dataclass(frozen=True)
class ModelChoice:
    """``NAME_OR_FILE`` or ``NAME_OR_FILE@WORD,WORD``.

    Attributes:
        model: a name of the registry, or a file's path.
        words: what the file cannot say of itself: its family, where files of several are alike (``medsam``), and
            options of it (``without_adapters``).
        base: name or file of the model that the file is a difference to: the word ``base=NAME_OR_FILE``, which is last.
    """

    model: str
    words: tuple[str, ...] = ()
    base: str | None = None

    @classmethod
    def of(cls, text: str) -> ModelChoice:
        """The inverse of ``str``; a file in whose own path there is an ``@`` is that file."""
        cuts = [at for at, letter in enumerate(text) if letter == "@"]
        if not any(cuts) or Path(text).is_file():
            return cls(text)
        cut = next((at for at in cuts if Path(text[:at]).is_file()), cuts[0])
        model, said = text[:cut], text[cut + 1 :]
        before, based, base = said.partition(_BASE)
        return cls(model, tuple(word for word in before.split(",") if word), base if based else None)

    @classmethod
    def checked(cls, text: str) -> ModelChoice:
        """``of``, where a person may have left something out.

        Raises:
            SegsamError: no model, or nothing behind the ``@`` or ``base=``.
        """
        choice = cls.of(text)
        if not choice.model or (choice.model.startswith("@") and not Path(text).is_file()):
            raise SegsamError(f"'{text}' names no model; write a name of `segsam models` or a file, before any @.")
        if choice.base == "":
            raise SegsamError(f"'{text}' has no base behind base=; write @base=NAME_OR_FILE, or leave it out.")
        if choice == cls(choice.model) != cls(text):
            raise SegsamError(f"'{text}' has nothing behind its @; write a word or base=NAME_OR_FILE there, or no @.")
        return choice

    def __str__(self) -> str:
        said = [*self.words, *([] if self.base is None else [_BASE + self.base])]
        return f"{self.model}@{','.join(said)}" if said else self.model
