"""What a damaged or foreign file raises, and how that is said without quoting the file."""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydicom.errors import BytesLengthException, InvalidDicomError

from napari_segsam.core.errors import UnreadableInputError

DAMAGE = (
    ArithmeticError,
    AttributeError,
    BytesLengthException,
    EOFError,
    InvalidDicomError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What pydicom and its plug-ins raise on a damaged or foreign file."""

_LONGEST_NAME = 80


@contextmanager
def quiet() -> Iterator[None]:
    """No warnings and no log: pydicom's quote the values of the file, which may be a patient's."""
    log = logging.getLogger("pydicom")
    log.addFilter(_drop)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.removeFilter(_drop)


def _drop(_: logging.LogRecord) -> bool:
    return False


def refusal(path: Path, error: Exception, damaged: str) -> UnreadableInputError:
    """What to say of an error of :data:`DAMAGE`: that there is no access or no memory, or else ``damaged``."""
    if isinstance(error, OSError) and error.errno:
        return UnreadableInputError.not_opened(Path(printable(path.name)), error)
    if isinstance(error, MemoryError):
        damaged = "it needs more memory than there is; close programs, or open a smaller series"
    return UnreadableInputError(f"{printable(path.name)}: {damaged}.")


def printable(text: str) -> str:
    """A name out of a file or folder as a message may show it: no control characters, and not endless."""
    shown = "".join(c if c.isprintable() else "?" for c in text[: _LONGEST_NAME + 1])
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}..."
