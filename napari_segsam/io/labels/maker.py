"""Maker: who drew the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from napari_segsam import __version__

PROGRAM = "napari-segsam"
MakerKind = Literal["SEMIAUTOMATIC", "AUTOMATIC", "MANUAL"]
MAKER_KINDS: tuple[MakerKind, ...] = get_args(MakerKind)


@dataclass(frozen=True)
class Maker:
    """Who drew the segments of a file, as DICOM asks (PS3.3 C.8.20.4, Segment Algorithm Type).

    Attributes:
        kind: SEMIAUTOMATIC by an algorithm that a person prompted or corrected, AUTOMATIC by an algorithm alone,
            MANUAL by a person alone.
        name: of the algorithm.
        version: of the algorithm.
    """

    kind: MakerKind = "SEMIAUTOMATIC"
    name: str = PROGRAM
    version: str = __version__
