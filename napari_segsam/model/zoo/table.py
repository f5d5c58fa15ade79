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


def named(name: str) -> Family:
    """The family of this name.

    Raises:
        ModelFileError: there is none.
    """
    for family in FAMILIES:
        if family.name == name:
            return family
    raise ModelFileError(f"there is no family '{name}'; the families are {', '.join(f.name for f in FAMILIES)}")


def find(shapes: Shapes, name: str | None = None) -> Family:
    """The family that a file with tensors of these shapes belongs to.

    Args:
        shapes: the file's tensor names and shapes.
        name: of the family that it shall be; only needed for twins.

    Raises:
        ModelFileError: of no family, of another than ``name``, or of twins and no ``name`` is given.
    """
    fitting = [family for family in FAMILIES if family.recognises(shapes)]
    if name is not None:
        asked = named(name)
        if asked in fitting:
            return asked
        theirs = f"those of {_titles(fitting)}" if fitting else "of no family that is known here"
        raise ModelFileError(f"it is no file of {asked.title}: its tensors are {theirs}")
    if not fitting:
        first = ", ".join(f"'{key}'" for key in sorted(shapes)[:3]) or "nothing"
        raise ModelFileError(f"its tensors are those of no family that `segsam models` lists; the first are {first}")
    if len(fitting) > 1:
        choices = " or ".join(f"@{family.name}" for family in fitting)
        raise UndecidedError(
            f"its tensors are those of {_titles(fitting)}, which prepare the picture differently; write {choices} "
            "behind its name",
            {family.name: family.title for family in fitting},
        )
    return fitting[0]


def _titles(families: list[Family]) -> str:
    return " and of ".join(family.title for family in families)
