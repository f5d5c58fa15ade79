"""SeriesInfo: what can be said about a series before its voxels are read, and the choice among several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_segsam.core.errors import UnknownNameError, UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume

_SQUARE_WITHIN_DEGREES = 0.5


@dataclass(frozen=True)
class Evened:
    """What ``resample=True`` makes of a series whose slices are uneven.

    Attributes:
        shape: voxels along i, j, k.
        spacing_mm: along i, j, k.
        orientation: letters that i, j, k point to.
        resampled: what was done, as ``Volume.resampled`` has it.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    resampled: str


@dataclass(frozen=True)
class SeriesInfo:
    """One series that a path holds.

    Attributes:
        uid: names it in ``series=``; a Series Instance UID, with ``#n`` where one series holds several volumes; ``#n``
            alone for the volumes of a file without series; empty where it is the only one.
        modality: one of ``core.volume.MODALITIES``.
        description: what the file calls it; may hold anything that a person typed there.
        shape: voxels along i, j, k; 0 where that is not known.
        spacing_mm: along i, j, k; 0 where that is not known.
        orientation: letters that i, j, k point to, e.g. ``"LPS"``.
        transfer_syntax: DICOM only: how the pixels are packed.
        warnings: what to know before using it.
        refused: why it cannot be opened, None where it can.
        evened: what it is if it is opened resampled; None where that is not what it needs, or does not help.
    """

    uid: str
    modality: str
    description: str
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    transfer_syntax: str = ""
    warnings: tuple[str, ...] = ()
    refused: str | None = None
    evened: Evened | None = None

    @property
    def if_resampled(self) -> SeriesInfo:
        """As it opens with ``resample=True``: uneven slices made even, anything else as it is."""
        made = self.evened
        if made is None:
            return self
        return replace(
            self,
            shape=made.shape,
            spacing_mm=made.spacing_mm,
            orientation=made.orientation,
            warnings=(*self.warnings, made.resampled),
            refused=None,
            evened=None,
        )

    @classmethod
    def of(cls, volume: Volume, uid: str = "") -> SeriesInfo:
        """Of a volume that has been read from a file without series (NIfTI, NRRD, a picture)."""
        grid = volume.grid
        return cls(
            uid,
            volume.modality,
            volume.name,
            grid.shape,
            grid.spacing_mm,
            grid.axis_codes,
            warnings=(*volume.warnings, *tilt(grid)),
        )


def why_none(name: str, found: Sequence[SeriesInfo]) -> str:
    """Why nothing of the file or folder ``name`` can be shown, where that is so: of several reasons the first."""
    if not found:
        return f"{name} holds no image; choose another file or folder."
    others = len(found) - 1
    more = {0: "", 1: " (1 more was refused, too.)"}.get(others, f" ({others} more were refused, too.)")
    return f"{found[0].refused}{more}"


def tilt(grid: Grid) -> tuple[str, ...]:
    """A sentence where axes do not meet at right angles, as those of a scan with a tilted gantry."""
    steps = grid.affine[:3, :3] / grid.spacing_mm
    cosine = float(np.abs(steps.T @ steps)[np.triu_indices(3, 1)].max())
    degrees = float(np.degrees(np.arcsin(min(cosine, 1.0))))
    if degrees <= _SQUARE_WITHIN_DEGREES:
        return ()
    return (f"Its axes are {degrees:.1f}° off a right angle, as by a tilted gantry; it is kept as it was scanned.",)


def chosen(series: str | None, count: int, name: str) -> int:
    """Which of the ``count`` volumes of the file ``name`` is meant, from 0.

    Args:
        series: ``uid`` of a SeriesInfo of that file.
        count: how many there are.
        name: for messages.

    Raises:
        UnreadableInputError: none is named where there are several, or one where there are none to choose from.
        UnknownNameError: no such volume.
    """
    if count == 1:
        if series:
            raise UnreadableInputError(f"{name} holds one image and no series; leave --series away (series=None).")
        return 0
    if not series:
        raise UnreadableInputError(
            f"{name} holds {count} volumes; name one (series=..., --series), '#1' to '#{count}': segsam info says "
            "what they are."
        )
    uids = [f"#{n}" for n in range(1, count + 1)]
    if series not in uids:
        raise UnknownNameError("volume", series, (uids[0], uids[-1]))
    return uids.index(series)
