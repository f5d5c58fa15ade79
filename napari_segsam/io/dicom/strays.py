"""A slice that one part of a series lacks because it is listed as another part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from napari_segsam.io.dicom.frame import Frame
from napari_segsam.io.dicom.gaps import Flaw
from napari_segsam.io.dicom.stack import IrregularSlicesError, Pile

_ALONG = 0.9  # cosine between normals: the slice lies across the others' normal, if not quite as they do


def explained(
    error: IrregularSlicesError, name: str, frames: Sequence[Frame], parts: Mapping[str, Sequence[Frame]]
) -> IrregularSlicesError:
    """The same error, which says where the slice is that its gap lacks; unchanged where nobody has it.

    Args:
        error: of these frames.
        name: what it calls them.
        frames: of one part of a series.
        parts: the others, by their numbers in the series, as in ``#2``.
    """
    if error.flaw.kind != "uneven":
        return error
    pile = Pile.of(frames)
    for number, others in parts.items():
        for other in (o for o in others if o.is_placed):
            along = _place_in_gap(error.flaw, pile, other)
            if along is not None:
                differs = f", as {what} differs" if (what := _difference(frames[0], other)) else ""
                flaw = replace(error.flaw, elsewhere=f"the slice at {along:.2f} mm is listed as part {number}{differs}")
                return IrregularSlicesError(f"{name}: {flaw.told(pile.frames)}", flaw)
    return error


def _place_in_gap(flaw: Flaw, pile: Pile, other: Frame) -> float | None:
    """Millimetres along the pile's normal where a frame lies in its gap, None where it lies elsewhere."""
    own, normal = Pile.of([other]), pile.directions[:, 2]
    along = float(own.positions[0] @ normal)
    inside = flaw.along < along < flaw.along + flaw.gap and abs(own.directions[:, 2] @ normal) > _ALONG
    return along if inside else None


def _difference(usual: Frame, other: Frame) -> str:
    """In what a frame differs from others of its series."""
    if (other.rows, other.cols) != (usual.rows, usual.cols):
        return "its size"
    if other.spacing != usual.spacing:
        return "its pixel spacing"
    return "its orientation" if other.orientation != usual.orientation else ""
