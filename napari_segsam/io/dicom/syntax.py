"""How pixels are packed, and whether that can be unpacked here."""

from __future__ import annotations

from functools import cache

from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from napari_segsam.io.dicom.damage import printable


@cache
def is_packed(syntax: UID) -> bool:
    """Whether pixels lie in packets (PS3.5 A.4); so they do in every syntax that nobody knows."""
    return not syntax.is_transfer_syntax or (syntax.is_encapsulated and not syntax.is_deflated)


@cache
def unsupported(syntax: UID) -> str | None:
    """Why such pixels cannot be unpacked here, None where they can."""
    try:
        if get_decoder(syntax).is_available:
            return None
    except NotImplementedError:
        pass
    named = f"{printable(syntax.name)} ({printable(syntax)})" if syntax.name != syntax else printable(syntax)
    return f"its pixels are packed as {named}, which cannot be read here; export it uncompressed"
