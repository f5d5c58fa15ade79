"""What DICOM objects made from labels refer to: the images that they were drawn on, one header for each slice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from napari_segsam.core.errors import UnreadableInputError
from napari_segsam.core.grid import Grid
from napari_segsam.io.dicom.header import DAMAGE, quiet, refusal
from napari_segsam.io.dicom.read import series_at


@dataclass(frozen=True, eq=False)
class Source:
    """The images behind a volume, in the order of its slices k.

    Attributes:
        grid: of the volume.
        headers: of each slice, complete but for the pixels; frames of one file share theirs.
        frames: number of each slice's frame in its file, from 1.
        made_up: what the files did not say and was made for them, a sentence each.
    """

    grid: Grid
    headers: tuple[Dataset, ...]
    frames: tuple[int, ...]
    made_up: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Dataset, ...]:
        """Each file's header once, in the order of slices."""
        return tuple({id(h): h for h in self.headers}.values())


def read_source(path: Path, series: str | None = None) -> Source:
    """The images of the DICOM series that ``read_volume`` reads with the same arguments.

    Raises:
        UnknownNameError: no such series.
        UnreadableInputError: as :func:`napari_segsam.io.dicom.read.read_dicom`.
    """
    with quiet():
        chosen = series_at(path, series)
        if chosen.stack is None:
            raise UnreadableInputError(chosen.refused or "")
        frames = chosen.stack.frames
        headers = {frame.path: _header(frame.path) for frame in frames}
        return Source(chosen.stack.grid, tuple(headers[f.path] for f in frames), tuple(f.number + 1 for f in frames))


def _header(path: Path) -> Dataset:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except DAMAGE as error:
        raise refusal(path, error, "the DICOM header is damaged or cut short; export the image again") from error
