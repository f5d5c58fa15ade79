"""Errors that a user can act on: one sentence that says what, where and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path


def one_line(text: str) -> str:
    """A sentence as it may be shown, whatever is in the names of files that it quotes: no control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


class SegsamError(Exception):
    """Something the user can mend; shown in the dock, printed by the command line with exit code 2."""


class UnreadableInputError(SegsamError):
    """A file or folder that is no image we can read."""

    @classmethod
    def not_opened(cls, path: Path, error: OSError) -> UnreadableInputError:
        """The system does not give the file out."""
        why = (error.strerror or "the system refused").lower()
        return cls(f"{path.name} could not be opened ({why}); check the file and its permissions.")


class OutsideImageError(SegsamError):
    """A prompt that lies outside the image or on another slice than it names."""


class BadPromptsError(SegsamError):
    """A prompt file or prompt that does not say what it should."""


class UnknownNameError(SegsamError):
    """A class, model, series or option that does not exist; names the nearest ones."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        near = get_close_matches(name, names, n=3, cutoff=0.5) or names[:8]
        super().__init__(f"Unknown {what} '{name}'. Did you mean: {', '.join(near)}?")


class BadCheckpointError(SegsamError):
    """A weights file that is damaged, of another family, or not the one that the registry names."""


class UndecidedModelError(BadCheckpointError):
    """A weights file that does not say all of what the model is.

    Attributes:
        families: name -> title of those whose files are alike: one of these words is to be added to the model's choice.
        base: what another file is to be given of, empty where none is.
    """

    def __init__(self, message: str, families: Mapping[str, str], base: str) -> None:
        super().__init__(message)
        self.families, self.base = families, base


class WriteError(SegsamError):
    """An output that could not be written or did not read back equal; nothing already there was lost."""


class GridMismatchError(SegsamError):
    """Two things that do not lie on the same voxel grid."""


class BadLabelsError(SegsamError):
    """A label value that a voxel of a label map cannot hold."""


class DownloadError(SegsamError):
    """A model that is not on this machine and cannot be fetched now; a local file always works instead."""


class DownloadCancelledError(DownloadError):
    """It was being fetched, until the person wanted it no longer."""
