"""A label map never takes the place of the scan that it was drawn on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_segsam.core.errors import WriteError
from napari_segsam.io.dicom.parse import START, looks_like_dicom, meta_of
from napari_segsam.io.inputs import is_read, root_of
from napari_segsam.io.labels.holding import OF_LABELS
from napari_segsam.io.labels.names import names_path


def refuse_images(path: Path, scan: Sequence[Path]) -> None:
    """Refuse to write ``path`` and the names beside it over what the scan was read from.

    Args:
        path: of the label map.
        scan: files that were read, or a folder of DICOM files; what is in it and is no image may be written over, as a
            label map that was saved there before.

    Raises:
        WriteError: one of them is a file of the scan, by whatever link.
    """
    folders = [p for p in map(root_of, scan) if p.is_dir()]
    files = [p for p in map(root_of, scan) if p not in folders]
    for place in (path, names_path(path)):
        if is_read(place, files) or (is_read(place, folders) and _is_image(place)):
            raise WriteError(f"{place.name} is a file of the scan and was not overwritten; choose another name.")


def _is_image(path: Path) -> bool:
    """Whether a reader of the folder takes it for DICOM, and it does not say that it holds labels."""
    with path.open("rb", buffering=0) as file:
        start = file.read(START)
    meta = meta_of(start)
    return looks_like_dicom(start) and (meta is None or meta[0] not in OF_LABELS)
