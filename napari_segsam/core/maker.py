"""Maker: who drew the labels."""

from __future__ import annotations

from dataclasses import dataclass

from napari_segsam import __version__
from napari_segsam.core.terminology import Code

PROGRAM = "napari-segsam"
MAKER_KINDS = ("SEMIAUTOMATIC", "AUTOMATIC", "MANUAL")
_ARTIFICIAL_INTELLIGENCE = Code("123110", "Artificial Intelligence", "DCM")


@dataclass(frozen=True)
class Maker:
    """Who drew a segment, as DICOM asks (PS3.3 C.8.20.2, Segment Algorithm Type and what identifies the algorithm).

    Attributes:
        kind: one of MAKER_KINDS: SEMIAUTOMATIC by an algorithm that a person prompted or corrected, AUTOMATIC by an
            algorithm alone, MANUAL by a person alone.
        name: of the algorithm.
        version: of the algorithm; empty where a file gives the name alone.
        family: what kind of algorithm it is (PS3.16, CID 7162).
    """

    kind: str = "SEMIAUTOMATIC"
    name: str = PROGRAM
    version: str = __version__
    family: Code = _ARTIFICIAL_INTELLIGENCE
