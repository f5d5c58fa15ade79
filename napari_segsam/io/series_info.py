"""SeriesInfo: what can be said about a series before its voxels are read."""

from __future__ import annotations

from dataclasses import dataclass

from napari_segsam.core.volume import Volume


@dataclass(frozen=True)
class SeriesInfo:
    """One series that a path holds.

    Attributes:
        uid: names it in ``series=``; a Series Instance UID, with ``#n`` where one series holds several volumes.
        modality: one of ``core.volume.MODALITIES``.
        description: what the file calls it; may hold anything that a person typed there.
        shape: voxels along i, j, k.
        spacing_mm: along i, j, k.
        orientation: letters that i, j, k point to, e.g. ``"LPS"``.
        transfer_syntax: DICOM only: how the pixels are packed.
        warnings: what to know before using it.
        refused: why it cannot be opened, None where it can.
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

    @classmethod
    def of(cls, volume: Volume) -> SeriesInfo:
        """Of a volume that has been read from a file without series (NIfTI, NRRD, a picture)."""
        grid = volume.grid
        return cls(
            volume.series_uid,
            volume.modality,
            volume.name,
            grid.shape,
            grid.spacing_mm,
            grid.axis_codes,
            warnings=volume.warnings,
        )
