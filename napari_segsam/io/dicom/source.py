"""What DICOM objects made from labels refer to: the images that they were drawn on, one header for each slice."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.io import sandbox
from napari_segsam.io.dicom.damage import DAMAGE, quiet, refusal
from napari_segsam.io.dicom.made_up import NO_DICOM, fill_blank, headers_of
from napari_segsam.io.dicom.read import series_at
from napari_segsam.io.dicom.resample import even_stack
from napari_segsam.io.dicom.series import Series
from napari_segsam.io.dicom.stack import Stack

_DAMAGED = "the DICOM header is damaged or cut short; export the image again"


@dataclass(frozen=True, eq=False)
class Source:
    """The images behind a volume, in the order of its slices k.

    Attributes:
        grid: of the volume.
        headers: of each slice, complete but for the pixels; frames of one file share theirs.
        frames: number of each slice's frame in its file, from 1.
        made_up: what the files did not say and was made for them, a sentence each.
        resampled: how uneven slices became the grid's, whose headers are then those of the nearest ones; empty where
            each slice is an image.
    """

    grid: Grid
    headers: tuple[Dataset, ...]
    frames: tuple[int, ...]
    made_up: tuple[str, ...] = ()
    resampled: str = ""

    @property
    def files(self) -> tuple[Dataset, ...]:
        """Each file's header once, in the order of slices."""
        return tuple({id(h): h for h in self.headers}.values())


def read_source(path: Path, series: str | None = None, *, volume: Volume | None = None) -> Source:
    """The images of the scan that ``read_volume`` reads with the same arguments, without their pixels.

    Args:
        path: a DICOM file, or a folder of them; or a file of another format, whose headers are made up.
        series: which, where there are several.
        volume: the scan, if it has been read already: a file of another format is not read again then, and slices that
            were resampled are taken for what they became.

    Raises:
        UnknownNameError: no such series.
        UnreadableInputError: as :func:`napari_segsam.io.formats.read_volume`.
    """
    from napari_segsam.io.formats import is_dicom  # it reads label maps too, and these need a Source

    if not is_dicom(path):
        return source_of(volume or sandbox.read_volume(path, series=series))
    with quiet():
        stack = _stack(series_at(path, series), is_resampled=volume is not None and bool(volume.resampled))
        frames = [stack.frames[round(place)] for place in stack.at] or stack.frames
        by_path = {path: _header(path) for path in dict.fromkeys(f.path for f in frames)}
        headers = tuple(by_path[f.path] for f in frames)
        try:
            made_up = fill_blank(headers, [f.path for f in frames], frames[0].is_placed)
            grid = replace(stack.grid, frame_of_reference=str(headers[0].FrameOfReferenceUID))
        except DAMAGE as error:
            raise refusal(frames[0].path, error, _DAMAGED) from error
        return Source(grid, headers, tuple(f.number + 1 for f in frames), made_up, stack.resampled)


def source_of(volume: Volume) -> Source:
    """Images of nobody for a volume that is no DICOM, with UIDs that its voxels and their place decide."""
    headers = headers_of(volume)
    grid = replace(volume.grid, frame_of_reference=str(headers[0].FrameOfReferenceUID))
    return Source(grid, headers, (1,) * len(headers), (NO_DICOM,))


def _stack(series: Series, *, is_resampled: bool) -> Stack:
    if series.stack is not None:
        return series.stack
    if is_resampled and series.irregular is not None:
        return even_stack(series.frames, series.irregular, series.name)
    raise UnreadableInputError(series.refused or "")


def _header(path: Path) -> Dataset:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except DAMAGE as error:
        raise refusal(path, error, _DAMAGED) from error
