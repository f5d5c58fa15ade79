"""One volume out of an image file of any format whose header gives a Layout."""

from __future__ import annotations

from dataclasses import replace

from napari_segsam.core.volume import Volume, infer_modality
from napari_segsam.io.images.layout import Layout
from napari_segsam.io.images.stored import check_whole, read_stored
from napari_segsam.io.intensities import Voxels, finite, narrowed, rescaled
from napari_segsam.io.series_info import SeriesInfo, chosen

TRANSPARENT = "The image is transparent in places; its colours are shown as if it were not."


def read_image(layout: Layout, series: str | None = None) -> Volume:
    """The volume that ``series`` names.

    Args:
        layout: what the file's header says.
        series: ``#1``, ``#2``, ... where it holds several; None where it holds one.

    Raises:
        UnknownNameError: no such volume.
        UnreadableInputError: several volumes and none named, or the file is not whole.
    """
    number = chosen(series, layout.count, layout.path.name)
    voxels, warned = _intensities(read_stored(layout, number), layout)
    return Volume(
        layout.grid,
        voxels,
        modality=infer_modality(voxels),
        name=layout.stem if layout.count == 1 else f"{layout.stem} #{number + 1}",
        placed=layout.placed,
        warnings=(*layout.warnings, *warned),
    )


def list_image(layout: Layout) -> list[SeriesInfo]:
    """Every volume of the file, which is read to its end.

    Raises:
        UnreadableInputError: the file is not whole.
    """
    if layout.count == 1:
        return [SeriesInfo.of(read_image(layout))]
    check_whole(layout)
    first = SeriesInfo(
        uid="#1",
        modality="unknown" if layout.colour is None else "rgb",
        description=layout.stem,
        shape=layout.grid.shape,
        spacing_mm=layout.grid.spacing_mm,
        orientation=layout.grid.axis_codes,
        warnings=layout.warnings,
    )
    return [
        replace(first, uid=f"#{n + 1}", description=f"{layout.stem}: {layout.describe(n)}") for n in range(layout.count)
    ]


def _intensities(stored: Voxels, layout: Layout) -> tuple[Voxels, tuple[str, ...]]:
    """Intensities or RGB colours that are finite, and what to say about them."""
    if layout.colour is None:
        return finite(narrowed(rescaled(stored, layout.slope, layout.intercept)), layout.path.name)
    seen = stored.shape[-1] == 3 or bool((stored[..., 3] == stored[..., 3].max()).all())
    return stored[..., :3], () if seen else (TRANSPARENT,)
