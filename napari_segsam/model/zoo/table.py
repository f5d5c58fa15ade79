"""The table of families, and the way from a file's tensor names to its row.

A family claims a file by what only its files have, and SAM's own by having nothing else: so at most one family claims a
file, and no order among them matters. The exception is twins, whose files are alike and whose pictures are prepared
differently (SAM and MedSAM): between these a person chooses.
"""

from __future__ import annotations

from napari_segsam.model.zoo import (
    db_sam,
    hq_sam,
    lite_medsam,
    ma_sam,
    mas_sam,
    med_sa,
    medsam,
    mobile_sam,
    sam,
    sam_med2d,
    sam_unet,
    samed,
)
from napari_segsam.model.zoo.accounts import ModelFileError, UndecidedError
from napari_segsam.model.zoo.family import Family, Shapes
from napari_segsam.model.zoo.nearly import lacking

FAMILIES: tuple[Family, ...] = (
    sam.FAMILY,
    medsam.FAMILY,
    lite_medsam.FAMILY,
    mobile_sam.FAMILY,
    sam_med2d.FAMILY,
    hq_sam.FAMILY,
    sam_unet.FAMILY,
    samed.FAMILY,
    ma_sam.FAMILY,
    med_sa.FAMILY,
    med_sa.SKILL,
    mas_sam.FAMILY,
    db_sam.FAMILY,
)

BASE_SIDE = 1024
"""Of the pictures that a base sees, in pixels."""


def named(name: str) -> Family:
    """The family of this name.

    Raises:
        ModelFileError: there is none.
    """
    for family in FAMILIES:
        if family.name == name:
            return family
    raise ModelFileError(f"there is no family '{name}'; the families are {', '.join(f.name for f in FAMILIES)}")


def fitting(shapes: Shapes) -> list[Family]:
    """The families that claim a file with tensors of these shapes: one, none, or several whose files are alike."""
    return [family for family in FAMILIES if family.recognises(shapes)]


def find(shapes: Shapes, name: str | None = None) -> Family:
    """The family that a file with tensors of these shapes belongs to.

    Args:
        shapes: the file's tensor names and shapes.
        name: of the family that it shall be; only needed for twins.

    Raises:
        ModelFileError: of no family (where it is near to one, what it lacks), of another than ``name``, or of twins and
            no ``name`` is given.
    """
    claiming = fitting(shapes)
    if name is not None:
        asked = named(name)
        if asked in claiming:
            return asked
        if not claiming and (lacks := lacking(shapes, [asked])):
            raise ModelFileError(lacks)
        theirs = f"those of {_titles(claiming)}" if claiming else "of no family that is known here"
        raise ModelFileError(f"it is no file of {asked.title}: its tensors are {theirs}")
    if not claiming:
        if lacks := lacking(shapes, FAMILIES):
            raise ModelFileError(lacks)
        first = ", ".join(f"'{key}'" for key in sorted(shapes)[:3]) or "nothing"
        raise ModelFileError(f"its tensors are those of no family that `segsam models` lists; the first are {first}")
    if len(claiming) > 1:
        choices = " or ".join(f"@{family.name}" for family in claiming)
        raise UndecidedError(
            f"its tensors are those of {_titles(claiming)}, which prepare the picture differently; write {choices} "
            "behind its name",
            {family.name: family.title for family in claiming},
        )
    return claiming[0]


def find_base(shapes: Shapes, name: str) -> Family:
    """The family of a file that others are differences to.

    All of them were made on a SAM for pictures of 1024 pixels; a table of positions of another size would be resampled
    as theirs is, and the difference be put to a model that it was never learnt beside.

    Args:
        shapes: the file's tensor names and shapes.
        name: of the family that it shall be.

    Raises:
        ModelFileError: of another family, or for pictures of another size.
    """
    family = find(shapes, name)
    side = family.preparation(shapes).side
    if side != BASE_SIDE:
        raise ModelFileError(
            f"it is a {family.title} for pictures of {side} px, not for {BASE_SIDE} as SAM's own files are"
        )
    return family


def _titles(families: list[Family]) -> str:
    return " and of ".join(family.title for family in families)
