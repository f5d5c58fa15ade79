"""What DICOM objects made from labels refer to: the images that they were drawn on, one header for each slice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset

from napari_segsam.core.grid import Grid
from napari_segsam.core.volume import Volume
from napari_segsam.io import sandbox
from napari_segsam.io.dicom.damage import DAMAGE, quiet, refusal
from napari_segsam.io.dicom.made_up import NO_DICOM, headers_of
from napari_segsam.io.formats import is_dicom

if TYPE_CHECKING:
    from napari_segsam.io.dicom.headers import Headers


@dataclass(frozen=True, eq=False)
class Source:
    """The images behind a volume, in the order of its slices k.

    Attributes:
        grid: of the volume.
        headers: of each slice: which image it is, and the first one's also of whom and of what study; frames of one
            file share theirs.
        frames: number of each slice's frame in its file, from 1.
        made_up: what the files did not say and was made for them, or what was damaged, a sentence each.
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
    if not is_dicom(path):
        return source_of(volume or sandbox.read_volume(path, series=series))
    found = sandbox.read_headers(path, series=series, resample=volume is not None and bool(volume.resampled))
    with quiet():
        try:
            files = list(_decoded(found))
        except DAMAGE as error:  # none that the reading process made, unless a file has taken it over
            raise refusal(path, error, "the DICOM headers are damaged; export the images again") from error
    return Source(found.grid, tuple(files[n] for n in found.files), found.frames, found.made_up, found.resampled)


def _decoded(found: Headers) -> Iterator[Dataset]:
    start = 0
    for length in found.lengths:
        header = read_dataset(BytesIO(found.encoded[start : start + length].tobytes()), False, True)
        for _ in header.iterall():  # each element is decoded when it is asked for, so that no damage is met later
            pass
        start += length
        yield header


def source_of(volume: Volume) -> Source:
    """Images of nobody for a volume that is no DICOM, with UIDs that its voxels and their place decide."""
    headers = headers_of(volume)
    grid = replace(volume.grid, frame_of_reference=str(headers[0].FrameOfReferenceUID))
    return Source(grid, headers, (1,) * len(headers), (NO_DICOM,))
